"""The pages of a TIFF and the frames of an animated GIF, PNG, WebP or AVIF."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from visus.data.files.depth import deep_rawmode, levels_of
from visus.data.files.images import current_pixels, decode_image
from visus.data.files.opened import opened

_SEVERAL = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"GIF8", b"\x89PNG", b"RIFF")
"""How the contents begin that may have several pages. A JPEG of a telephone with a second, smaller image has none."""


def page_count(data: bytes, name: str | Path) -> int:
    """How many pages or frames the content of an image file has; nothing is decoded.

    Args:
        data: the content.
        name: of the file, for messages.

    Raises:
        ImageError: no image of a known format, or too many pixels.
    """
    if not data.startswith(_SEVERAL) and data[4:12] != b"ftypavis":
        return 1
    with opened(data, name) as image:
        return int(getattr(image, "n_frames", 1))  # which only some of Pillow's classes have


def read_pages(data: bytes, name: str | Path) -> Iterator[UInt8[Tensor, "3 h w"]]:
    """Decodes page after page, each as `decode_image` does.

    Args:
        data: the content of a file.
        name: of the file, for messages.

    Raises:
        ImageError: as for `decode_image`.
    """
    yield decode_image(data, name)
    with opened(data, name) as image:
        for page in range(1, page_count(data, name)):
            image.seek(page)
            again = deep_rawmode(image) is not None and levels_of(image).said
            yield decode_image(data, name, page=page) if again else current_pixels(image, name)
