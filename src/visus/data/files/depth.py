"""Pixels of 10 to 32 bits, with sign or as floats, to 8 bits: by the range that their file says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from visus.data.files.orientation import png_chunks

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF 6.0
_LARGEST, _SMALLEST_NUMBER, _LARGEST_NUMBER = 281, 340, 341
_FULL = 65535
_SMALL = 4096  # values below, the twelve lowest bits of sixteen, come out as nearly black


@dataclass(frozen=True)
class Levels:
    """Which values of a file are black and white.

    Args:
        black: what becomes 0.
        white: what becomes 255; None where the file says nothing and has no usual range.
        said: whether the file says so itself, rather than its number of bits.
        inverted: whether it counts from white to black.
    """

    black: float = 0
    white: float | None = None
    said: bool = False
    inverted: bool = False


def levels_of(image: Image.Image) -> Levels:
    """The range of an image that was opened and not yet decoded.

    A PNG says it in its sBIT chunk; a TIFF in BitsPerSample, MaxSampleValue, SMinSampleValue or SMaxSampleValue.
    """
    if isinstance(image, TiffImageFile):
        return _tiff_levels(image)
    if isinstance(image, PngImageFile) and image.fp is not None and not image.fp.closed:
        for kind, place, length in png_chunks(image.fp):
            if kind == b"sBIT":
                before = image.fp.tell()
                image.fp.seek(place)
                bits = max(image.fp.read(min(length, 4)), default=16)
                image.fp.seek(before)
                if 8 <= bits < 16:
                    return Levels(white=2**bits - 1, said=True)
            elif kind == b"IDAT":
                break
    # Of an image that no file holds, "I" are 32 bits.
    return Levels(white={"F": None, "I": _FULL if image.format else 2**31 - 1}.get(image.mode, _FULL))


def deep_rawmode(image: Image.Image) -> str | None:
    """How an image of 16 bits a colour lies in its file, such as "RGB;16B"; None for any other. Before decoding."""
    tiles = image.tile if isinstance(image, ImageFile) else None
    arguments = tiles[0].args if tiles else None
    rawmode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return rawmode if isinstance(rawmode, str) and rawmode.startswith(("RGB", "LA")) and ";16" in rawmode else None


def lower_bytes(image: Image.Image) -> bool:
    """Have the lower byte of each value of an image of 16 bits a colour decoded, where Pillow keeps the upper one.

    False where Pillow knows no such layout. Before decoding.
    """
    rawmode = deep_rawmode(image)
    if rawmode is None or rawmode.startswith("LA") or not isinstance(image, ImageFile):
        return False
    kind, order = rawmode.split(";16")
    swapped = f"{kind};16{'L' if order == 'B' else 'B'}"  # N, the order of this machine, is L on all that are common
    image.tile = [
        tile._replace(args=(swapped, *tile.args[1:]) if isinstance(tile.args, tuple) else swapped)
        for tile in image.tile
    ]
    return True


def eight_bits(values: NDArray[Any], levels: Levels) -> UInt8[np.ndarray, ...]:
    """``values`` of any number of bits, from their ``levels`` to 0 to 255.

    Raises:
        ValueError: there are negative or floating values, and no range is known.
    """
    levels = _fitting(values, levels)
    if levels.white is None:
        kind = "floating-point" if values.dtype.kind == "f" else "signed"
        raise ValueError(f"{kind} pixels have no defined black and white: save the image with 8 or 16 bits")
    if (levels.black, levels.white) == (0, _FULL):
        scaled = values.astype(np.int64).clip(0, _FULL) >> 8
    else:
        shares = (values.astype(np.float64) - levels.black) / (levels.white - levels.black)
        scaled = np.rint(np.nan_to_num(shares, nan=0.0).clip(0, 1) * 255)
    eight: NDArray[np.uint8] = scaled.astype(np.uint8)
    return 255 - eight if levels.inverted else eight


def are_small(values: NDArray[Any], levels: Levels) -> bool:
    """Whether 16-bit values come out nearly black, because they use few of their bits and the file does not say so."""
    return levels.white in (_FULL, _FULL // 2) and not levels.said and bool(values.max(initial=0) < _SMALL)


def _tiff_levels(image: TiffImageFile) -> Levels:
    bits = max(_numbers(image, _BITS), default=1)
    largest, formats = _numbers(image, _LARGEST), _numbers(image, _SAMPLE_FORMAT)
    smallest_number, largest_number = _numbers(image, _SMALLEST_NUMBER), _numbers(image, _LARGEST_NUMBER)
    inverted = _numbers(image, _PHOTOMETRIC) == [0] and image.mode.startswith(("I", "F"))
    if largest_number:
        black = min(smallest_number, default=0)
        if max(largest_number) > black:
            return Levels(black, max(largest_number), said=True, inverted=inverted)
    if largest and max(largest) > 0:
        return Levels(0, max(largest), said=True, inverted=inverted)
    if image.mode == "F":
        return Levels(inverted=inverted)
    signed = 2 in formats
    return Levels(0, 2 ** (bits - signed) - 1, said=8 < bits < 16, inverted=inverted)


def _numbers(image: TiffImageFile, tag: int) -> list[float]:
    try:
        value = image.tag_v2.get(tag)
        return [float(number) for number in (value if isinstance(value, tuple) else (value,)) if number is not None]
    except (TypeError, ValueError, ZeroDivisionError):  # text, or a fraction of nothing
        return []


def _fitting(values: NDArray[Any], levels: Levels) -> Levels:
    """``levels``, unless the values show that they cannot be meant."""
    if levels.white is None or not values.size or values.dtype.kind == "f":
        return levels
    smallest, largest = values.min(), values.max()
    if smallest < 0 and not levels.said:
        return Levels()
    if levels.said and largest > levels.white:  # such as the bits of a PNG that was spread over all 16
        return Levels(white=_FULL, inverted=levels.inverted)
    if levels.white > _FULL and largest <= _FULL and not levels.said:  # many programs save 8 or 16 bits in 32
        return Levels(white=255 if largest <= 255 else _FULL, inverted=levels.inverted)
    return levels
