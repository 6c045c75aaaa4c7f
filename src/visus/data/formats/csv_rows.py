"""The rows of a table of labelled images: tolerant about the names of its columns, strict about what they hold."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from visus.data.errors import AnnotationError
from visus.data.files.content import read_head
from visus.data.files.listed_files import UTF_16, read_text
from visus.data.files.splits import ALIASES
from visus.data.formats.coco_values import short
from visus.data.formats.csv_points import KEYPOINT, OBJECT, Point, PointColumns, find_points, plain_name

COLUMNS = {
    "image": ("image", "filename", "file", "path", "imagepath", "imagename", "filepath", "img", "imageid"),
    "label": ("label", "class", "classname", "category", "name", "species", "labelname"),
    "x1": ("x1", "xmin", "left", "minx", "bboxx1", "bboxxmin"),
    "y1": ("y1", "ymin", "top", "miny", "bboxy1", "bboxymin"),
    "x2": ("x2", "xmax", "right", "maxx", "bboxx2", "bboxxmax"),
    "y2": ("y2", "ymax", "bottom", "maxy", "bboxy2", "bboxymax"),
    "x": ("bboxx", "boxx", "bboxleft"),
    "y": ("bboxy", "boxy", "bboxtop"),
    "width": ("bboxwidth", "bboxw", "boxwidth", "boxw"),
    "height": ("bboxheight", "bboxh", "boxheight", "boxh"),
    "split": ("split", "set", "subset", "usage", "partition"),
}
"""The names that each column may have; capitals, spaces and underscores do not matter. x, y, width and height make a
box where x1, y1, x2, y2 do not."""
ONLY = "object"
"""What all objects of a table of keypoints are called that has no labels."""
_CORNERS = ("x1", "y1", "x2", "y2")
_SIDES = ("x", "y", "width", "height")
_NUMBERED = ("x1", "y1", "x2", "y2")  # which may be keypoints, too
_MAKESENSE = {
    8: ["label_name", "bbox_x", "bbox_y", "bbox_width", "bbox_height", "image_name", "image_width", "image_height"],
    6: ["label_name", "x", "y", "image_name", "image_width", "image_height"],
}
"""The columns that makesense.ai writes without their names: of boxes, and of points."""
_BORDER = 0.01  # fractions may leave the image by this much: rounding does that
_DELIMITERS = ",;\t"
_LONGEST = 1 << 16  # of the first line, where it may be no table

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Row:
    """One object of a table: a line, or all lines of its keypoints.

    Args:
        image: the image's file as it is written.
        label: what it shows; empty for an image without objects.
        box: its box (x1, y1, x2, y2) in pixels or fractions, None where there is none.
        split: "train", "val", "test", or empty where the table does not say.
        line: the number of the (first) line in the file, from 1.
        in_fractions: whether box and points are in fractions of the image's width and height.
        points: its keypoints; None in a table that has none.
        instance: what tells it from other objects of its image, in a table with a row for each keypoint.
    """

    image: str
    label: str
    box: Box | None
    split: str
    line: int
    in_fractions: bool = False
    points: tuple[Point, ...] | None = None
    instance: str = ""

    def in_pixels(self, size: tuple[int, int]) -> Row:
        """The same object in the pixels of an image of (h, w) = ``size``."""
        if not self.in_fractions:
            return self
        height, width = size
        points = self.points and tuple((name, x * width, y * height, seen) for name, x, y, seen in self.points)
        box = self.box and (self.box[0] * width, self.box[1] * height, self.box[2] * width, self.box[3] * height)
        return replace(self, box=box, points=points, in_fractions=False)


@dataclass(frozen=True)
class _Columns:
    """The place of each column that is known, and the keypoints."""

    places: dict[str, int]
    points: PointColumns | None


def has_columns(path: Path) -> bool:
    """Whether a file is a table with columns for the image and its label, or for keypoints."""
    heads = heads_of(path)
    try:
        return bool(_columns(path, _unnamed(heads) or heads))
    except AnnotationError:
        return False


def refusal_of(path: Path) -> str:
    """Why a file is no table that is read; empty where it is."""
    heads = heads_of(path)
    try:
        _columns(path, _unnamed(heads) or heads)
    except AnnotationError as error:
        return str(error).removeprefix(f"{path}: ")
    return ""


def heads_of(path: Path) -> list[str]:
    """The names of the columns of a table; none where it is no text, or cannot be read."""
    head = read_head(path, _LONGEST)
    text = head.decode("utf-16" if head.startswith(UTF_16) else "utf-8-sig", "replace")  # which may end in a character
    line = next(iter(text.splitlines()), "")
    try:
        return next(csv.reader([line], delimiter=_delimiter(line), skipinitialspace=True), [])
    except csv.Error:
        return []


def read_rows(path: Path) -> list[Row]:
    """All objects of a table.

    Where no coordinate goes beyond 1, all are fractions of their images.

    Raises:
        AnnotationError: no text, no column for the image or the label, or a row that cannot be used; the message has
            the file and the line.
    """
    lines = read_text(Path(path)).splitlines()
    if not lines:
        raise AnnotationError(f"{path}: the file is empty; its first line must name the columns")
    reader = csv.reader(lines, delimiter=_delimiter(lines[0]), skipinitialspace=True, strict=True)
    try:
        first = next(reader)
        unnamed = _unnamed(first)
        columns = _columns(path, unnamed or first)
        numbered = enumerate(_single_lines(path, reader), start=2)
        rows = list(_rows(path, columns, chain([(1, first)] if unnamed else [], numbered)))
    except csv.Error as error:
        raise AnnotationError(f"{path}: line {reader.line_num}: {error}; is there a stray quote?") from error
    if columns.points and columns.points.name is not None:
        rows = _joined(path, rows, columns.points.by_label)
    return _scaled(path, rows)


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=line.count)


def _unnamed(cells: list[str]) -> list[str] | None:
    """The names of the columns where the first line is a row of makesense.ai, which writes none."""
    heads = _MAKESENSE.get(len(cells))
    numbers = [cell for head, cell in zip(heads or (), cells, strict=bool(heads)) if not head.endswith("_name")]
    return heads if heads and all(cell.strip().replace(".", "", 1).isdecimal() for cell in numbers) else None


def _scaled(path: Path, rows: list[Row]) -> list[Row]:
    """The rows, told whether their coordinates are fractions, as all or none of them are."""
    numbers = [_coordinates(row) for row in rows]
    within = [row for row, said in zip(rows, numbers, strict=True) if said and _is_share(said)]
    if within and len(within) == sum(map(bool, numbers)):
        return [replace(row, in_fractions=True) for row in rows]
    if part := next((row for row in within if row.box and any(edge % 1 for edge in row.box)), None):
        raise AnnotationError(
            f"{path}: line {part.line} has the box {part.box} in fractions of the image, others are in pixels"
        )
    return rows


def _coordinates(row: Row) -> list[float]:
    return [*(row.box or ()), *(value for _, x, y, seen in row.points or () if seen for value in (x, y))]


def _is_share(numbers: Sequence[float]) -> bool:
    return min(numbers) >= -_BORDER and max(numbers) <= 1 + _BORDER


def _single_lines(path: Path, reader: Any) -> Iterator[list[str]]:
    """The rows of a reader, none of which may take several lines, as a quote without its partner makes them."""
    before = reader.line_num
    for cells in reader:
        if reader.line_num != before + 1:
            where = f"lines {before + 1} to {reader.line_num}"
            raise AnnotationError(f"{path}: {where} are one row, by a quote that ends so late; is it a stray one?")
        before = reader.line_num
        yield cells


def _columns(path: Path, heads: list[str]) -> _Columns:
    """The place of each known column, and the keypoints."""
    plain = [plain_name(head) for head in heads]
    boxes = {name for column in (*_CORNERS, *_SIDES) for name in COLUMNS[column]} - set(_NUMBERED)
    has = f"it has {', '.join(heads)}"
    try:
        points = find_points(heads, boxes=boxes)
    except ValueError as error:
        raise AnnotationError(f"{path}: {error}; {has}") from error
    taken = {place for places in points.places.values() for place in places} if points else set()
    if points and points.name is not None:
        taken.add(points.name)
    free = {name: place for place, name in reversed(list(enumerate(plain))) if place not in taken}
    found = {
        column: next(free[name] for name in names if name in free)
        for column, names in COLUMNS.items()
        if any(name in free for name in names)
    }
    for column in ("image", "label"):
        if column not in found and not (column == "label" and points):
            raise AnnotationError(f"{path}: no column called {' or '.join(COLUMNS[column])}; {has}")
    for box in (_CORNERS, _SIDES):
        missing = [column for column in box if column not in found]
        if 0 < len(missing) < 4:
            raise AnnotationError(
                f"{path}: boxes need the columns {', '.join(_CORNERS)}; {', '.join(missing)} is missing; {has}"
            )
    return _Columns(found, points)


def _rows(path: Path, columns: _Columns, lines: Iterable[tuple[int, list[str]]]) -> Iterator[Row]:
    places, points = columns.places, columns.points
    needed = 1 + max(places.values())
    box_columns = next((box for box in (_CORNERS, _SIDES) if box[0] in places), ())
    for number, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path}: line {number}"
        if len(cells) < needed:
            raise AnnotationError(f"{where} has {len(cells)} cells, {needed} are needed")
        value = {column: cells[place].strip() for column, place in places.items()}
        if not value["image"]:
            raise AnnotationError(f"{where} names no image")
        box = _box(where, [value[column] for column in box_columns], box_columns)
        label = value.get("label", ONLY)
        if not label and (box is not None or not (box_columns or points)):
            raise AnnotationError(f"{where} has no label")
        split = _split(where, value.get("split", ""))
        row = Row(value["image"], label, box, split, number)
        yield replace(row, **_points(where, points, cells)) if points else row


def _points(where: str, columns: PointColumns, cells: list[str]) -> dict[str, Any]:
    """The keypoints of a line, and to which object they belong."""
    last = max(place for places in columns.places.values() for place in places if place is not None)
    if len(cells) <= max(last, columns.name or 0, columns.instance or 0):
        raise AnnotationError(f"{where} has {len(cells)} cells, too few for its keypoints")
    try:
        instance = "" if columns.instance is None else cells[columns.instance].strip()
        return {"points": columns.read(cells), "instance": instance}
    except ValueError as error:
        raise AnnotationError(f"{where} {error}") from error


def _joined(path: Path, rows: list[Row], by_label: bool) -> list[Row]:
    """The rows of one keypoint each as objects."""
    if by_label and rows and len({row.image for row in rows}) == len(rows):
        raise AnnotationError(
            f"{path}: x and y are one point of each image, with a class; keypoints have a row each, and their names in "
            f"a column called {KEYPOINT[0]}"
        )
    objects: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        key = (row.image, row.label, row.instance)
        before = objects.setdefault(key, replace(row, points=()))
        ((name, *_),) = row.points or ()
        if any(name == known for known, *_ in before.points or ()):
            cure = f"a column called {OBJECT[0]} tells the objects of an image apart"
            raise AnnotationError(f"{path}: line {row.line} is a second {name} of {row.image}; {cure}")
        if row.split != before.split:
            raise AnnotationError(f"{path}: line {row.line} has {row.image} in a second split")
        objects[key] = replace(before, points=(*(before.points or ()), *(row.points or ())), box=before.box or row.box)
    return list(objects.values())


def _box(where: str, cells: list[str], columns: Sequence[str]) -> Box | None:
    """The box of a row; None where all four cells are empty."""
    if not any(cells):
        return None
    try:
        x1, y1, x2, y2 = (float(cell) for cell in cells)
    except ValueError:
        raise AnnotationError(f"{where} has the box {short(cells)}; four numbers in pixels are needed") from None
    if columns == _SIDES:
        x2, y2 = x1 + x2, y1 + y2
    if not all(map(math.isfinite, (x1, y1, x2, y2))) or x2 <= x1 or y2 <= y1:
        raise AnnotationError(f"{where} has the box {short(cells)}; x2 must be above x1 and y2 above y1")
    return x1, y1, x2, y2


def _split(where: str, word: str) -> str:
    if not word:
        return ""
    for split, aliases in ALIASES.items():
        if word.lower() in aliases:
            return split
    known = ", ".join(alias for aliases in ALIASES.values() for alias in aliases)
    raise AnnotationError(f"{where} has the split {short(word)}; known are {known}")
