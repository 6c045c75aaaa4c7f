"""Files in XML, in any encoding that Python knows, of which the parser of XML itself knows few."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from visus.data.errors import AnnotationError
from visus.data.files.content import read_content, read_head

_DECLARED = re.compile(rb"""\s*<\?xml[^>]*\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_HEAD = 1 << 16  # bytes in which the outermost element begins


def read_xml(path: Path) -> Element:
    """The outermost element of a file.

    Raises:
        AnnotationError: missing, no regular file, unreadable, empty, or no XML.
    """
    data = read_content(path, AnnotationError)
    if not data:
        raise AnnotationError(f"{path}: the file is empty (0 bytes)")
    try:
        return ElementTree.fromstring(_readable(data))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise AnnotationError(f"{path}: no XML ({error})") from error


def outermost_tag(path: Path) -> str:
    """The name of the outermost element of a file; empty where it is no XML, or cannot be read."""
    parser: Any = ElementTree.XMLPullParser(events=("start",))
    try:
        parser.feed(_readable(read_head(path, _HEAD), "ignore"))  # the head may end within a character
        return next((str(element.tag) for _, element in parser.read_events()), "")
    except (ElementTree.ParseError, LookupError, ValueError):
        return ""


def _readable(data: bytes, errors: str = "strict") -> bytes | str:
    """The same, decoded where the file declares an encoding that the parser may not know, such as GBK."""
    declared = _DECLARED.match(data.removeprefix(b"\xef\xbb\xbf"))
    name = declared[1].decode() if declared else "utf-8"
    return data if name.lower().startswith(("utf", "us-ascii", "iso-8859-1")) else data.decode(name, errors)
