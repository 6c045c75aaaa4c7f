"""COCO's own names and numbers: categories with their sparse identifiers, and the 17 keypoints of a person.

Source: Lin et al., "Microsoft COCO: Common Objects in Context", arXiv 1405.0312, and the annotation files of 2017. The
identifiers run from 1 to 90 for 80 names: ten numbers belong to categories that were dropped before publication.
Published detectors keep a class for each of the 90 numbers, so label ``i`` of ``COCO_SCHEMA`` is the identifier
``i + 1`` and the ten empty slots are called ``N/A`` with their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from visus.data.formats.coco_values import Record, first_of_skeleton, mirror_places
from visus.data.sides import flip_pairs_of
from visus.types import Keypoints, Schema

_NAMES_BY_FIRST_ID: Final = {
    1: "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant",
    13: "stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe",
    27: "backpack, umbrella",
    31: "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, "
    "skateboard, surfboard, tennis racket, bottle",
    46: "wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, "
    "pizza, donut, cake, chair, couch, potted plant, bed",
    67: "dining table",
    70: "toilet",
    72: "tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator",
    84: "book, clock, vase, scissors, teddy bear, hair drier, toothbrush",
}

COCO_NAMES: Final[dict[int, str]] = {
    first + offset: name for first, names in _NAMES_BY_FIRST_ID.items() for offset, name in enumerate(names.split(", "))
}
"""The 80 category names by identifier."""

COCO_PERSON_KEYPOINTS: Final = Keypoints(
    names=(
        "nose",
        *("left_eye", "right_eye", "left_ear", "right_ear"),
        *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
        *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
    ),
    flip_pairs=tuple((left, left + 1) for left in range(1, 17, 2)),
    # One sigma for the nose, then one for both members of each pair, from the eyes down to the ankles.
    sigmas=(0.026, *(s for sigma in (0.025, 0.035, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089) for s in (sigma, sigma))),
    skeleton=(
        *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10)),
        *((1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
    ),
)
"""The keypoints of COCO's persons, in the order of the annotation files."""

COCO_SCHEMA: Final = Schema(
    categories=tuple(COCO_NAMES.get(number, f"N/A {number}") for number in range(1, 91)),
    category_ids=tuple(range(1, 91)),
    has_masks=True,
)
"""The 90 classes of the published COCO detectors: label ``i`` is the identifier ``i + 1``."""

COCO_PERSON_SCHEMA: Final = Schema(categories=("person",), category_ids=(1,), keypoints=COCO_PERSON_KEYPOINTS)
"""The single class of the published keypoint detector."""


def skeleton_meaning(names: Sequence[str], skeleton: Sequence[Sequence[int]]) -> Keypoints:
    """What keypoints mean by their names; `visus.data.sides` says which of them change places in a mirror.

    Sigmas are COCO's where the names are those of COCO's person, otherwise 0.05 each, the order of COCO's mean.

    Args:
        names: one per keypoint.
        skeleton: pairs of positions counted from 1, as in COCO's files, or from 0 where one of them is 0.
    """
    if tuple(names) == COCO_PERSON_KEYPOINTS.names:
        return COCO_PERSON_KEYPOINTS
    first = first_of_skeleton(skeleton)
    return Keypoints(
        names=tuple(names),
        flip_pairs=flip_pairs_of(names),
        sigmas=(0.05,) * len(names),
        skeleton=tuple((start - first, end - first) for start, end in skeleton),
    )


def keypoint_fields(meaning: Keypoints) -> Record:
    """What a category says of its keypoints: their names and, where that is known, which each one is in a mirror."""
    fields: Record = {"keypoints": list(meaning.names)}
    if meaning.flip_pairs is not None:
        fields["flip_idx"] = mirror_places(meaning.flip_pairs, len(meaning))
    return fields
