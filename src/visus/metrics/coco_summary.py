"""COCO's numbers from the curves that an evaluation accumulated (https://cocodataset.org/#detection-eval).

Where there is nothing to measure (no annotation of a size class, say) a number is -1, COCO's own convention.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# name -> (precision or recall, the one IoU threshold or None for all ten, index of the size class, index of max dets)
_MEASURES = {
    "AP": ("precision", None, 0, 2),
    "AP50": ("precision", 0.5, 0, 2),
    "AP75": ("precision", 0.75, 0, 2),
    "APs": ("precision", None, 1, 2),
    "APm": ("precision", None, 2, 2),
    "APl": ("precision", None, 3, 2),
    "AR1": ("recall", None, 0, 0),
    "AR10": ("recall", None, 0, 1),
    "AR100": ("recall", None, 0, 2),
    "ARs": ("recall", None, 1, 2),
    "ARm": ("recall", None, 2, 2),
    "ARl": ("recall", None, 3, 2),
}
_KEYPOINT_MEASURES = {
    "AP": ("precision", None, 0, 0),
    "AP50": ("precision", 0.5, 0, 0),
    "AP75": ("precision", 0.75, 0, 0),
    "APm": ("precision", None, 1, 0),
    "APl": ("precision", None, 2, 0),
    "AR": ("recall", None, 0, 0),
    "AR50": ("recall", 0.5, 0, 0),
    "AR75": ("recall", 0.75, 0, 0),
    "ARm": ("recall", None, 1, 0),
    "ARl": ("recall", None, 2, 0),
}


def measure_names(*, keypoints: bool) -> tuple[str, ...]:
    """The names of COCO's numbers, in the order of its tables."""
    return tuple(_KEYPOINT_MEASURES if keypoints else _MEASURES)


@dataclass(frozen=True)
class CocoResult:
    """What one evaluation measured.

    Args:
        stats: COCO's 12 numbers (10 for keypoints) by name, from 0 to 1; -1 where there is nothing to measure.
        per_category: AP of each category by its name.
        per_category_50: the same at IoU 0.5.
        curves: precision of each category at IoU 0.5 for the recalls 0, 0.01, ..., 1, by its name.
    """

    stats: dict[str, float]
    per_category: dict[str, float]
    per_category_50: dict[str, float]
    curves: dict[str, list[float]]


def summarise(
    arrays: Mapping[str, Any], iou_thresholds: list[float], categories: list[dict[str, Any]], *, keypoints: bool
) -> CocoResult:
    """Averages what an evaluation accumulated.

    Args:
        arrays: ``precision`` [iou, recall, category, size, detections], ``recall`` [iou, category, size, detections].
        iou_thresholds: those of the first axis, the first of them 0.5.
        categories: COCO's records; their axis goes by ascending identifier.
        keypoints: which set of numbers: that of keypoints, or that of boxes and masks.
    """
    thresholds = np.asarray(iou_thresholds)
    stats = {}
    for name, (source, threshold, size, dets) in (_KEYPOINT_MEASURES if keypoints else _MEASURES).items():
        values = np.asarray(arrays[source])[..., size, dets]
        stats[name] = _mean(values if threshold is None else values[np.isclose(thresholds, threshold)])
    precision = np.asarray(arrays["precision"])[:, :, :, 0, -1]  # [iou, recall, category]
    names = _unique_names(categories)
    order = [names[id_] for id_ in sorted(names)]
    return CocoResult(
        stats=stats,
        per_category={name: _mean(precision[:, :, i]) for i, name in enumerate(order)},
        per_category_50={name: _mean(precision[0, :, i]) for i, name in enumerate(order)},
        curves={name: precision[0, :, i].tolist() for i, name in enumerate(order)},
    )


def _mean(values: NDArray[np.float64]) -> float:
    """The mean over what could be measured."""
    measured = values[values > -1]
    return float(measured.mean()) if measured.size else -1.0


def _unique_names(categories: list[dict[str, Any]]) -> dict[int, str]:
    """Each category's name by its identifier; the identifier is added where two categories share a name."""
    count = Counter(category["name"] for category in categories)
    return {
        category["id"]: category["name"] if count[category["name"]] == 1 else f"{category['name']} ({category['id']})"
        for category in categories
    }
