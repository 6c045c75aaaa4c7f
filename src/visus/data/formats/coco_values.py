"""What the values of a COCO annotation file may be: the reader refuses, and the check reports, the same ones."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeGuard

Record = dict[str, Any]
"""An object of a file in COCO's format."""
_NUMBERS = {int, float}
_LARGEST = 1e9  # of a coordinate or a number of pixels: far beyond any image, and exact enough in float32 arithmetic


def is_identifier(value: Any) -> TypeGuard[int]:
    """Whether a value is a whole number that fits into 64 bits."""
    return isinstance(value, int) and -(2**63) <= value < 2**63


def is_text(value: Any) -> TypeGuard[str]:
    """Whether a value is text that can be written: JSON may hold halves of characters, which cannot."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_file_name(value: Any) -> TypeGuard[str]:
    """Whether a value is text that a file can be called; its bytes need not be UTF-8 (see `os.fsdecode`)."""
    if not isinstance(value, str):
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True


def is_side(value: Any) -> TypeGuard[int]:
    """Whether a value can be the height or width of an image."""
    return isinstance(value, int) and 0 < value <= 1_000_000


def is_finite(value: Any) -> TypeGuard[float]:
    """Whether a value is a number that is neither NaN nor infinite nor absurdly large."""
    return isinstance(value, int | float) and abs(value) <= _LARGEST


def are_numbers(value: Any, count: int) -> TypeGuard[list[float]]:
    """Whether a value is a list of ``count`` numbers, NaN and infinity included."""
    return isinstance(value, list) and len(value) == count and all(isinstance(n, int | float) for n in value)


def declares_keypoints_well(category: dict[str, Any]) -> bool:
    """Whether the keypoints of a category, if any, are names, its skeleton joins pairs of them and a mirror swaps some.

    ``flip_idx``, as the YOLO format has it and `visus data convert` writes it, says which keypoint each is in a mirror.
    """
    names, skeleton = category.get("keypoints") or [], category.get("skeleton") or []
    if not isinstance(names, list) or not all(map(is_text, names)):
        return False
    if not isinstance(skeleton, list) or not all(are_numbers(pair, 2) for pair in skeleton):
        return False
    if "flip_idx" in category and not is_mirror(category["flip_idx"], len(names)):
        return False
    first = first_of_skeleton(skeleton)
    return all(isinstance(end, int) and 0 <= end - first < len(names) for end in chain.from_iterable(skeleton))


def is_mirror(places: Any, count: int) -> TypeGuard[list[int]]:
    """Whether a value is a list of the numbers from 0 to ``count - 1`` in which each place and its number swap."""
    if not isinstance(places, list) or not all(map(is_identifier, places)) or sorted(places) != list(range(count)):
        return False
    return all(places[places[place]] == place for place in places)


def mirror_pairs(places: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """The places that change with another in a mirror, of a list in which `is_mirror`."""
    return tuple((place, other) for place, other in enumerate(places) if place < other)


def mirror_places(pairs: Sequence[tuple[int, int]], count: int) -> list[int]:
    """Which of ``count`` places each one is in a mirror: `mirror_pairs` the other way round."""
    places = list(range(count))
    for one, other in pairs:
        places[one], places[other] = other, one
    return places


def first_of_skeleton(skeleton: Sequence[Sequence[int]]) -> int:
    """From which number a skeleton counts its keypoints: 1, as COCO's files do, or 0 where it has a 0."""
    return 0 if any(end == 0 for pair in skeleton for end in pair) else 1


def is_area(value: Any) -> TypeGuard[float]:
    """Whether a value can be the area of an object."""
    return is_finite(value) and value >= 0


def is_crowd_flag(value: Any) -> bool:
    """Whether a value can be the ``iscrowd`` of an object: 0, 1, false, true, or nothing at all."""
    return value is None or (isinstance(value, int | float) and value in (0, 1))


def outline_problem(segmentation: Any) -> str | None:
    """What is wrong with the form of an outline, the first of it; None where nothing is, or there is no outline.

    Run lengths are not read: whether they fill their image is found where they are drawn.
    """
    if not segmentation or isinstance(segmentation, bytes):  # packed while the file was parsed: looked at then
        return None
    if isinstance(segmentation, dict):
        if not isinstance(segmentation.get("size"), list) or not isinstance(segmentation.get("counts"), list | str):
            return "run lengths without the lists 'size' and 'counts'"
        return None
    if not isinstance(segmentation, list):
        return f"{short(segmentation)} is neither polygons nor run lengths"
    if all(isinstance(value, int | float) for value in segmentation):
        return "a flat list of numbers; a list of polygons is needed: [[x1, y1, x2, y2, ...]]"
    for polygon in segmentation:
        if not isinstance(polygon, list):
            return f"the polygon {short(polygon)} is not a list of numbers"
        if polygon and isinstance(polygon[0], list | dict):
            return f"the polygon {short(polygon)} is a list of points; [x1, y1, x2, y2, ...] is needed"
        if not all_finite(polygon):
            return f"the polygon {short(polygon)} is not a list of finite numbers"
        if len(polygon) % 2:
            return f"a polygon has an odd number of coordinates, {len(polygon)}"
    return None


def keypoint_problem(keypoints: Any, expected: int) -> tuple[str, str] | None:
    """The kind and the description of what is wrong with the keypoints of an object; None where nothing is.

    Args:
        keypoints: a value as it stands in the file.
        expected: the number of keypoints of its category.
    """
    if not keypoints:
        return None
    if not isinstance(keypoints, list) or not all_finite(keypoints):
        return "malformed keypoints", f"has keypoints that are not a list of finite numbers: {short(keypoints)}"
    if len(keypoints) != 3 * expected:
        count = f"has {len(keypoints)} keypoint numbers; {expected} keypoints need {3 * expected}"
        return "wrong number of keypoints", count
    if not set(keypoints[2::3]) <= {0, 1, 2}:
        wrong = next(value for value in keypoints[2::3] if value not in (0, 1, 2))
        return "malformed keypoints", f"has a keypoint of visibility {wrong}, which is none of 0, 1, 2"
    return None


def all_finite(values: list[Any]) -> TypeGuard[list[float]]:
    """Whether all values are numbers as in `is_finite`; for long lists, of which a large file has millions."""
    if not set(map(type, values)) <= _NUMBERS:
        return False
    if not values:
        return True
    # A NaN can hide from min and max, but never from the sum.
    return max(values) <= _LARGEST and min(values) >= -_LARGEST and math.isfinite(sum(values))


def leaves_folder(name: str, folder: Path, annotations: Path) -> bool:
    """Whether a file name, as ``../../x`` or an absolute one, means a file outside of the data set.

    The data set is the folder of the images, and the folder that holds both it and the annotations.

    Args:
        name: as it is written.
        folder: what it is relative to.
        annotations: the file that has it.
    """
    if not name.startswith(("/", "\\")) and ".." not in name and ":" not in name:
        return False
    images = os.path.abspath(folder)
    try:
        shared = os.path.commonpath([images, os.path.abspath(annotations.parent)])
    except ValueError:  # on different drives
        shared = images
    # Annotations that are kept elsewhere say nothing of what is part of the data set.
    near = {images, os.path.dirname(images), os.path.dirname(os.path.dirname(images))}
    root = shared if shared in near else images
    place = os.path.normpath(os.path.join(images, name))
    return os.path.commonpath([root, place]) != root


def short(value: Any) -> str:
    """A value for a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
