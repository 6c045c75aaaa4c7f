"""Images that Pillow opened elsewhere: whether they still are what their file holds.

Pillow's own pixels are not those of `visus.data.files.images.read_image`: of 16 bits it keeps the upper eight, and it
forgets how many of them a file uses.
"""

from __future__ import annotations

from PIL import Image
from PIL.ImageFile import ImageFile

from visus.data.errors import ImageError
from visus.data.files.depth import levels_of
from visus.data.files.opened import opened

_SAYS_BITS = ("PNG", "TIFF")


def unread_content(image: Image.Image) -> bytes | None:
    """The content of the file of an image that was opened and is not decoded yet; None of any other.

    Also None where the image was changed meanwhile: another page, a smaller size, other metadata.
    """
    if not isinstance(image, ImageFile) or not image.tile or image.fp is None or image.fp.closed:
        return None
    place = image.fp.tell()
    image.fp.seek(0)
    data = image.fp.read()
    image.fp.seek(place)
    try:
        with opened(data, str(image.filename or "an image")) as fresh:
            now, then = (
                (one.tile, one.size, one.mode, one.info) for one in (image, fresh) if isinstance(one, ImageFile)
            )
    except ImageError:  # a format that is not read from files
        return None
    return data if now == then else None


def holds_fewer_bits(image: Image.Image) -> bool:
    """Whether a decoded image is the content of a file of 16 bits that says that it uses fewer of them."""
    if not isinstance(image, ImageFile) or image.format not in _SAYS_BITS or not image.filename:
        return False
    try:
        with opened(name := str(image.filename), name) as fresh:
            if not levels_of(fresh).said:
                return False
            return (fresh.mode, fresh.size) == (image.mode, image.size) and fresh.tobytes() == image.tobytes()
    except ImageError:
        return False
