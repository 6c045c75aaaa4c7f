"""Files in JSON, whatever editor wrote them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from visus.data.errors import AnnotationError
from visus.data.files.content import read_content
from visus.data.files.half_characters import refuse_half_characters

# The first half of a character without the second, the second without the first, or either as UTF-8 itself.
_HALF = re.compile(
    rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]|\xed[\xa0-\xbf]", re.DOTALL
)
_LONG_NUMBER = re.compile(rb"[0-9]{4000}")


def read_json(path: Path) -> Any:
    """The content of a file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises:
        AnnotationError: missing, no regular file, unreadable, empty, not JSON, nested too deeply, or with half a
            character in a text.
    """
    data = read_content(path, AnnotationError)
    if not data:
        raise AnnotationError(f"{path}: the file is empty (0 bytes)")
    try:
        content = json.loads(data)
    except RecursionError as error:
        raise AnnotationError(f"{path}: not valid JSON (lists or objects are nested too deeply)") from error
    except ValueError as error:
        number = _LONG_NUMBER.search(data)
        if number and not isinstance(error, json.JSONDecodeError | UnicodeError):
            line = data.count(b"\n", 0, number.start()) + 1
            raise AnnotationError(
                f"{path}: not valid JSON (line {line} has a number of thousands of digits)"
            ) from error
        raise AnnotationError(f"{path}: not valid JSON ({error})") from error
    if b"\0" in data[:4] or _HALF.search(data):  # a zero so early is UTF-16 or UTF-32
        refuse_half_characters(content, path)
    return content
