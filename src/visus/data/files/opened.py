"""Image files as Pillow opens them: which formats are tried, how many pixels are allowed, and one kind of error."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

from visus.data.errors import ImageError
from visus.data.files.content import read_head, require_file
from visus.errors import VisusError

FORMATS: Final = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "QOI", "TIFF", "WEBP")
"""Pillow's names of the formats that are tried. No others: some start programs, or are read at a place in a file."""
LIMIT_VARIABLE: Final = "VISUS_MAX_PIXELS"

_LIMIT = 178_956_970  # Pillow's own: 512 MB in RGB
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


@contextmanager
def opened(source: str | Path | bytes, name: str | Path) -> Iterator[Image.Image]:
    """An image whose pixels are not yet decoded; of several pages or frames, the first.

    Args:
        source: the file, or its content.
        name: of the file, for messages.

    Raises:
        ImageError: no image of a known format, too many pixels, or whatever a decoder raises over it while it is open.
    """
    if not isinstance(source, bytes) and not require_file(source, ImageError):
        raise ImageError(f"{name}: the file is empty (0 bytes)")
    limit = pixel_limit()
    if Image.MAX_IMAGE_PIXELS is not None and limit > 2 * Image.MAX_IMAGE_PIXELS:  # asked for by the user
        Image.MAX_IMAGE_PIXELS = limit // 2 + 1
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_formats(source)) as image:
            check_pixels(image.size, name)
            yield image
    except VisusError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"{name}: not an image of a known format{_cure(source)}") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: has more pixels than the {limit:,} that are allowed; {_REMEDY}") from error
    except Exception as error:  # decoders written in Python raise IndexError, struct.error and others
        raise damaged(name, error) from error


def damaged(name: str | Path, error: Exception) -> ImageError:
    """The error about an image over which a decoder raised another, whose message may have several lines or none."""
    return ImageError(f"{name}: damaged or incomplete image ({' '.join(str(error).split()) or type(error).__name__})")


_REMEDY = f"set the variable {LIMIT_VARIABLE} to allow more"


def pixel_limit() -> int:
    """How many pixels an image may have at most: the variable ``VISUS_MAX_PIXELS``, or 178,956,970.

    Raises:
        VisusError: the variable is no number above 0.
    """
    text = os.environ.get(LIMIT_VARIABLE, "")
    if not text:
        return _LIMIT
    try:
        limit = int(text)
    except ValueError:
        limit = 0
    if limit < 1:
        raise VisusError(f"{LIMIT_VARIABLE} is {text!r}; a number of pixels above 0 is needed")
    return limit


def check_pixels(size: tuple[int, int], name: str | Path) -> None:
    """Refuse an image of too many pixels before they are decoded.

    Args:
        size: both sides, in any order.
        name: of the file.

    Raises:
        ImageError: there are more than `pixel_limit`.
    """
    if size[0] * size[1] > pixel_limit():
        pixels = f"{size[0]:,} x {size[1]:,} pixels, {pixel_limit():,} are allowed"
        raise ImageError(f"{name}: {pixels}; {_REMEDY}")


def _formats(source: str | Path | bytes) -> list[str]:
    """Those that this Pillow can read."""
    Image.init()
    heif = ["HEIF"] if _knows_heif(source) else []
    return [name for name in FORMATS if name in Image.OPEN] + heif


def _head(source: str | Path | bytes) -> bytes:
    return source[:12] if isinstance(source, bytes) else read_head(source, 12)


def _is_heif(source: str | Path | bytes) -> bool:
    head = _head(source)
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def _knows_heif(source: str | Path | bytes) -> bool:
    """Whether a file is in Apple's format and the package that reads it, which is optional, is there."""
    if not _is_heif(source):
        return False
    try:
        from pillow_heif import register_heif_opener  # type: ignore[import-not-found]
    except ImportError:
        return False
    register_heif_opener()
    return True


def _cure(source: str | Path | bytes) -> str:
    return "; HEIC needs one more package: pip install pillow-heif" if _is_heif(source) else ""
