"""Texts that hold half of a character: what JSON and YAML can write, and no file, terminal or page can.

Unicode writes characters beyond the first 65,536 as two numbers, the surrogates. Python stands the bytes of file names
that are no UTF-8 for numbers of the same range, so names of images may hold those.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

from visus.data.errors import AnnotationError

FILE_KEYS: Final = ("file_name", "imagePath", "path", "train", "val", "test")
"""What names of files are called in the formats that are read."""

_HALF = re.compile("[\ud800-\udfff]")


def refuse_half_characters(content: Any, path: Path) -> None:
    """Refuse texts with half a character anywhere in lists and dicts, but for names of files that can exist.

    Raises:
        AnnotationError: there is one; the message says where, as in ``images[3].file_name``.
    """
    waiting: list[tuple[str, Any]] = [("", content)]
    while waiting:
        where, thing = waiting.pop()
        if isinstance(thing, dict):
            for key in thing:
                if isinstance(key, str) and _HALF.search(key):
                    raise AnnotationError(f"{path}: a name in {where or 'the file'} holds half a character: {key!a}")
            waiting += [(f"{where}.{key}".lstrip("."), value) for key, value in reversed(thing.items())]
        elif isinstance(thing, list):
            waiting += [(f"{where}[{place}]", value) for place, value in reversed(list(enumerate(thing)))]
        elif isinstance(thing, str) and _HALF.search(thing) and not _is_file_name(where, thing):
            raise AnnotationError(f"{path}: {where or 'the file'} holds half a character: {thing!a}")


def _is_file_name(where: str, text: str) -> bool:
    if where.rpartition(".")[2].partition("[")[0] not in FILE_KEYS:
        return False
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True
