"""The way up of an image: the one place that reads its EXIF or XMP orientation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

_ORIENTATION = 0x0112  # TIFF 6.0, tag 274
_WIDTH, _HEIGHT = 0x0100, 0x0101
_SIDEWAYS = (5, 6, 7, 8)
_LATE = (b"eXIf", b"iTXt", b"tEXt", b"zTXt")
_XMP = re.compile(r"tiff:Orientation\s*(?:=\s*[\"']|>)\s*(\d{1,9})\s*[\"'<]")


def orientation_of(image: Image.Image) -> int:
    """The orientation, 1 to 8, of an image that was opened; 1 where its file says nothing, or nothing that is valid.

    EXIF counts before XMP. A PNG that has them behind its pixels is decoded.
    """
    if isinstance(image, PngImageFile) and _has_late_metadata(image):
        image.load()
    value = _exif_value(image)
    if value is None:
        value = _xmp_value(image)
    return next((turn for turn in range(2, 9) if value == turn), 1)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """The (h, w) of an image that was opened, when it is turned as its orientation asks."""
    width, height = image.size
    if isinstance(image, TiffImageFile):  # whose size Pillow has exchanged already, by some of its orientations
        width, height = image.tag_v2.get(_WIDTH, width), image.tag_v2.get(_HEIGHT, height)
    return (width, height) if orientation_of(image) in _SIDEWAYS else (height, width)


def turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """``pixels`` [h w ...] as an orientation asks to show them."""
    if orientation in _SIDEWAYS:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def load_unturned(image: Image.Image, orientation: int) -> int:
    """Decode the pixels of an image whose orientation is known; gives the orientation that is left to be applied."""
    if not isinstance(image, TiffImageFile):
        image.load()
        return orientation
    try:
        exif = image.getexif()
    except Exception:  # damaged metadata are no reason to lose the pixels; what could be read is kept
        exif = image.getexif()
    exif[_ORIENTATION] = orientation  # by which Pillow turns a TIFF while it decodes
    # Of a file whose name it knows Pillow maps the pixels, with sides that are exchanged already: they come out torn.
    name, image.filename = image.filename, ""
    image.load()
    image.filename = name
    return 1


def png_chunks(file: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """The kind, the place of the content and its length of each chunk of a PNG file, whose position is kept."""
    before, place = file.tell(), 8
    try:
        while True:
            file.seek(place)
            head = file.read(8)
            if len(head) < 8:
                return
            length = int.from_bytes(head[:4], "big")
            yield head[4:], place + 8, length
            place += 12 + length
    finally:
        file.seek(before)


def _has_late_metadata(image: PngImageFile) -> bool:
    if image.fp is None or image.fp.closed or "exif" in image.info:
        return False
    kinds = [kind for kind, _, _ in png_chunks(image.fp)]
    return b"IDAT" in kinds and any(kind in _LATE for kind in kinds[kinds.index(b"IDAT") :])


def _exif_value(image: Image.Image) -> Any:
    try:
        if isinstance(image, TiffImageFile):
            return image.tag_v2.get(_ORIENTATION)
        content = image.info.get("exif")
        if content is None and "Raw profile type exif" in image.info:  # of ImageMagick
            content = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
        if content is None:
            return None
        exif = Image.Exif()
        exif.load(content)
        return exif.get(_ORIENTATION)
    except Exception:  # damaged metadata are no reason to lose the pixels
        return None


def _xmp_value(image: Image.Image) -> int | None:
    text = image.info.get("XML:com.adobe.xmp") or image.info.get("xmp") or ""
    if isinstance(text, tuple):
        text = b"".join(part for part in text if isinstance(part, bytes))
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    found = _XMP.search(text) if isinstance(text, str) else None
    return int(found[1]) if found else None
