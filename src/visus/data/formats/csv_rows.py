"""The rows of a table of labelled images: tolerant about the names of its columns, strict about what they hold."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from visus.data.errors import AnnotationError
from visus.data.files.content import read_head
from visus.data.files.listed_files import UTF_16, read_text
from visus.data.files.splits import ALIASES

COLUMNS = {
    "image": ("image", "filename", "file", "path", "imagepath", "imagename", "filepath", "img", "imageid"),
    "label": ("label", "class", "classname", "category", "name", "species"),
    "x1": ("x1", "xmin", "left"),
    "y1": ("y1", "ymin", "top"),
    "x2": ("x2", "xmax", "right"),
    "y2": ("y2", "ymax", "bottom"),
    "split": ("split", "set", "subset", "usage", "partition"),
}
"""The names that each column may have; capitals, spaces and underscores do not matter."""
_POINT = re.compile(r"(x|y)|(.*[a-z0-9])?[_\-. ](x|y)", re.IGNORECASE)
_BORDER = 0.01  # fractions may leave the image by this much: rounding does that
_BOX = ("x1", "y1", "x2", "y2")
_DELIMITERS = ",;\t"
_LONGEST = 1 << 16  # of the first line, where it may be no table
_SHOWN = 6

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Args:
        image: the image's file as it is written.
        label: what it shows; empty for an image without objects.
        box: its box (x1, y1, x2, y2) in pixels or fractions, None where there is none.
        split: "train", "val", "test", or empty where the table does not say.
        line: the number of the line in the file, from 1.
        in_fractions: whether the box is in fractions of the image's width and height.
    """

    image: str
    label: str
    box: Box | None
    split: str
    line: int
    in_fractions: bool = False

    def pixels(self, size: tuple[int, int]) -> Box | None:
        """The box in pixels of an image of (h, w) = ``size``."""
        if self.box is None or not self.in_fractions:
            return self.box
        (height, width), (x1, y1, x2, y2) = size, self.box
        return x1 * width, y1 * height, x2 * width, y2 * height


def has_columns(path: Path) -> bool:
    """Whether a file is a table with columns for the image and its label."""
    try:
        return bool(_columns(path, heads_of(path)))
    except AnnotationError:
        return False


def heads_of(path: Path) -> list[str]:
    """The names of the columns of a table; none where it is no text, or cannot be read."""
    head = read_head(path, _LONGEST)
    text = head.decode("utf-16" if head.startswith(UTF_16) else "utf-8-sig", "replace")  # which may end in a character
    line = next(iter(text.splitlines()), "")
    try:
        return next(csv.reader([line], delimiter=_delimiter(line), skipinitialspace=True), [])
    except csv.Error:
        return []


def points_of(path: Path) -> list[str]:
    """The columns of a table that are coordinates of points; none where it has boxes, or is no table of images."""
    heads = heads_of(path)
    plain = [_plain(head) for head in heads]
    boxed = all(any(name in plain for name in COLUMNS[column]) for column in _BOX)
    known = any(name in plain for name in COLUMNS["image"])
    return [] if boxed or not known else [head.strip() for head in heads if _POINT.fullmatch(head.strip())]


def read_rows(path: Path) -> list[Row]:
    """All rows of a table.

    Where no box goes beyond 1, all are fractions of their images.

    Raises:
        AnnotationError: no text, no column for the image or the label, or a row that cannot be used; the message has
            the file and the line.
    """
    lines = read_text(Path(path)).splitlines()
    if not lines:
        raise AnnotationError(f"{path}: the file is empty; its first line must name the columns")
    reader = csv.reader(lines, delimiter=_delimiter(lines[0]), skipinitialspace=True, strict=True)
    try:
        columns = _columns(path, next(reader))
        rows = list(_rows(path, columns, _single_lines(path, reader)))
    except csv.Error as error:
        raise AnnotationError(f"{path}: line {reader.line_num}: {error}; is there a stray quote?") from error
    return _scaled(path, rows)


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=line.count)


def _plain(head: str) -> str:
    return "".join(c for c in head.lower() if c.isalnum())


def _scaled(path: Path, rows: list[Row]) -> list[Row]:
    """The rows, told whether their boxes are fractions, as all or none of them are."""
    within = [row for row in rows if row.box and min(row.box) >= -_BORDER and max(row.box) <= 1 + _BORDER]
    if within and len(within) == sum(row.box is not None for row in rows):
        return [replace(row, in_fractions=row.box is not None) for row in rows]
    if part := next((row for row in within if row.box and any(edge % 1 for edge in row.box)), None):
        raise AnnotationError(
            f"{path}: line {part.line} has the box {part.box} in fractions of the image, others are in pixels"
        )
    return rows


def _single_lines(path: Path, reader: Any) -> Iterator[list[str]]:
    """The rows of a reader, none of which may take several lines, as a quote without its partner makes them."""
    before = reader.line_num
    for cells in reader:
        if reader.line_num != before + 1:
            where = f"lines {before + 1} to {reader.line_num}"
            raise AnnotationError(f"{path}: {where} are one row, by a quote that ends so late; is it a stray one?")
        before = reader.line_num
        yield cells


def _columns(path: Path, heads: list[str]) -> dict[str, int]:
    """The place of each known column."""
    plain = [_plain(head) for head in heads]
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
    points = [head.strip() for head in heads if _POINT.fullmatch(head.strip())]
    if missing and len(points) >= 2:
        raise AnnotationError(
            f"{path}: the columns {', '.join(points[:_SHOWN])} are points, which are not read from a table: boxes need "
            "the columns x1, y1, x2, y2; write keypoints in COCO's format, in YOLO's (kpt_shape) or with labelme"
        )
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
