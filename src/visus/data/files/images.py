"""Image files to uint8 tensors: the one place where images are decoded.

JPEG goes through libjpeg-turbo; everything else, and every JPEG that libjpeg-turbo is unhappy with, through Pillow.
Whatever the file holds (grey, palette, transparency, 16 bits, CMYK, a turned camera), the result is upright RGB of
8 bits. A file that ends early or is no image raises `ImageError`, which names the file and the cause.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import simplejpeg
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from visus.errors import VisusError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")

_EXIF_ORIENTATION = 0x0112
_JPEG_START = b"\xff\xd8\xff"


class ImageError(VisusError, ValueError):
    """An image that cannot be read; the message names the file and the cause."""


def read_image(path: str | Path, *, min_side: int | None = None) -> UInt8[Tensor, "3 h w"]:
    """Read an image as upright RGB.

    Transparent pixels are laid on white, as a viewer shows them. 16-bit grey keeps its upper 8 bits.

    Args:
        path: the file.
        min_side: let a JPEG be decoded smaller (by eighths) as long as both sides keep at least this many pixels;
            several times faster, but the pixels differ a little from a full decode and a resize. For training only.

    Raises:
        ImageError: the file is missing, empty, truncated, corrupt, or not an image.
    """
    return decode_image(_read_bytes(path), path, min_side=min_side)


def decode_image(data: bytes, path: str | Path, *, min_side: int | None = None) -> UInt8[Tensor, "3 h w"]:
    """The image in the content of a file, as `read_image` gives it.

    Args:
        data: the content.
        path: where it comes from, for messages.
        min_side: as for `read_image`.

    Raises:
        ImageError: truncated, corrupt, or not an image.
    """
    if data.startswith(_JPEG_START):
        pixels = _decode_jpeg(data, min_side)
        if pixels is not None:
            return _as_tensor(pixels)
    return _as_tensor(_decode_with_pillow(data, path))


def image_size(path: str | Path) -> tuple[int, int]:
    """The (h, w) that `read_image` will return, from the head of the file alone.

    Raises:
        ImageError: the file is missing, empty or not an image.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            if image.getexif().get(_EXIF_ORIENTATION, 1) >= 5:
                return width, height
            return height, width
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        _read_bytes(path)  # raises with the plainer cause where the file is missing or empty
        raise ImageError(f"{path}: not a readable image ({_cause(error)})") from error


def is_damaged_jpeg(path: str | Path) -> bool:
    """Whether a JPEG decodes, but with complaints of libjpeg-turbo: stray bytes, broken codes, wrong pixels."""
    data = _read_bytes(path)
    if not data.startswith(_JPEG_START):
        return False
    try:
        colours = simplejpeg.decode_jpeg_header(data)[2]
        simplejpeg.decode_jpeg(data, "CMYK" if colours in ("CMYK", "YCCK") else "RGB")
    except ValueError:
        return True
    return False


def _read_bytes(path: str | Path) -> bytes:
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ImageError(f"{str(path)!r}: no file can have this name ({error})") from error
    if not data:
        raise ImageError(f"{path}: the file is empty (0 bytes)")
    return data


def _decode_jpeg(data: bytes, min_side: int | None) -> np.ndarray | None:
    """The upright pixels [h w 3], or None where Pillow has to judge: CMYK, damaged, unusual files."""
    try:
        _, _, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours in ("CMYK", "YCCK"):
            return None
        side = min_side or 0
        pixels: np.ndarray = simplejpeg.decode_jpeg(data, "RGB", min_height=side, min_width=side)
    except ValueError:
        return None
    return _turned(pixels, _jpeg_orientation(data))


def _jpeg_orientation(data: bytes) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none."""
    if b"Exif\x00\x00" not in data[:65536]:  # spares most files the parse
        return 1
    try:
        with Image.open(io.BytesIO(data)) as image:
            return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except (OSError, SyntaxError, ValueError):
        return 1


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """``pixels`` [h w 3] as the EXIF orientation (TIFF 6.0, tag 274) asks to show them."""
    if orientation >= 5:  # 5 to 8 exchange rows and columns
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _decode_with_pillow(data: bytes, path: str | Path) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return _rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: not an image of a known format") from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path}: damaged or incomplete image ({_cause(error)})") from error


def _rgb(image: Image.Image) -> np.ndarray:
    """The pixels [h w 3] of a Pillow image of any mode."""
    if image.mode.startswith("I"):
        # 32-bit "I" is what some readers make of 16-bit grey; only values above 255 say which depth was meant.
        grey = np.asarray(image).astype(np.int64)
        grey = (grey >> 8 if image.mode != "I" or grey.max(initial=0) > 255 else grey).clip(0, 255)
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no defined white: save the image with 8 or 16 bits")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))


def _as_tensor(pixels: np.ndarray) -> UInt8[Tensor, "3 h w"]:
    # A copy that owns its memory: rows and columns may be views turned around, which torch cannot hold.
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy(order="C"))


def _cause(error: BaseException) -> str:
    return str(error) or type(error).__name__
