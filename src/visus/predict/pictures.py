"""Drawings as the bytes of image files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np
import simplejpeg
from PIL import Image

from visus.errors import VisusError
from visus.whole_file import whole_file

WRITABLE: Final = (".jpg", ".jpeg", ".png")
"""The endings of files that drawings are written to."""


def write_picture(picture: Image.Image, path: str | Path) -> None:
    """Writes a drawing as `encoded` gives it: whole, or not at all.

    Raises:
        VisusError: another ending.
        DiskFullError: there is no room for it.
    """
    content = encoded(picture, path)
    with whole_file(Path(path)) as part:
        part.write_bytes(content)


def require_writable(path: str | Path) -> None:
    """Refuses a name for a drawing by its ending, before a folder is made for it.

    Raises:
        VisusError: it is neither PNG nor JPEG.
    """
    if Path(path).suffix.lower() not in WRITABLE:
        raise VisusError(f"{path}: drawings are written as {', '.join(WRITABLE)}, by the ending of the name")


def encoded(picture: Image.Image, path: str | Path) -> bytes:
    """A drawing as the content of a file, PNG or JPEG by the ending of its name.

    Raises:
        VisusError: another ending.
    """
    require_writable(path)
    if Path(path).suffix.lower() == ".png":
        content = io.BytesIO()
        picture.save(content, format="png", compress_level=1)
        return content.getvalue()
    # Colours at full resolution: thin lines in strong colours would bleed.
    pixels = np.asarray(picture.convert("RGB"))
    return bytes(simplejpeg.encode_jpeg(pixels, quality=92, colorspace="RGB", colorsubsampling="444"))
