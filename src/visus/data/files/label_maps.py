"""Label maps: PNG files whose pixels say, by a number or by a colour, what each pixel of an image shows.

Every reader of semantic masks goes through `LabelTable`, which says which values mean which class, and refuses all
others. Numbers may have 1 to 16 bits or be the indices of a palette; the palette itself, and any transparency, only
serve those who look at the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from visus.data.errors import AnnotationError, ImageError
from visus.data.files.content import read_content
from visus.data.files.opened import opened
from visus.data.files.orientation import load_unturned, orientation_of, turned
from visus.types import VOID

Colour = tuple[int, int, int]

_UNKNOWN = -1
_IDS = 1 << 16
_PNG_START = b"\x89PNG\r\n\x1a\n"


class LabelTable:
    """Which label each value of a label map has.

    Args:
        ids: the label, or `VOID`, of each number that an image of one channel may hold.
        colours: the label, or `VOID`, of each colour that an RGB image may hold.

    Raises:
        ValueError: a number has more than 16 bits, or a label is none of 0 to 255.
    """

    def __init__(self, *, ids: Mapping[int, int], colours: Mapping[Colour, int] | None = None) -> None:
        colours = colours or {}
        wrong = [value for value in ids if not 0 <= value < _IDS]
        if wrong or any(not 0 <= label <= VOID for label in (*ids.values(), *colours.values())):
            raise ValueError(f"classes are numbered 0 to {_IDS - 1} in files and 0 to {VOID} as labels; not {wrong}")
        self._of_id = np.full(_IDS, _UNKNOWN, dtype=np.int16)
        for value, label in ids.items():
            self._of_id[value] = label
        packed = sorted((red << 16 | green << 8 | blue, label) for (red, green, blue), label in colours.items())
        self._codes = np.array([code for code, _ in packed], dtype=np.int64)
        self._of_code = np.array([label for _, label in packed], dtype=np.int16)

    def read(self, path: Path) -> UInt8[Tensor, "h w"]:
        """The label of each pixel of a label map.

        Raises:
            ImageError: the file cannot be read.
            AnnotationError: it holds a value that is no class; names the values found and those allowed.
        """
        values = read_values(path)
        labels = self._of_id[values] if values.ndim == 2 else self._of_colours(values, path)
        unknown = labels == _UNKNOWN
        if unknown.any():
            raise AnnotationError(f"{path}: {self._complaint(values, unknown)}")
        return torch.from_numpy(labels.astype(np.uint8))

    def _of_colours(self, values: NDArray[np.integer[Any]], path: Path) -> NDArray[np.int16]:
        if not len(self._codes):
            raise AnnotationError(f"{path}: a colour image, but no class has a colour; save numbers or a palette")
        codes = _packed(values)
        places = np.searchsorted(self._codes, codes).clip(max=len(self._codes) - 1)
        labels: NDArray[np.int16] = np.where(self._codes[places] == codes, self._of_code[places], _UNKNOWN)
        return labels.astype(np.int16)

    def _complaint(self, values: NDArray[np.integer[Any]], unknown: NDArray[np.bool_]) -> str:
        if values.ndim == 2:
            kind, found = "class ids", _ranges(np.unique(values[unknown]).tolist())
            allowed = _ranges(np.flatnonzero(self._of_id != _UNKNOWN).tolist())
        else:
            kind, found = "colours", _colours(np.unique(_packed(values)[unknown]).tolist())
            allowed = _colours(self._codes.tolist())
        share = f"{unknown.mean():.1%} of the pixels"
        return f"{share} hold the {kind} {found}, which no class has; allowed are {allowed}"


def read_values(path: Path) -> NDArray[np.integer[Any]]:
    """The numbers [h w] or the colours [h w 3] of a label map, upright, without its palette and transparency.

    Raises:
        ImageError: the file cannot be read, or holds neither whole numbers nor colours.
    """
    data = read_content(path, ImageError)
    if not data:
        raise ImageError(f"{path}: the file is empty (0 bytes)")
    with opened(data, path) as image:
        left = load_unturned(image, orientation_of(image))
    try:
        values = turned(_without_transparency(image), left)
    except ValueError as error:
        raise ImageError(f"{path}: not a readable mask ({error})") from error
    if values.ndim == 2 and values.dtype.itemsize > 2 and (values.min() < 0 or values.max() >= _IDS):
        raise ImageError(f"{path}: class ids have at most 16 bits, this holds {values.min()} to {values.max()}")
    stretch = _stretch(data)
    return values if stretch == 1 else values // stretch


def _without_transparency(image: Image.Image) -> NDArray[np.integer[Any]]:
    if image.mode == "F":
        raise ValueError("floating-point pixels are no class numbers")
    if image.mode in ("LA", "La", "PA"):
        return np.asarray(image)[..., 0]
    if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
        image = image.convert("RGB")
    values = np.asarray(image)
    return values.astype(np.uint8) if values.dtype == bool else values


def _stretch(data: bytes) -> int:
    """What Pillow multiplies the numbers of a grey PNG of 2 or 4 bits with, to spread them over 0..255."""
    if not data.startswith(_PNG_START) or len(data) < 26:
        return 1
    depth, kind = data[24], data[25]  # of the header chunk, PNG specification 11.2.2
    return {2: 85, 4: 17}.get(depth, 1) if kind == 0 else 1


def _packed(colours: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Colours [... 3] as one number each."""
    wide = colours.astype(np.int64)
    codes: NDArray[np.int64] = (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
    return codes


def _ranges(numbers: list[int]) -> str:
    """ "0-10, 255" of ascending numbers, cut after a few."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return _cut(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _colours(codes: list[int]) -> str:
    return _cut(f"({code >> 16}, {code >> 8 & 255}, {code & 255})" for code in codes)


def _cut(texts: Iterable[str], most: int = 12) -> str:
    texts = list(texts)
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")
