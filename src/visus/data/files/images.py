"""Image files to uint8 tensors: the one place where images are decoded.

JPEG goes through libjpeg-turbo; everything else, and every JPEG that libjpeg-turbo is unhappy with, through Pillow.
Whatever the file holds (grey, palette, transparency, 16 bits, CMYK, a turned camera), the result is upright RGB of
8 bits. A file that ends early, is no image or has too many pixels raises `ImageError`, which names the file and the
cause.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import simplejpeg
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from visus.data.errors import ImageError
from visus.data.files.content import read_content
from visus.data.files.depth import Levels, are_small, deep_rawmode, eight_bits, levels_of, lower_bytes
from visus.data.files.of_pillow import holds_fewer_bits, unread_content
from visus.data.files.opened import check_pixels, damaged, opened
from visus.data.files.orientation import load_unturned, orientation_of, turned, upright_size

__all__ = [
    "ImageError",
    "content_size",
    "current_pixels",
    "decode_image",
    "image_size",
    "is_damaged_jpeg",
    "is_nearly_black",
    "read_image",
    "rgb_pixels",
]

_JPEG_START = b"\xff\xd8\xff"
_METADATA = (b"Exif\x00\x00", b"http://ns.adobe.com/xap/1.0/")


def read_image(path: str | Path, *, min_side: int | None = None) -> UInt8[Tensor, "3 h w"]:
    """Read an image as upright RGB; of several pages or frames, the first.

    Transparent pixels are laid on white, as a viewer shows them. Values of more than 8 bits are scaled by the range
    that the file says (`depth`), or else keep the upper 8 of their 16 bits.

    Args:
        path: the file.
        min_side: let a JPEG be decoded smaller (by eighths) as long as both sides keep at least this many pixels;
            several times faster, but the pixels differ a little from a full decode and a resize. For training only.

    Raises:
        ImageError: the file is missing, empty, truncated, corrupt, not an image, or has more pixels than allowed
            (178,956,970, or what the variable ``VISUS_MAX_PIXELS`` says).
    """
    return decode_image(_read_bytes(path), path, min_side=min_side)


def decode_image(
    data: bytes, path: str | Path, *, min_side: int | None = None, page: int = 0
) -> UInt8[Tensor, "3 h w"]:
    """The image in the content of a file, as `read_image` gives it.

    Args:
        data: the content.
        path: where it comes from, for messages.
        min_side: as for `read_image`.
        page: of several pages or frames, the number of the one to read, from 0.

    Raises:
        ImageError: truncated, corrupt, not an image, or of too many pixels.
    """
    if data.startswith(_JPEG_START) and page == 0:
        pixels = _decode_jpeg(data, path, min_side)
        if pixels is not None:
            return _as_tensor(pixels)
    return _as_tensor(_decode_with_pillow(data, path, page))


def image_size(path: str | Path) -> tuple[int, int]:
    """The (h, w) that `read_image` will return, from the head of the file alone.

    Raises:
        ImageError: the file is missing, empty, not an image, or has too many pixels.
    """
    try:
        with opened(path, path) as image:
            return upright_size(image)
    except ImageError:
        data = _read_bytes(path)
        if not data.startswith(_JPEG_START):  # libjpeg-turbo reads some that Pillow does not
            raise
        return content_size(data, path)


def content_size(data: bytes, name: str | Path) -> tuple[int, int]:
    """The (h, w) of the image in the content of a file, as `image_size` gives it; nothing is decoded.

    Raises:
        ImageError: empty, not an image, or of too many pixels.
    """
    head = _jpeg_head(data, name) if data.startswith(_JPEG_START) else None
    try:
        with opened(data, name) as image:
            return upright_size(image)
    except ImageError:
        if head is None:
            raise
        return head[:2]


def is_damaged_jpeg(path: str | Path) -> bool:
    """Whether a JPEG decodes, but with complaints of libjpeg-turbo: stray bytes, broken codes, wrong pixels."""
    data = _read_bytes(path)
    if not data.startswith(_JPEG_START):
        return False
    head = _jpeg_head(data, path)
    try:
        simplejpeg.decode_jpeg(data, "CMYK" if head and head[2] in ("CMYK", "YCCK") else "RGB")
    except ValueError:
        return True
    return False


def is_nearly_black(path: str | Path) -> bool:
    """Whether an image of 16 bits has small values only, such as those of a camera of 12 bits, and does not say so.

    Raises:
        ImageError: it cannot be read.
    """
    with opened(path, path) as image:
        levels, deep = levels_of(image), deep_rawmode(image) is not None
        if not deep and not image.mode.startswith("I"):
            return False
        load_unturned(image, orientation_of(image))
        values = np.asarray(image)
        return are_small(values[..., :3].astype(np.int64) << 8 if deep else values, levels)


def rgb_pixels(image: Image.Image) -> UInt8[Tensor, "3 h w"]:
    """The pixels of an image of Pillow's, upright: those that `read_image` gives of its file, where it is unchanged.

    Of an image with several pages, those of the page that it is at.

    Raises:
        ImageError: they cannot be decoded, or have no defined black and white.
    """
    name = getattr(image, "filename", "") or "an image"
    check_pixels(image.size, name)
    if (data := unread_content(image)) is not None:
        return decode_image(data, name)
    if holds_fewer_bits(image):
        return read_image(name)
    return current_pixels(image, name)


def current_pixels(image: Image.Image, name: str | Path) -> UInt8[Tensor, "3 h w"]:
    """The pixels that an image of Pillow's has now, upright, at the page that it is at.

    Args:
        image: an image.
        name: of its file, for messages.

    Raises:
        ImageError: they cannot be decoded, or have no defined black and white.
    """
    try:
        orientation, levels = orientation_of(image), levels_of(image)
        left = load_unturned(image, orientation)
        return _as_tensor(turned(_rgb(image, levels), left))
    except ImageError:
        raise
    except Exception as error:  # decoders written in Python raise IndexError, struct.error and others
        raise damaged(name, error) from error


def _read_bytes(path: str | Path) -> bytes:
    data = read_content(path, ImageError)
    if not data:
        raise ImageError(f"{path}: the file is empty (0 bytes)")
    return data


def _jpeg_head(data: bytes, path: str | Path) -> tuple[int, int, str] | None:
    """The (h, w) that is stored and the kind of colours; None for what libjpeg-turbo does not know."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    check_pixels((height, width), path)
    return height, width, colours


