"""Names of images and classes that the files of a format can hold."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from visus.data.errors import ConversionError
from visus.data.files.images import ImageError
from visus.data.files.opened import opened
from visus.data.files.suffixes import SUFFIXES

_ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "BMP": ".bmp", "WEBP": ".webp", "TIFF": ".tif", "GIF": ".gif"}
_UNWRITABLE = {"Cc", "Cs", "Zl", "Zp"}  # control characters, halves of characters, ends of lines and paragraphs


def free_name(file: Path, taken: set[str]) -> str:
    """The name of an image, with its folder or a number in front where another has it (but for the ending).

    Characters that no list can hold become underscores; a file without an ending that readers know gets the one of its
    content.

    Args:
        file: the image.
        taken: the names without ending that others have; the new one is added.

    Raises:
        ConversionError: the file is no image that has an ending.
    """
    name = _writable(_with_ending(file))
    names = [name, f"{_writable(file.parent.name)}_{name}"]
    number = 0
    while Path(names[0]).stem in taken:
        del names[0]
        if not names:
            number += 1
            names = [f"{number}_{name}"]
    taken.add(Path(names[0]).stem)
    return names[0]


def check_class_names(names: list[str], format_name: str) -> None:
    """Refuses names of classes that a text file with a name a line cannot hold.

    Raises:
        ConversionError: names the class.
    """
    for name in names:
        if not name or name != name.strip() or any(unicodedata.category(c) in _UNWRITABLE for c in name):
            raise ConversionError(
                f"{format_name} cannot have a class called {name!r}: names need letters, and no control characters or "
                "blanks at their ends; rename it first"
            )


def _writable(name: str) -> str:
    plain = "".join("_" if unicodedata.category(c) in _UNWRITABLE else c for c in name).strip()
    return plain or "_"


def _with_ending(file: Path) -> str:
    """The name of an image, with the ending of its content where it has none that readers know."""
    if file.suffix.lower() in SUFFIXES:
        return file.name
    try:
        with opened(file, file) as image:
            ending = _ENDINGS.get(image.format or "")
    except ImageError as error:
        raise ConversionError(str(error)) from error
    if ending is None:
        raise ConversionError(f"{file}: images of this format have no ending that other readers know; convert it first")
    return f"{file.name}{ending}"
