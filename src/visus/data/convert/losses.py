"""What a format has no words for, counted under the names that people know it by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from visus.data.formats.coco_values import Record

_WORDS = {"segmentation": "outlines"}
_WRITTEN_EVERYWHERE = {"id", "image_id", "category_id", "bbox", "iscrowd", "area", "num_keypoints", "unsaid"}
_OF_IMAGES = {"id", "file_name", "height", "width"}
_OF_CATEGORIES = {"id", "name", "keypoints", "skeleton", "supercategory"}
_OF_FILES = {"images", "annotations", "categories"}


def lost_of_object(thing: Record, kept: Collection[str]) -> Counter[str]:
    """The fields of an object that hold something and are not ``kept``; areas are counted by `loses_area`."""
    lost: Counter[str] = Counter()
    for key, value in thing.items():
        if value and key not in kept and key not in _WRITTEN_EVERYWHERE and not _says_nothing(key, value):
            lost[_WORDS.get(key, key)] += 1
    lost.update(thing.get("unsaid", ()))
    return lost


def loses_area(thing: Record, read: float) -> bool:
    """Whether the annotated area differs, by more than 1 % and a pixel, from what a reader will compute."""
    area = thing.get("area")
    return isinstance(area, int | float) and abs(area - read) > max(1.0, 0.01 * area)


def lost_of_content(content: Record) -> Counter[str]:
    """What a file in COCO's format says beyond its objects: identifiers, and fields of the file and of its images."""
    lost: Counter[str] = Counter({key: _count(value) for key, value in content.items() if key not in _OF_FILES})
    lost["image ids"] = len(content["images"])
    lost["object ids"] = sum(annotation.get("id") is not None for annotation in content["annotations"])
    for image in content["images"]:
        lost.update(f"{key} of images" for key, value in image.items() if key not in _OF_IMAGES and value)
    return lost


def lost_of_categories(categories: Sequence[Record]) -> Counter[str]:
    """What categories say beyond their names."""
    lost: Counter[str] = Counter()
    for category in categories:
        lost["supercategories"] += category.get("supercategory") not in (None, "", "none", category["name"])
        lost["names of keypoints"] += len(category.get("keypoints") or ())
        lost.update(f"{key} of categories" for key, value in category.items() if key not in _OF_CATEGORIES and value)
    return lost


def _says_nothing(key: str, value: Any) -> bool:
    """Whether keypoints are all unlabelled, or an outline has no polygon."""
    if key == "keypoints" and isinstance(value, list):
        return not any(value[2::3])
    return False


def _count(value: Any) -> int:
    return len(value) if isinstance(value, list) else int(bool(value))
