"""What is said of entries: values from words, from the folders that images lie in, and from a table."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from visus.data.errors import AnnotationError
from visus.data.files.content import read_content
from visus.galleries.entry import Metadata, Value
from visus.galleries.errors import GalleryError
from visus.predict.items import Item

Say: TypeAlias = Callable[[Item], Metadata]


def value_of(text: str) -> Value:
    """A whole number, a finite number, true or false, or the text itself.

    >>> [value_of(text) for text in ("2", "2.5", "true", "nan", "red")]
    [2, 2.5, True, 'nan', 'red']
    """
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        return text
    return int(text) if text.lstrip("+-").isdigit() else number


def from_words(words: Iterable[str]) -> dict[str, Value]:
    """The fields in words such as ``camera=2``.

    Raises:
        GalleryError: a word without a field or a value.
    """
    fields = {}
    for word in words:
        name, found, text = word.partition("=")
        if not found or not name.strip() or not text.strip():
            raise GalleryError(f"{word!r}: no field and value; write camera=2")
        fields[name.strip()] = value_of(text.strip())
    return fields


def of_items(fields: Metadata, *, folder_as: str | None = None, table: Path | None = None) -> Say:
    """What is said of each item.

    Args:
        fields: of all.
        folder_as: the field that gets the name of the folder in which an image lies.
        table: a CSV file: a row for each image, its path or its name in the first column, a field in each other one.

    Raises:
        AnnotationError: the table cannot be read.
    """
    rows = {} if table is None else _rows(table)

    def say(item: Item) -> Metadata:
        said = dict(fields)
        if folder_as and item.path:
            said[folder_as] = Path(item.path).parent.name
        if item.path and rows:
            said |= rows.get(os.path.realpath(item.path)) or rows.get(Path(item.path).name) or {}
        return said

    return say


def _rows(table: Path) -> Mapping[str, Metadata]:
    """The fields of each row, by the real path of its image and, where no other row has it, by its name."""
    try:
        text = read_content(table, AnnotationError).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{table}: not a table in UTF-8 ({error})") from error
    head, *rows = csv.reader(io.StringIO(text)) if text.strip() else [[]]
    if len(head) < 2:
        raise AnnotationError(f"{table}: needs a head with the image's column first and a field in each other column")
    found: dict[str, Metadata] = {}
    names: dict[str, int] = {}
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) != len(head):
            raise AnnotationError(f"{table}: line {number} has {len(row)} columns, and the head has {len(head)}")
        said = {name: value_of(value) for name, value in zip(head[1:], row[1:], strict=True) if value != ""}
        name = Path(row[0]).name
        names[name] = names.get(name, 0) + 1
        found[os.path.realpath(table.parent / row[0])] = found[name] = said
    return {key: said for key, said in found.items() if names.get(key, 1) == 1}
