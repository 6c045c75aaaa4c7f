"""Lists of classes for folders of masks: names, and where given numbers and colours.

- ``classes.txt`` (or ``class_names.txt``, ``labels.txt``): a name a line, each followed or not by its red, green and
  blue;
- ``labelmap.txt``, as CVAT writes it: ``name:red,green,blue:parts:actions``;
- ``classes.csv`` (or ``class_dict.csv``): a table with the columns name, id and r, g, b (or red, green, blue), of which
  only name is needed; without a line of headings the columns are name, r, g, b;
- ``_classes.csv``, as Roboflow writes it: the same with the columns pixel value and class;
- ``classes.json``: a list of names, or of objects with "name", "id" and "color" (or "colour").

Classes are numbered from 0 in the order of the list where it says no numbers; where all their colours are greys, the
grey levels are numbers of theirs as well. A class called void, ignore, unlabelled or unlabeled is none: its pixels
become `VOID`, as those numbered 255 (65535 in a mask of 16 bits) do where no class has this number.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visus.data.entry import Void
from visus.data.errors import AnnotationError
from visus.data.files.json_file import read_json
from visus.data.files.label_maps import Colour, LabelTable
from visus.data.files.listed_files import read_lines
from visus.data.formats.coco_values import short
from visus.types import VOID, Schema

FILES = (
    *("classes.csv", "class_dict.csv", "_classes.csv", "classes.json", "classes.txt"),
    *("class_names.txt", "labelmap.txt", "label_map.txt", "labels.txt"),
)
_HEADS = {"pixelvalue": "id", "class": "name", "classname": "name", "red": "r", "green": "g", "blue": "b"}
"""Other names of the columns of a table."""
_VOID_NAMES = ("void", "ignore", "unlabelled", "unlabeled")
_MARKS_OF_VOID = (255, 65535)


@dataclass(frozen=True)
class ListedClass:
    """A line of a list: what the class is called, and its number and colour in the masks."""

    name: str
    number: int
    colour: Colour | None


def find_class_list(root: Path) -> Path | None:
    """The list of classes in a folder, None where there is none."""
    return next((root / name for name in FILES if (root / name).is_file()), None)


def read_class_list(path: Path, void: Void = "auto") -> tuple[Schema, LabelTable]:
    """What the labels mean, and which label each value of a mask has.

    Raises:
        AnnotationError: a line that cannot be understood; a name, number or colour that occurs twice; colours for some
            classes only; no class or more than 255.
    """
    return class_table(path, listed_classes(path), void)


def listed_classes(path: Path) -> list[ListedClass]:
    """The lines of a list.

    Raises:
        AnnotationError: as `read_class_list` does.
    """
    readers = {".txt": _from_text, ".csv": _from_table, ".json": _from_json}
    listed = [_listed(path, place, *fields) for place, fields in enumerate(readers[path.suffix](path))]
    _refuse_repeated(path, listed)
    return listed


def class_table(path: Path, listed: list[ListedClass], void: Void = "auto") -> tuple[Schema, LabelTable]:
    """What the labels of some listed classes mean, and which label each value of a mask has.

    Args:
        path: of the list, for messages.
        listed: from `listed_classes`.
        void: what 255 means where it is no number of a class.

    Raises:
        AnnotationError: no class or more than 255.
    """
    real = [one for one in listed if one.name.lower() not in _VOID_NAMES]
    if not 0 < len(real) <= VOID:
        raise AnnotationError(f"{path}: lists {len(real)} classes; 1 to {VOID} are possible")
    labels = {one.number: label for label, one in enumerate(real)}
    labels |= {one.number: VOID for one in listed if one not in real}
    greys = {one.colour[0]: one for one in listed if one.colour and len(set(one.colour)) == 1}
    if len(greys) == len(listed):
        labels |= {grey: labels[one.number] for grey, one in greys.items() if grey not in labels}
    meaning = {"none": 1 if len(real) == 2 else None}.get(void, VOID)
    labels |= {mark: meaning for mark in _MARKS_OF_VOID if mark not in labels and meaning is not None}
    label_of = {one.name: label for label, one in enumerate(real)}
    colours = {one.colour: label_of.get(one.name, VOID) for one in listed if one.colour}
    schema = Schema(
        categories=tuple(one.name for one in real),
        category_ids=tuple(one.number for one in real),
        colours=tuple(one.colour for one in real if one.colour),
    )
    return schema, LabelTable(ids=labels, colours=colours)


def _from_text(path: Path) -> Iterable[tuple[Any, Any, Any]]:
    for line in read_lines(path):
        if line.startswith("#") or line == "__ignore__":  # which labelme numbers -1: 255 in a mask
            continue
        if mapped := re.fullmatch(r"(.+?):(\d+),\s*(\d+),\s*(\d+)(:.*)?", line):
            yield mapped[1], None, mapped.groups()[1:4]
            continue
        found = re.fullmatch(r"(.*?)[\s,;]+(\d+)[\s,;]+(\d+)[\s,;]+(\d+)", line)
        yield (found[1], None, found.groups()[1:]) if found else (line, None, None)


def _from_table(path: Path) -> Iterable[tuple[Any, Any, Any]]:
    reader = csv.reader(read_lines(path), skipinitialspace=True, strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise AnnotationError(f"{path}: line {reader.line_num}: {error}; is there a stray quote?") from error
    if not rows:
        return
    plain = ["".join(head.lower().split()) for head in rows[0]]
    heads = [_HEADS.get(head, head) for head in plain]
    if "name" not in heads:
        yield from ((row[0], None, row[1:4] or None) for row in rows)
        return
    for row in rows[1:]:
        cells = dict(zip(heads, row, strict=False))
        colour = [cells.get(channel) for channel in "rgb"]
        yield cells.get("name"), cells.get("id"), None if colour == [None] * 3 else colour


def _from_json(path: Path) -> Iterable[tuple[Any, Any, Any]]:
    content = read_json(path)
    if not isinstance(content, list):
        raise AnnotationError(f"{path}: holds a JSON {type(content).__name__}; a list of names or of objects is needed")
    for entry in content:
        if isinstance(entry, dict):
            yield entry.get("name"), entry.get("id"), entry.get("color", entry.get("colour"))
        else:
            yield entry, None, None


def _listed(path: Path, place: int, name: Any, number: Any, colour: Any) -> ListedClass:
    """One class, once its name, number and colour are known to be such."""
    where = f"{path}: class {place + 1}"
    if not isinstance(name, str) or not name.strip():
        raise AnnotationError(f"{where} has no name")
    where += f" ({name.strip()})"
    identifier = place if number is None else _whole(number, 65535)
    if identifier is None:
        raise AnnotationError(f"{where} has the id {short(number)}; 0 to 65535 are possible")
    if colour is None:
        return ListedClass(name.strip(), identifier, None)
    channels = [_whole(channel, 255) for channel in colour] if isinstance(colour, list | tuple) else []
    if len(channels) != 3 or None in channels:
        raise AnnotationError(f"{where} has the colour {short(colour)}; three numbers from 0 to 255 are needed")
    red, green, blue = (channel or 0 for channel in channels)
    return ListedClass(name.strip(), identifier, (red, green, blue))


def _whole(value: Any, largest: int) -> int | None:
    """A whole number from 0 to ``largest``, None for anything else."""
    try:
        number = int(str(value).strip())
    except ValueError:
        return None
    return number if 0 <= number <= largest else None


def _refuse_repeated(path: Path, listed: list[ListedClass]) -> None:
    coloured = [one for one in listed if one.colour]
    if coloured and len(coloured) < len(listed):
        bare = next(one.name for one in listed if not one.colour)
        raise AnnotationError(f"{path}: class {bare} has no colour, others have; give all of them one, or none")
    for what, values in (
        ("name", [one.name for one in listed]),
        ("id", [one.number for one in listed]),
        ("colour", [one.colour for one in coloured]),
    ):
        for value, times in Counter(values).items():
            if times > 1:
                raise AnnotationError(f"{path}: {times} classes have the {what} {value}")
