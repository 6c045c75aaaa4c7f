"""The rows of a table of labelled images: tolerant about the names of its columns, strict about what they hold."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from visus.data.errors import AnnotationError
from visus.data.files.splits import ALIASES

COLUMNS = {
    "image": ("image", "filename", "file", "path", "imagepath", "imagename", "filepath", "img"),
    "label": ("label", "class", "classname", "category", "name", "species"),
    "x1": ("x1", "xmin", "left"),
    "y1": ("y1", "ymin", "top"),
    "x2": ("x2", "xmax", "right"),
    "y2": ("y2", "ymax", "bottom"),
    "split": ("split", "set", "subset", "usage", "partition"),
}
"""The names that each column may have; capitals, spaces and underscores do not matter."""
_BOX = ("x1", "y1", "x2", "y2")
_DELIMITERS = ",;\t"

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Args:
        image: the image's file as it is written.
        label: what it shows; empty for an image without objects.
        box: its box (x1, y1, x2, y2) in pixels, None where there is none.
        split: "train", "val", "test", or empty where the table does not say.
        line: the number of the line in the file, from 1.
    """

    image: str
    label: str
    box: Box | None
    split: str
    line: int


def read_rows(path: Path) -> list[Row]:
    """All rows of a table.

    Raises:
        AnnotationError: no text, no column for the image or the label, or a row that cannot be used; the message has
            the file and the line.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"{path}: cannot be read as text in UTF-8 ({error})") from error
    if not lines:
        raise AnnotationError(f"{path}: the file is empty; its first line must name the columns")
    delimiter = max(_DELIMITERS, key=lines[0].count)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    columns = _columns(path, next(reader))
    return list(_rows(path, columns, reader))


def _columns(path: Path, heads: list[str]) -> dict[str, int]:
    """The place of each known column."""
    plain = ["".join(c for c in head.lower() if c.isalnum()) for head in heads]
    found = {
        column: next(plain.index(name) for name in names if name in plain)
        for column, names in COLUMNS.items()
        if any(name in plain for name in names)
    }
    has = f"it has {', '.join(heads)}"
    for column in ("image", "label"):
        if column not in found:
            raise AnnotationError(f"{path}: no column called {' or '.join(COLUMNS[column])}; {has}")
    missing = [column for column in _BOX if column not in found]
    if 0 < len(missing) < 4:
        raise AnnotationError(f"{path}: boxes need the columns x1, y1, x2, y2; {', '.join(missing)} is missing; {has}")
    return found


def _rows(path: Path, columns: Mapping[str, int], reader: Iterator[list[str]]) -> Iterator[Row]:
    for number, cells in enumerate(reader, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path}: line {number}"
        if len(cells) <= max(columns.values()):
            raise AnnotationError(f"{where} has {len(cells)} cells, {max(columns.values()) + 1} are needed")
        value = {column: cells[place].strip() for column, place in columns.items()}
        if not value["image"]:
            raise AnnotationError(f"{where} names no image")
        box = _box(where, [value.get(column, "") for column in _BOX])
        if not value["label"] and (box is not None or "x1" not in columns):
            raise AnnotationError(f"{where} has no label")
        yield Row(value["image"], value["label"], box, _split(where, value.get("split", "")), number)


def _box(where: str, cells: list[str]) -> Box | None:
    """The box of a row; None where all four cells are empty."""
    if not any(cells):
        return None
    try:
        x1, y1, x2, y2 = (float(cell) for cell in cells)
    except ValueError:
        raise AnnotationError(f"{where} has the box {cells}; four numbers in pixels are needed") from None
    if not all(map(math.isfinite, (x1, y1, x2, y2))) or x2 <= x1 or y2 <= y1:
        raise AnnotationError(f"{where} has the box {cells}; x2 must be above x1 and y2 above y1")
    return x1, y1, x2, y2


def _split(where: str, word: str) -> str:
    if not word:
        return ""
    for split, aliases in ALIASES.items():
        if word.lower() in aliases:
            return split
    known = ", ".join(alias for aliases in ALIASES.values() for alias in aliases)
    raise AnnotationError(f"{where} has the split {word!r}; known are {known}")
