"""Whether the records of COCO's files can be measured: each fault is one error that names the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from numbers import Real
from typing import Any, Literal

from visus.metrics.coco_format import Record
from visus.ops.outlines import rle_of

Kind = Literal["box", "mask", "keypoint"]
GEOMETRY = {"box": "bbox", "mask": "segmentation", "keypoint": "keypoints"}
_LEAST_POLYGON = 6  # numbers: three corners


def check_ground_truth(data: Record, kind: Kind, *, masks: bool) -> None:
    """Refuses a ground truth that cannot be measured.

    Args:
        data: what an annotation file holds.
        kind: what is compared.
        masks: look into masks, too, which takes longer.

    Raises:
        ValueError: a list is missing, or one of the annotations is not complete.
    """
    for name in ("images", "annotations", "categories"):
        if not isinstance(data, Mapping) or not isinstance(data.get(name), list):
            raise ValueError(f"the ground truth has no list of {name}")
    sizes, categories = _sizes(data), _categories(data)
    for record in data["annotations"]:
        problem = _problem(record, kind, categories, sizes if masks else None)
        if problem is None and record["image_id"] not in sizes:
            problem = "names an image that is not among the images"
        if problem is None and kind != "box":
            problem = "has no 'bbox'" if "bbox" not in record else _box_problem(record["bbox"])
        problem = problem or _area_problem(record)
        if problem is not None:
            raise ValueError(_message(record, "annotations", problem))


def check_results(results: Sequence[Any], data: Record, kind: Kind, *, masks: bool) -> None:
    """Refuses results that cannot be measured; arguments and errors as for `check_ground_truth`."""
    sizes, categories = _sizes(data), _categories(data)
    named = {record["image_id"] for record in results if isinstance(record, dict) and "image_id" in record}
    unknown = sorted(named - sizes.keys(), key=str)
    if unknown:
        raise ValueError(
            f"results name images that the ground truth lacks: {unknown[:5]} ({len(unknown)} in all). "
            "Were they made from another split?"
        )
    for record in results:
        problem = _problem(record, kind, categories, sizes if masks else None)
        if problem is None and not isinstance(record.get("score"), Real):
            problem = "has no score" if record.get("score") is None else f"has the score {record['score']!r}"
        if problem is None and not isfinite(record["score"]):
            problem = "holds numbers that are not finite"
        if problem is not None:
            raise ValueError(_message(record, "results", problem))


def _sizes(data: Record) -> dict[Any, tuple[int, int] | None]:
    """Of each image, (h, w) where it is told."""
    try:
        return {
            image["id"]: (image["height"], image["width"]) if image.keys() >= {"height", "width"} else None
            for image in data["images"]
        }
    except (KeyError, TypeError, AttributeError):
        raise ValueError("one of the images has no 'id'") from None


def _categories(data: Record) -> set[Any]:
    try:
        return {category["id"] for category in data["categories"] if category["name"] is not None}
    except (KeyError, TypeError):
        raise ValueError("one of the categories has no 'id' or no 'name'") from None


def _problem(
    record: Any, kind: Kind, categories: set[Any], sizes: Mapping[Any, tuple[int, int] | None] | None
) -> str | None:
    """What keeps a record from being measured, None for nothing."""
    if not isinstance(record, dict):
        return f"is {record!r:.40}, not a record"
    for field in ("image_id", "category_id"):
        if record.get(field) is None:
            return f"has no {field!r}"
    if record["category_id"] not in categories:
        return f"is of category {record['category_id']!r}, which the ground truth lacks"
    geometry = GEOMETRY[kind]
    found = record.get(geometry)
    if found is None:
        return f"has no {geometry!r} to compare"
    if kind == "box":
        return _box_problem(found)
    if kind == "keypoint":
        return _numbers_problem(found, geometry)
    return None if sizes is None else _mask_problem(found, sizes.get(record["image_id"]))


def _box_problem(box: Any) -> str | None:
    problem = _numbers_problem(box, "bbox")
    if problem is None and (len(box) != 4 or min(box[2:]) < 0):
        return f"has the bbox {list(box)!r:.60}: it must be x, y, width and height"
    return problem


def _numbers_problem(values: Any, field: str) -> str | None:
    if not isinstance(values, Sequence) or isinstance(values, str) or not all(isinstance(one, Real) for one in values):
        return f"has the {field} {values!r:.40}: it must be a list of numbers"
    return None if all(map(isfinite, values)) else "holds numbers that are not finite"


def _mask_problem(segmentation: Any, size: tuple[int, int] | None) -> str | None:
    if isinstance(segmentation, list):
        for polygon in segmentation or [None]:
            problem = _numbers_problem(polygon, "segmentation")
            if problem is None and (len(polygon) < _LEAST_POLYGON or len(polygon) % 2):
                problem = f"has a polygon of {len(polygon)} numbers: x and y of at least three corners"
            if problem is not None:
                return problem
        return None
    if size is None and isinstance(segmentation, dict) and isinstance(segmentation.get("size"), list):
        size = segmentation["size"][0], segmentation["size"][-1]
    try:
        rle_of(segmentation, size or (0, 0))
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        return f"has a segmentation that cannot be read: {error}"
    return None


def _area_problem(record: Record) -> str | None:
    area, crowd = record.get("area"), record.get("iscrowd")
    if area is not None and (not isinstance(area, Real) or not isfinite(area) or area < 0):
        return f"has the area {area!r:.40}"
    return None if crowd in (None, 0, 1) else f"has iscrowd {crowd!r:.40}: it must be 0 or 1"


def _message(record: Any, name: str, problem: str) -> str:
    image = record.get("image_id", "unknown") if isinstance(record, dict) else "unknown"
    return f"image {image}: one of the {name} {problem}"
