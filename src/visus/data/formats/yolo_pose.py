"""Keypoints in the YOLO format: ``kpt_shape`` and ``flip_idx`` of ``data.yaml``, and the numbers after each box.

https://docs.ultralytics.com/datasets/pose: ``kpt_shape: [17, 3]`` is x, y and visibility of 17 keypoints, ``[17, 2]``
x and y alone, where (0, 0) is not labelled; ``flip_idx`` says which keypoint each one is in a mirror.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from visus.data.errors import AnnotationError
from visus.data.formats.coco_names import COCO_PERSON_KEYPOINTS, skeleton_meaning
from visus.data.formats.coco_values import is_mirror, mirror_pairs
from visus.types import Keypoints


@dataclass(frozen=True)
class YoloPose:
    """The keypoints of every object.

    Args:
        meaning: their names, and which change places in a mirror.
        channels: 3 with a visibility for each, 2 without.
    """

    meaning: Keypoints
    channels: int

    @property
    def numbers(self) -> int:
        """How many numbers the keypoints of an object take."""
        return len(self.meaning) * self.channels

    def keypoints(self, values: Sequence[float], size: tuple[int, int]) -> list[float]:
        """x, y and visibility of each keypoint in pixels, as in COCO's format.

        Args:
            values: after the box, as fractions.
            size: (h, w) of the image.

        Raises:
            ValueError: a visibility that is none of 0, 1, 2, or a labelled point outside of the image.
        """
        height, width = size
        points: list[float] = []
        for first in range(0, len(values), self.channels):
            x, y, *seen = values[first : first + self.channels]
            visible = seen[0] if seen else 2.0 * bool(x or y)
            if visible not in (0, 1, 2):
                raise ValueError(f"the visibility {visible:g} is none of 0, 1, 2")
            if visible and not (-0.01 <= x <= 1.01 and -0.01 <= y <= 1.01):
                raise ValueError(f"the keypoint ({x:g}, {y:g}) lies outside of the image: coordinates go from 0 to 1")
            points += [round(x * width, 6), round(y * height, 6), visible] if visible else [0.0, 0.0, 0.0]
        return points


def pose_of(path: Path, content: dict[str, Any]) -> YoloPose | None:
    """The keypoints that a description declares, None where it declares none.

    Args:
        path: of the description, for messages.
        content: of it, all values as text.

    Raises:
        AnnotationError: ``kpt_shape``, ``flip_idx`` or ``kpt_names`` cannot be used.
    """
    if "kpt_shape" not in content:
        return None
    shape = _numbers(content["kpt_shape"])
    if len(shape) != 2 or shape[0] < 1 or shape[1] not in (2, 3):
        said = content["kpt_shape"]
        raise AnnotationError(f"{path}: kpt_shape is {said!r}; the number of keypoints and 2 or 3 are needed")
    count, channels = shape
    flip = _numbers(content.get("flip_idx", []))
    declared = content.get("flip_idx") not in (None, "", "~", "null", [])
    if declared and not is_mirror(flip, count):
        raise AnnotationError(
            f"{path}: flip_idx is {content['flip_idx']!r}; each of 0 to {count - 1} and back is needed"
        )
    names = _point_names(path, content, count)
    if names is None and count == len(COCO_PERSON_KEYPOINTS) and mirror_pairs(flip) == COCO_PERSON_KEYPOINTS.flip_pairs:
        names = list(COCO_PERSON_KEYPOINTS.names)
    meaning = skeleton_meaning(names or [f"keypoint {number}" for number in range(1, count + 1)], ())
    if declared:
        meaning = replace(meaning, flip_pairs=mirror_pairs(flip))
    return YoloPose(meaning, channels)


def _point_names(path: Path, content: dict[str, Any], count: int) -> list[str] | None:
    """``kpt_names``: a list, or one for each class, which must be equal."""
    said = content.get("kpt_names")
    if said is None:
        return None
    lists = list(said.values()) if isinstance(said, dict) else [said]
    if not all(isinstance(names, list) and len(names) == count and names == lists[0] for names in lists) or not lists:
        raise AnnotationError(f"{path}: kpt_names is {said!r}; {count} names, the same for all classes, are needed")
    if len(set(map(str, lists[0]))) < count:
        raise AnnotationError(f"{path}: kpt_names has a name twice: {lists[0]}")
    return [str(name) for name in lists[0]]


def _numbers(values: Any) -> list[int]:
    """The whole numbers of a list of texts; empty where it is none."""
    if not isinstance(values, list) or not all(isinstance(value, str) and value.isdecimal() for value in values):
        return []
    return [int(value) for value in values]
