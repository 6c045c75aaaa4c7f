"""What can be wrong inside a COCO annotation file. Nothing here raises on bad records: finding them is the point."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from visus.data.datasets.coco_segments import rle_of

Record = dict[str, Any]
Size = tuple[int, int]

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


def check_records(content: Record, file: str) -> Iterator[Problem]:
    """All problems of the records of an annotation file, in the order images, categories, annotations.

    Args:
        content: the file's object, with the lists "images", "annotations" and "categories".
        file: its name, for the problems.
    """
    yield from _image_problems(content["images"], file)
    yield from _category_problems(content["categories"], file)
    sizes = {r.get("id"): _size(r) for r in content["images"] if isinstance(r, dict) and _hashable(r.get("id"))}
    points = {
        c.get("id"): len(c.get("keypoints") or ())
        for c in content["categories"]
        if isinstance(c, dict) and _hashable(c.get("id"))
    }
    usable = [a for a in content["annotations"] if isinstance(a, dict)]
    for _ in range(len(content["annotations"]) - len(usable)):
        yield Problem("malformed annotation", "error", file, "an annotation is not an object")
    yield from _set_problems(usable, sizes, file)
    some_have_outlines = any(a.get("segmentation") for a in usable)
    for annotation in usable:
        yield from _annotation_problems(annotation, sizes, points, some_have_outlines, file)


def _image_problems(records: list[Any], file: str) -> Iterator[Problem]:
    if not records:
        yield Problem("empty data set", "error", file, "lists no image")
    if len(records) == 1:
        yield Problem("single image", "warning", file, "lists one image: nothing can be learned or measured from it")
    for record in records:
        if not (
            isinstance(record, dict) and isinstance(record.get("id"), int) and isinstance(record.get("file_name"), str)
        ):
            yield Problem(
                "malformed image record", "error", file, f"{_short(record)} needs an integer id and a file_name"
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
        if not (isinstance(record, dict) and isinstance(record.get("id"), int)):
            yield Problem("malformed category", "error", file, f"{_short(record)} needs an integer id")
    yield from _repeated("category id", (r.get("id") for r in records if isinstance(r, dict)), file, "error")
    yield from _repeated("category name", (r.get("name") for r in records if isinstance(r, dict)), file, "warning")


def _set_problems(annotations: list[Record], sizes: dict[Any, Size | None], file: str) -> Iterator[Problem]:
    """Problems that only all annotations together show."""
    if not annotations:
        yield Problem("no annotations", "error", file, "no image has an object")
    elif not any(a.get("segmentation") for a in annotations):
        yield Problem("missing segmentation", "warning", file, "no object has an outline: boxes only")
    yield from _repeated("annotation id", (a.get("id") for a in annotations), file, "error")
    boxes = [(a["bbox"], sizes.get(a.get("image_id"))) for a in annotations if _is_finite_box(a.get("bbox"))]
    known = [(box, size) for box, size in boxes if size]
    beyond = sum(_outside(box, size) > 0 and _fits_as_corners(box, size) for box, size in known)
    ordered = sum(box[2] > box[0] and box[3] > box[1] for box, _ in known)
    # Corners written as sizes reach over the border wherever they lie in the lower right; real sizes hardly ever do.
    if beyond and beyond >= 0.1 * len(known) and ordered >= 0.95 * len(known):
        message = f"{beyond} of {len(known)} boxes leave the image as (x, y, width, height) but fit as (x1, y1, x2, y2)"
        yield Problem("xyxy instead of xywh", "warning", file, message)


def _annotation_problems(
    annotation: Record, sizes: dict[Any, Size | None], points: dict[Any, int], outlined: bool, file: str
) -> Iterator[Problem]:
    identifier = annotation.get("id")
    number = identifier if isinstance(identifier, int) else None

    def problem(kind: str, severity: Literal["error", "warning"], message: str) -> Problem:
        return Problem(kind, severity, file, message, number)

    image, category = annotation.get("image_id"), annotation.get("category_id")
    if number is None:
        yield problem("missing annotation id", "warning", f"the id is {_short(identifier)}")
    if not _hashable(image) or image not in sizes:
        yield problem("unknown image", "error", f"belongs to image {_short(image)}, which is not listed")
    if not _hashable(category) or category not in points:
        yield problem("unknown category", "error", f"has category {_short(category)}, which is not listed")
    for key in ("area", "iscrowd"):
        value = annotation.get(key)
        if value is None:
            yield problem(f"missing {key}", "warning", f"has no {key}")
        elif not _is_number(value) or not math.isfinite(value) or value < 0:
            yield problem(f"malformed {key}", "error", f"the {key} is {_short(value)}")
    size = sizes.get(image) if _hashable(image) else None
    for kind, severity, message in _box_findings(annotation.get("bbox"), size):
        yield problem(kind, severity, message)
    for kind, severity, message in _outline_findings(annotation, size, outlined):
        yield problem(kind, severity, message)
    if annotation.get("keypoints") is not None:
        expected = points.get(category, 0) if _hashable(category) else 0
        for kind, severity, message in _keypoint_findings(annotation["keypoints"], expected):
            yield problem(kind, severity, message)


Finding = tuple[str, Literal["error", "warning"], str]


def _box_findings(box: Any, size: Size | None) -> Iterator[Finding]:
    if box is None:
        yield "missing bbox", "error", "has no bbox"
    elif not isinstance(box, list) or len(box) != 4 or not all(_is_number(side) for side in box):
        yield "malformed bbox", "error", f"bbox {_short(box)} is not four numbers"
    elif not _is_finite_box(box):
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
    if not segmentation:
        if outlined:
            yield "missing segmentation", "warning", "has no outline, others have: its box serves as mask"
    elif isinstance(segmentation, list):
        yield from _polygon_findings(segmentation)
    elif not isinstance(segmentation, dict) or "size" not in segmentation or "counts" not in segmentation:
        yield "malformed segmentation", "error", f"{_short(segmentation)} is neither polygons nor run lengths"
    elif size:
        try:
            rle_of(segmentation, size)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            yield "wrong run lengths", "error", str(error)


def _polygon_findings(polygons: list[Any]) -> Iterator[Finding]:
    for polygon in polygons:
        if not isinstance(polygon, list) or not all(_is_number(n) and math.isfinite(n) for n in polygon):
            yield "malformed segmentation", "error", f"polygon {_short(polygon)} is not a list of finite numbers"
        elif len(polygon) % 2:
            yield "malformed segmentation", "error", f"a polygon has an odd number of coordinates, {len(polygon)}"
        elif len(polygon) < 6:
            yield "polygon with fewer than 3 corners", "warning", f"polygon {polygon} is left out"


def _keypoint_findings(keypoints: Any, expected: int) -> Iterator[Finding]:
    if not isinstance(keypoints, list) or not all(_is_number(n) for n in keypoints):
        yield "malformed keypoints", "error", f"{_short(keypoints)} is not a list of numbers"
    elif len(keypoints) != 3 * expected:
        yield (
            "wrong number of keypoints",
            "error",
            f"{len(keypoints)} numbers; {expected} keypoints need {3 * expected}",
        )
    elif not all(math.isfinite(n) for n in keypoints):
        yield "malformed keypoints", "error", "a coordinate is NaN or infinite"
    elif any(v not in (0, 1, 2) for v in keypoints[2::3]):
        yield "malformed keypoints", "error", "a visibility is none of 0, 1, 2"


def _repeated(what: str, values: Iterator[Any], file: str, severity: Literal["error", "warning"]) -> Iterator[Problem]:
    for value, times in Counter(v for v in values if v is not None and _hashable(v)).items():
        if times > 1:
            number = value if what == "annotation id" and isinstance(value, int) else None
            yield Problem(f"duplicate {what}", severity, file, f"{what} {_short(value)} occurs {times} times", number)


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
    if isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0:
        return height, width
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite_box(box: Any) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(_is_number(n) and math.isfinite(n) for n in box)


def _hashable(value: Any) -> bool:
    return value is None or isinstance(value, int | float | str)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
