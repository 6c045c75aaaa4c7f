"""What can be wrong inside a COCO annotation file. Nothing here raises on bad records: finding them is the point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard, TypeVar

from visus.data.formats.coco_values import (
    Record,
    are_numbers,
    declares_keypoints_well,
    first_of_skeleton,
    is_area,
    is_crowd_flag,
    is_file_name,
    is_finite,
    is_identifier,
    is_side,
    is_text,
    keypoint_problem,
    outline_problem,
    short,
)
from visus.ops.outlines import rle_of

Size = tuple[int, int]
Value = TypeVar("Value")

# A box may reach this many pixels over the border: annotators and rounding do it everywhere, and reading clips it.
_BORDER = 1.0


@dataclass(frozen=True)
class Problem:
    """Something wrong: errors would stop or spoil training, warnings are tolerated by the reader."""

    kind: str
    severity: Literal["error", "warning"]
    file: str
    message: str
    annotation_id: int | None = None

    @classmethod
    def of_error(
        cls, kind: str, file: Path | str, error: object, severity: Literal["error", "warning"] = "error"
    ) -> Problem:
        """What an error says of a file, without the name of the file in front."""
        return cls(kind, severity, str(file), str(error).removeprefix(f"{file}: "))


def check_records(content: Record, file: str) -> Iterator[Problem]:
    """All problems of the records of an annotation file, in the order images, categories, annotations.

    Args:
        content: the file's object, with the lists "images", "annotations" and "categories".
        file: its name, for the problems.
    """
    yield from _image_problems(content["images"], file)
    yield from _category_problems(content["categories"], file)
    sizes = {r["id"]: _size(r) for r in content["images"] if isinstance(r, dict) and is_identifier(r.get("id"))}
    points = {
        c["id"]: len(c.get("keypoints") or ()) if declares_keypoints_well(c) else 0
        for c in content["categories"]
        if isinstance(c, dict) and is_identifier(c.get("id"))
    }
    usable = [a for a in content["annotations"] if isinstance(a, dict)]
    for _ in range(len(content["annotations"]) - len(usable)):
        yield Problem("malformed annotation", "error", file, "an annotation is not an object")
    yield from _set_problems(usable, sizes, file)
    some_have_outlines = any(a.get("segmentation") for a in usable)
    for annotation in usable:
        yield from annotation_problems(annotation, sizes, points, some_have_outlines, file)


def _image_problems(records: list[Any], file: str) -> Iterator[Problem]:
    if not records:
        yield Problem("empty data set", "error", file, "lists no image")
    if len(records) == 1:
        yield Problem("single image", "warning", file, "lists one image: nothing can be learned or measured from it")
    for record in records:
        if not (isinstance(record, dict) and is_identifier(record.get("id")) and is_file_name(record.get("file_name"))):
            yield Problem(
                "malformed image record", "error", file, f"{short(record)} needs an integer id and a file_name"
            )
        elif record.get("height") is None or record.get("width") is None:
            message = f"image {record['id']} does not say its height and width; they are read from the file"
            yield Problem("missing image size", "warning", file, message)
        elif _size(record) is None:
            message = f"image {record['id']} has height {record['height']!r} and width {record['width']!r}"
            yield Problem("malformed image record", "error", file, message)
    yield from _repeated("image id", (r.get("id") for r in records if isinstance(r, dict)), file, "error")
    yield from _repeated("image file", (r.get("file_name") for r in records if isinstance(r, dict)), file, "warning")


def _category_problems(records: list[Any], file: str) -> Iterator[Problem]:
    if not records:
        yield Problem("no categories", "error", file, "lists no category")
    for record in records:
        if not (isinstance(record, dict) and is_identifier(record.get("id"))):
            yield Problem("malformed category", "error", file, f"{short(record)} needs an integer id")
        elif not is_text(str(record.get("name"))):
            yield Problem("malformed category", "error", file, f"the name of category {record['id']} is no text")
        elif not declares_keypoints_well(record):
            message = f"category {record['id']} needs names as keypoints, pairs of numbers as skeleton, and a flip_idx"
            yield Problem("malformed category", "error", file, message)
        elif first_of_skeleton(record.get("skeleton") or []) == 0:
            message = f"the skeleton of category {record['id']} counts from 0, COCO's from 1: read as it is meant"
            yield Problem("skeleton from 0", "warning", file, message)
    declared = {str(r["keypoints"]) for r in records if isinstance(r, dict) and r.get("keypoints")}
    if len(declared) > 1:
        yield Problem("different keypoints", "error", file, "categories declare different keypoints")
    yield from _repeated("category id", (r.get("id") for r in records if isinstance(r, dict)), file, "error")
    yield from _repeated("category name", (r.get("name") for r in records if isinstance(r, dict)), file, "warning")


def _set_problems(annotations: list[Record], sizes: dict[int, Size | None], file: str) -> Iterator[Problem]:
    """Problems that only all annotations together show."""
    if not annotations:
        yield Problem("no annotations", "error", file, "no image has an object")
    elif not any(a.get("segmentation") for a in annotations):
        yield Problem("missing segmentation", "warning", file, "no object has an outline: boxes only")
    yield from _repeated("annotation id", (a.get("id") for a in annotations), file, "error")
    boxes = [(a["bbox"], _lookup(sizes, a.get("image_id"))) for a in annotations if _is_box(a.get("bbox"))]
    known = [(box, size) for box, size in boxes if size]
    beyond = sum(_outside(box, size) > 0 and _fits_as_corners(box, size) for box, size in known)
    ordered = sum(box[2] > box[0] and box[3] > box[1] for box, _ in known)
    # Corners written as sizes reach over the border wherever they lie in the lower right; real sizes hardly ever do.
    if beyond and beyond >= 0.1 * len(known) and ordered >= 0.95 * len(known):
        message = f"{beyond} of {len(known)} boxes leave the image as (x, y, width, height) but fit as (x1, y1, x2, y2)"
        yield Problem("xyxy instead of xywh", "warning", file, message)


def annotation_problems(
    annotation: Record, sizes: dict[int, Size | None], points: dict[int, int], outlined: bool, file: str
) -> Iterator[Problem]:
    """Problems of one annotation.

    Args:
        annotation: in COCO's format.
        sizes: the (h, w) of each image, None where it is not known.
        points: the number of keypoints of each category.
        outlined: whether an annotation without an outline is a problem.
        file: for the problems.
    """
    identifier = annotation.get("id")
    number = identifier if is_identifier(identifier) else None

    def problem(kind: str, severity: Literal["error", "warning"], message: str) -> Problem:
        return Problem(kind, severity, file, message, number)

    image, category = annotation.get("image_id"), annotation.get("category_id")
    if identifier is None:
        yield problem("missing annotation id", "warning", "has no id")
    elif number is None:
        yield problem("malformed annotation id", "error", f"the id is {short(identifier)}")
    if not is_identifier(image) or image not in sizes:
        yield problem("unknown image", "error", f"belongs to image {short(image)}, which is not listed")
    if not is_identifier(category) or category not in points:
        yield problem("unknown category", "error", f"has category {short(category)}, which is not listed")
    for key, allowed in (("area", is_area), ("iscrowd", is_crowd_flag)):
        value = annotation.get(key)
        if value is None:
            yield problem(f"missing {key}", "warning", f"has no {key}")
        elif not allowed(value):
            yield problem(f"malformed {key}", "error", f"the {key} is {short(value)}")
    size = _lookup(sizes, image)
    for kind, severity, message in _box_findings(annotation.get("bbox"), size):
        yield problem(kind, severity, message)
    for kind, severity, message in _outline_findings(annotation, size, outlined):
        yield problem(kind, severity, message)
    if expected := _lookup(points, category) or max(points.values(), default=0):
        if wrong := keypoint_problem(annotation.get("keypoints"), expected):
            yield problem(wrong[0], "error", wrong[1])
    elif annotation.get("keypoints"):
        yield problem("keypoints without names", "warning", "has keypoints, which no category declares: left out")


Finding = tuple[str, Literal["error", "warning"], str]


def _box_findings(box: Any, size: Size | None) -> Iterator[Finding]:
    if box is None:
        yield "missing bbox", "error", "has no bbox"
    elif not are_numbers(box, 4):
        yield "malformed bbox", "error", f"bbox {short(box)} is not four numbers"
    elif not _is_box(box):
        yield "NaN or infinite box", "error", f"bbox {box}"
    elif box[2] < 0 or box[3] < 0:
        yield "negative box side", "error", f"bbox {box} has x2 < x1 or y2 < y1"
    elif box[2] == 0 or box[3] == 0:
        yield "degenerate box", "error", f"bbox {box} has no area"
    elif size and (part := _outside(box, size)) > 0:
        severity: Literal["error", "warning"] = "error" if part > 0.1 else "warning"
        yield "box outside the image", severity, f"{part:.0%} of bbox {box} lies outside (h, w) = {size}"


def _outline_findings(annotation: Record, size: Size | None, outlined: bool) -> Iterator[Finding]:
    segmentation = annotation.get("segmentation")
    if problem := outline_problem(segmentation):
        yield "malformed segmentation", "error", f"the outline cannot be used: {problem}"
    elif not segmentation:
        if outlined:
            yield "missing segmentation", "warning", "has no outline, others have: its box serves as mask"
    elif isinstance(segmentation, list):
        for polygon in segmentation:
            if len(polygon) < 6:
                yield "polygon with fewer than 3 corners", "warning", f"polygon {polygon} is left out"
    elif size:
        try:
            rle_of(segmentation, size)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            yield "wrong run lengths", "error", str(error)


def _repeated(what: str, values: Iterator[Any], file: str, severity: Literal["error", "warning"]) -> Iterator[Problem]:
    for value, times in Counter(v for v in values if isinstance(v, int | float | str)).items():
        if times > 1:
            number = value if what == "annotation id" and is_identifier(value) else None
            yield Problem(f"duplicate {what}", severity, file, f"{what} {short(value)} occurs {times} times", number)


def _outside(box: list[float], size: Size) -> float:
    """The fraction of a box xywh that lies outside the image, 0 where it is within the tolerated border."""
    x, y, width, height = box
    if x >= -_BORDER and y >= -_BORDER and x + width <= size[1] + _BORDER and y + height <= size[0] + _BORDER:
        return 0.0
    inside_x = max(0.0, min(x + width, size[1]) - max(x, 0))
    inside_y = max(0.0, min(y + height, size[0]) - max(y, 0))
    return 1 - inside_x * inside_y / max(width * height, 1e-9)


def _fits_as_corners(box: list[float], size: Size) -> bool:
    return box[0] < box[2] <= size[1] + _BORDER and box[1] < box[3] <= size[0] + _BORDER and min(box) >= 0


def _size(record: Record) -> Size | None:
    height, width = record.get("height"), record.get("width")
    return (height, width) if is_side(height) and is_side(width) else None


def _is_box(box: Any) -> TypeGuard[list[float]]:
    return are_numbers(box, 4) and all(map(is_finite, box))


def _lookup(table: dict[int, Value], key: Any) -> Value | None:
    return table.get(key) if is_identifier(key) else None