def _decode_jpeg(data: bytes, path: str | Path, min_side: int | None) -> NDArray[np.uint8] | None:
    """The upright pixels [h w 3], or None where Pillow has to judge: CMYK, damaged, unusual files."""
    head = _jpeg_head(data, path)
    if head is None or head[2] in ("CMYK", "YCCK"):
        return None
    side = min_side or 0
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", min_height=side, min_width=side)
    except ValueError:
        return None
    return turned(pixels, _jpeg_orientation(data, path))


def _jpeg_orientation(data: bytes, path: str | Path) -> int:
    if not any(mark in data for mark in _METADATA):  # spares most files the parse
        return 1
    try:
        with opened(data, path) as image:
            return orientation_of(image)
    except ImageError:
        return 1


def _decode_with_pillow(data: bytes, path: str | Path, page: int) -> NDArray[np.uint8]:
    with opened(data, path) as image:
        image.seek(page)
        orientation, levels = orientation_of(image), levels_of(image)
        deep = deep_rawmode(image) is not None
        left = load_unturned(image, orientation)
    try:
        pixels = _deep_colours(data, path, page, image, levels) if deep and levels.said else _rgb(image, levels)
    except ValueError as error:
        raise ImageError(f"{path}: {error}") from error
    return turned(pixels, left)


def _deep_colours(data: bytes, path: str | Path, page: int, image: Image.Image, levels: Levels) -> NDArray[np.uint8]:
    """The pixels [h w 3] of colours of 16 bits whose file says that it uses fewer of them.

    Pillow keeps the upper 8 bits alone, so the image is decoded a second time for the lower.
    """
    with opened(data, path) as other:
        other.seek(page)
        orientation = orientation_of(other)
        if not lower_bytes(other):
            return _rgb(image, levels)
        load_unturned(other, orientation)
        values = np.asarray(image).astype(np.int64) << 8 | np.asarray(other)
    return _rgb(Image.fromarray(eight_bits(values, levels)), levels)


def _rgb(image: Image.Image, levels: Levels) -> NDArray[np.uint8]:
    """The pixels [h w 3] of a Pillow image of any mode."""
    if image.mode.startswith(("I", "F")):
        return np.repeat(eight_bits(np.asarray(image), levels)[..., None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))


def _as_tensor(pixels: NDArray[np.uint8]) -> UInt8[Tensor, "3 h w"]:
    # A copy that owns its memory: rows and columns may be views turned around, which torch cannot hold.
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy(order="C"))
