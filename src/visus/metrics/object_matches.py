"""Which detection found which object of an image: the pairs that precision, recall and confusion are counted from.

By COCO's rule (https://cocodataset.org/#detection-eval): detections of a category by falling score, each takes the free
object of its category that it overlaps most, if by an IoU of a half or more. What a detection finds does not depend on
those of lower scores, so one matching holds for every least score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from visus.ops.boxes import box_area, box_iou
from visus.types import InstancePrediction, InstanceTarget

MIN_IOU = 0.5
"""The least IoU of boxes at which an object counts as found."""

ROUNDING = 1e-6
"""Single-precision scores lie this near to the decimals that were meant: 0.29 is 0.28999999."""


@dataclass(frozen=True)
class ObjectMatches:
    """The n detections of an image by falling score, the m objects that are to be found, and what belongs together.

    Args:
        order: the place [n] of each detection in the prediction.
        scores: of the detections [n].
        labels: of the detections [n].
        found: the object [n] that each detection found, -1 for none.
        ious: the IoU [n] with that object, 0 for none.
        ignored: whether a detection [n] is neither right nor wrong: most of it lies on a crowd of its label.
        objects: the label [m] of each object to find; crowds are none.
        places: the place [m] of each object in the target.
        mistaken: rows of a detection, an object of another label and their IoU [p, 3], the largest IoU first.
    """

    order: NDArray[np.int64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    found: NDArray[np.int64]
    ious: NDArray[np.float64]
    ignored: NDArray[np.bool_]
    objects: NDArray[np.int64]
    places: NDArray[np.int64]
    mistaken: NDArray[np.float64]

    def kept(self, min_score: float) -> int:
        """How many detections have at least that score: the first ones."""
        return int((self.scores >= min_score - ROUNDING).sum())

    def quality(self, min_score: float) -> float:
        """Panoptic quality (arXiv 1801.00868, equation 1) of the boxes, from 0 to 1, everything right and nothing else.

        It is the sum of the IoU of what was found over (found + half of the wrong + half of the missed).
        """
        kept = self.kept(min_score)
        right = self.found[:kept] >= 0
        wrong = int((~right & ~self.ignored[:kept]).sum())
        missed = len(self.objects) - int(right.sum())
        total = int(right.sum()) + 0.5 * (wrong + missed)
        return float(self.ious[:kept].sum()) / total if total else 1.0


def match_objects(prediction: InstancePrediction, target: InstanceTarget, *, min_iou: float = MIN_IOU) -> ObjectMatches:
    """Finds out which detection found which object, by their boxes.

    Args:
        prediction: in the pixels of the target.
        target: crowds need not be found, and a detection of which ``min_iou`` lies on one is ignored.
        min_iou: the least overlap.
    """
    prediction, target = prediction.to("cpu"), target.to("cpu")
    order = prediction.scores.argsort(descending=True, stable=True)
    prediction = prediction[order]
    places = (~target.is_crowd).nonzero()[:, 0]
    objects, crowds = target[places], target[target.is_crowd]
    overlap = box_iou(prediction.boxes_xyxy.float(), objects.boxes_xyxy.float()).double()
    same = prediction.labels[:, None] == objects.labels[None]
    found, ious = _found(overlap.where(same, -1.0).numpy(), min_iou)
    detections, others = ((overlap >= min_iou) & ~same).nonzero(as_tuple=True)
    mistaken = np.stack((detections.numpy(), others.numpy(), overlap[detections, others].numpy()), axis=1)
    return ObjectMatches(
        order=order.numpy(),
        scores=prediction.scores.double().numpy(),
        labels=prediction.labels.numpy(),
        found=found,
        ious=ious,
        ignored=_on_crowd(prediction, crowds, min_iou).numpy() & (found < 0),
        objects=objects.labels.numpy(),
        places=places.numpy(),
        mistaken=mistaken[np.argsort(-mistaken[:, 2], kind="stable")],
    )


def _found(overlap: NDArray[np.float64], min_iou: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The object that each detection, by falling score, found, and their overlap."""
    free = overlap.copy()
    found, ious = np.full(len(free), -1, dtype=np.int64), np.zeros(len(free))
    for place in range(len(free) if free.shape[1] else 0):
        best = int(free[place].argmax())
        if free[place, best] >= min_iou:
            found[place], ious[place] = best, free[place, best]
            free[:, best] = -1
    return found, ious


def _on_crowd(prediction: InstancePrediction, crowds: InstanceTarget, min_iou: float) -> Bool[Tensor, " n"]:
    """Whether ``min_iou`` of each detection lies on a crowd of its label."""
    boxes, others = prediction.boxes_xyxy.float(), crowds.boxes_xyxy.float()
    area = box_area(boxes)[:, None]
    both: Float[Tensor, "n m"] = box_iou(boxes, others) * (area + box_area(others)[None])
    both = both / (1 + box_iou(boxes, others))  # the intersection, from the IoU and the two areas
    on = (both >= min_iou * area.clamp(min=1e-9)) & (prediction.labels[:, None] == crowds.labels[None])
    return on.any(dim=1)
