"""One annotation file of Pascal VOC, read and written.

The reader is tolerant: only the name and the box of an object are needed, coordinates may have fractions, and a size
that is missing or zero is left to the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from visus.data.errors import AnnotationError
from visus.data.files.xml_file import read_xml
from visus.data.formats.coco_values import Record, short


@dataclass(frozen=True)
class VocRecord:
    """What an annotation file says: the name of its image, its (h, w) if given, and its objects.

    An object has its ``name`` and, as in COCO's format, ``bbox`` (x, y, width, height counted from 0), ``area`` and
    ``iscrowd``, which is 1 for a difficult one; ``unsaid`` names what else its element says, such as "pose".
    """

    filename: str
    size: tuple[int, int] | None
    objects: tuple[Record, ...]


def read_voc_xml(path: Path) -> VocRecord:
    """Read an annotation file.

    Raises:
        AnnotationError: missing, no XML, or an object without a usable name or box.
    """
    tree = read_xml(path)
    objects = []
    for number, element in enumerate(tree.iter("object"), start=1):
        problem = object_problem(element)
        if problem:
            raise AnnotationError(f"{path}: object {number} {problem} (`visus data check` lists all problems)")
        objects.append(object_record(element))
    return replace(record_of(tree), objects=tuple(objects))


def record_of(tree: Element) -> VocRecord:
    """What an annotation says of its image, without the objects."""
    return VocRecord(filename=_text(tree, "filename"), size=_size(tree), objects=())


def object_problem(element: Element) -> str:
    """What makes an ``object`` element unusable; empty where it can be used."""
    if not _text(element, "name"):
        return "has no name"
    box = element.find("bndbox")
    if box is None:
        return "has no bndbox"
    for edge in ("xmin", "ymin", "xmax", "ymax"):
        if math.isnan(_number(box, edge)):
            return f"has the {edge} {short(_text(box, edge))}, which is no finite number"
    return ""


def object_record(element: Element) -> Record:
    """An object as in `VocRecord`, of an element in which `object_problem` finds nothing."""
    box = element.find("bndbox")
    assert box is not None  # object_problem has looked
    left, top = (max(_number(box, edge) - 1, 0.0) for edge in ("xmin", "ymin"))
    width, height = _number(box, "xmax") - left, _number(box, "ymax") - top
    return {
        "name": _text(element, "name"),
        "bbox": [left, top, width, height],
        "area": max(width, 0.0) * max(height, 0.0),
        "iscrowd": int(_text(element, "difficult").lower() in ("1", "true")),
        "unsaid": tuple(dict.fromkeys(child.tag for child in element if _says_more(child))),
    }


def _says_more(child: Element) -> bool:
    """Whether a child of an object says something that a record has no words for: pose, truncation, parts ..."""
    if child.tag in ("name", "bndbox", "difficult"):
        return False
    return len(child) > 0 or (child.text or "").strip().lower() not in ("", "0", "false", "no", "unspecified")


def voc_xml(*, image: str, size: tuple[int, int], objects: Sequence[Record]) -> str:
    """The text of an annotation file.

    Args:
        image: the name of the image.
        size: (h, w) of the image.
        objects: records as in `VocRecord`.
    """
    root = Element("annotation")
    SubElement(root, "folder").text = "JPEGImages"
    SubElement(root, "filename").text = image
    _add(SubElement(root, "size"), width=size[1], height=size[0], depth=3)
    for thing in objects:
        element = SubElement(root, "object")
        SubElement(element, "name").text = thing["name"]
        SubElement(element, "difficult").text = str(int(bool(thing.get("iscrowd"))))
        x, y, width, height = thing["bbox"]
        _add(SubElement(element, "bndbox"), xmin=x + 1, ymin=y + 1, xmax=x + width, ymax=y + height)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def _size(tree: Element) -> tuple[int, int] | None:
    size = tree.find("size")
    if size is None:
        return None
    height, width = (_number(size, side) for side in ("height", "width"))
    return (int(height), int(width)) if height >= 1 and width >= 1 else None


def _text(element: Element, tag: str) -> str:
    """The text of a direct child, stripped; empty where there is none."""
    return (element.findtext(tag) or "").strip()


def _number(element: Element, tag: str) -> float:
    """The number in a direct child, NaN where there is none."""
    try:
        number = float(_text(element, tag))
    except ValueError:
        return math.nan
    return number if abs(number) <= 1e9 else math.nan


def _add(parent: Element, **numbers: float) -> None:
    for tag, number in numbers.items():
        SubElement(parent, tag).text = _written(number)


def _written(number: float) -> str:
    """A coordinate with at most six decimals: whole numbers stay whole."""
    return f"{number:.6f}".rstrip("0").rstrip(".")
