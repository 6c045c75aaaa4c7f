"""Files in JSON, whatever editor wrote them."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from visus.data.errors import AnnotationError
from visus.data.files.content import read_content
from visus.data.files.half_characters import refuse_half_characters

# The first half of a character without the second, the second without the first, or either as UTF-8 itself.
_HALF = re.compile(
    rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]|\xed[\xa0-\xbf]", re.DOTALL
)
_SIGNS = (b"\\ud", b"\\uD", b"\xed")
_LONG_NUMBER = re.compile("[0-9]{4000}")


@contextmanager
def collector_paused() -> Iterator[None]:
    """No search for reference cycles while millions of objects are made that have none: a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read_json(path: Path, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The content of a file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Args:
        path: the file.
        hook: what each object is replaced by, given the object.

    Raises:
        AnnotationError: missing, no regular file, unreadable, empty, not JSON, nested too deeply, or with half a
            character in a text.
    """
    data = read_content(path, AnnotationError)
    if not data:
        raise AnnotationError(f"{path}: the file is empty (0 bytes)")
    signs = any(sign in data for sign in _SIGNS)  # fast, and false for most files
    suspicious = b"\0" in data[:4] or (signs and _HALF.search(data))  # a zero so early is UTF-16 or UTF-32
    text = ""
    try:
        text = data.decode(json.detect_encoding(data), "surrogatepass")
        del data  # a large file need not be in memory twice
        with collector_paused():
            content = json.loads(text, object_hook=hook)
    except RecursionError as error:
        raise AnnotationError(f"{path}: not valid JSON (lists or objects are nested too deeply)") from error
    except ValueError as error:
        number = _LONG_NUMBER.search(text)
        if number and not isinstance(error, json.JSONDecodeError | UnicodeError):
            line = text.count("\n", 0, number.start()) + 1
            raise AnnotationError(
                f"{path}: not valid JSON (line {line} has a number of thousands of digits)"
            ) from error
        raise AnnotationError(f"{path}: not valid JSON ({error})") from error
    if suspicious:
        refuse_half_characters(content, path)
    return content
