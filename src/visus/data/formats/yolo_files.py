"""The text files of the YOLO format: one object a line, everything a fraction of the image's width and height.

``class x y width height`` is a box about its centre, ``class x1 y1 x2 y2 x3 y3 ...`` an outline of three corners or
more. Where the description declares keypoints, a line is a box and them. A file that is empty or missing means an image
without objects.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from visus.data.errors import AnnotationError
from visus.data.files.content import require_file
from visus.data.files.listed_files import read_lines
from visus.data.formats.coco_segments import polygon_area
from visus.data.formats.coco_values import Record
from visus.data.formats.yolo_pose import YoloPose

_DECIMALS = 6  # of a pixel: what was a round number before it became a fraction is one again
_BORDER = 0.01  # coordinates may leave the image by this fraction of it: rounding does that


def read_labels(path: Path, num_classes: int, size: tuple[int, int], pose: YoloPose | None = None) -> list[Record]:
    """The objects of an image, as annotations in COCO's format whose ``category_id`` is the class.

    Args:
        path: the text file.
        num_classes: classes are 0 to ``num_classes - 1``.
        size: (h, w) of the image.
        pose: the keypoints of every object, None where there are none.

    Raises:
        AnnotationError: a line that cannot be used; names the file, the line and the cause.
    """
    records = []
    for number, line in label_lines(path):
        try:
            records.append(parse_label(line, num_classes, size, pose))
        except ValueError as error:
            message = f"{path}: line {number}: {error} (`visus data check` lists all problems)"
            raise AnnotationError(message) from error
    return records


def label_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1; none where there is no file."""
    if os.path.lexists(path):  # a folder, or a link that leads nowhere, is no image without objects
        require_file(path, AnnotationError)
        for number, line in enumerate(read_lines(path, blank=True), start=1):
            if line:
                yield number, line


def parse_label(line: str, num_classes: int, size: tuple[int, int], pose: YoloPose | None = None) -> Record:
    """One object; arguments as for `read_labels`.

    Raises:
        ValueError: the line cannot be used; says why.
    """
    words = line.split()
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise ValueError(f"{_short(line)} is not a list of numbers") from error
    if pose and len(words) not in (5, 5 + pose.numbers):
        shape = f"[{len(pose.meaning)}, {pose.channels}]"
        raise ValueError(f"{len(words)} numbers; with kpt_shape {shape} a line has {5 + pose.numbers}")
    if not pose and len(words) != 5 and (len(words) < 7 or len(words) % 2 == 0):
        raise ValueError(f"{len(words)} numbers; a box needs 5 (class x y width height), an outline 7, 9, 11 ...")
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{_short(line)} holds a number that is not finite")
    kind, values = numbers[0], numbers[1:]
    if kind != int(kind) or not 0 <= kind < num_classes:
        raise ValueError(f"the class is {words[0]}; classes are 0 to {num_classes - 1}")
    points, values = values[4:] if pose else [], values[:4] if pose else values
    if min(values) < -_BORDER or max(values) > 1 + _BORDER:
        wrong = next(value for value in values if not -_BORDER <= value <= 1 + _BORDER)
        raise ValueError(f"{wrong:g} is no fraction of the image: coordinates go from 0 to 1")
    if pose:
        found = pose.keypoints(points, size) or [0.0] * (3 * len(pose.meaning))
        return {**_box(int(kind), values, size), "keypoints": found}
    return _box(int(kind), values, size) if len(words) == 5 else _outline(int(kind), values, size)


def write_label(annotation: Record, number: int, size: tuple[int, int]) -> str:
    """The line of an object: its outline if it has polygons, else its box.

    Several polygons become one, joined by seams without width.

    Args:
        annotation: in COCO's format.
        number: of the class.
        size: (h, w) of the image.
    """
    height, width = size
    outline = annotation.get("segmentation")
    if isinstance(outline, list) and outline:
        joined = _joined([list(zip(polygon[::2], polygon[1::2], strict=True)) for polygon in outline])
        values = [value for x, y in joined for value in (x / width, y / height)]
    else:
        x, y, wide, high = annotation["bbox"]
        values = [(x + wide / 2) / width, (y + high / 2) / height, wide / width, high / height]
    return " ".join([str(number), *(_written(value) for value in values)])


def _box(kind: int, values: Sequence[float], size: tuple[int, int]) -> Record:
    height, width = size
    x, y, wide, high = (value * side for value, side in zip(values, (width, height, width, height), strict=True))
    box = [round(value, _DECIMALS) for value in (x - wide / 2, y - high / 2, wide, high)]
    return {"category_id": kind, "bbox": box, "area": wide * high, "iscrowd": 0}


def _outline(kind: int, values: Sequence[float], size: tuple[int, int]) -> Record:
    height, width = size
    across = [round(value * width, _DECIMALS) for value in values[::2]]
    down = [round(value * height, _DECIMALS) for value in values[1::2]]
    box = [min(across), min(down), max(across) - min(across), max(down) - min(down)]
    polygon = [value for corner in zip(across, down, strict=True) for value in corner]
    return {"category_id": kind, "bbox": box, "area": polygon_area(polygon), "iscrowd": 0, "segmentation": [polygon]}


def _joined(polygons: Sequence[list[tuple[float, float]]]) -> list[tuple[float, float]]:
    """One polygon around all of them: from the first to each other one and back by the way it came."""
    joined = list(polygons[0])
    for polygon in polygons[1:]:
        joined += [polygons[0][0], *polygon, polygon[0]]
    return joined if len(polygons) == 1 else [*joined, polygons[0][0]]


def _written(value: float) -> str:
    """Ten decimals: exact to a millionth of a pixel in any image."""
    return f"{value:.10f}".rstrip("0").rstrip(".") or "0"


def _short(line: str) -> str:
    return repr(line if len(line) <= 60 else f"{line[:57]}...")
