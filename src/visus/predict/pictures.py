"""Drawings as the bytes of image files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np
import simplejpeg
from PIL import Image

from visus.errors import VisusError

WRITABLE: Final = (".jpg", ".jpeg", ".png")
"""The endings of files that drawings are written to."""


def encoded(picture: Image.Image, path: str | Path) -> bytes:
    """A drawing as the content of a file, PNG or JPEG by the ending of its name.

    Raises:
        VisusError: another ending.
    """
    ending = Path(path).suffix.lower()
    if ending not in WRITABLE:
        raise VisusError(f"{path}: drawings are written as {', '.join(WRITABLE)}, by the ending of the name")
    if ending == ".png":
        content = io.BytesIO()
        picture.save(content, format="png", compress_level=1)
        return content.getvalue()
    # Colours at full resolution: thin lines in strong colours would bleed.
    pixels = np.asarray(picture.convert("RGB"))
    return bytes(simplejpeg.encode_jpeg(pixels, quality=92, colorspace="RGB", colorsubsampling="444"))
