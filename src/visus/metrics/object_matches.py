"""Which detection found which object of an image: the pairs that precision, recall and confusion are counted from.

By COCO's rule (https://cocodataset.org/#detection-eval): detections of a category by falling score, each takes the free
object of its category that it overlaps most, if by an IoU of a half or more: of their masks where both have masks, else
of their boxes. What a detection finds does not depend on those of lower scores, so one matching holds for every least
score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from visus.ops.boxes import box_area, box_iou
from visus.ops.masks import mask_intersection, mask_iou
from visus.types import InstancePrediction, InstanceTarget

MIN_IOU = 0.5
"""The least IoU at which an object counts as found."""

Outline = Literal["boxes", "masks"]
"""What is compared."""

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
        outline: what the IoU is of.
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
    outline: Outline = "boxes"

    def kept(self, min_score: float) -> int:
        """How many detections have at least that score: the first ones."""
        return int((self.scores >= min_score - ROUNDING).sum())

    def quality(self, min_score: float) -> float:
        """Panoptic quality (arXiv 1801.00868, equation 1), from 0 to 1, everything right and nothing else.

        It is the sum of the IoU of what was found over (found + half of the wrong + half of the missed).
        """
        kept = self.kept(min_score)
        right = self.found[:kept] >= 0
        wrong = int((~right & ~self.ignored[:kept]).sum())
        missed = len(self.objects) - int(right.sum())
        total = int(right.sum()) + 0.5 * (wrong + missed)
        return float(self.ious[:kept].sum()) / total if total else 1.0


def match_objects(prediction: InstancePrediction, target: InstanceTarget, *, min_iou: float = MIN_IOU) -> ObjectMatches:
    """Finds out which detection found which object, by their masks where both have masks, else by their boxes.

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
    outline = outline_of(prediction, target)
    overlap = overlap_of(prediction, objects, outline)
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
        ignored=_on_crowd(prediction, crowds, outline, min_iou).numpy() & (found < 0),
        objects=objects.labels.numpy(),
        places=places.numpy(),
        mistaken=mistaken[np.argsort(-mistaken[:, 2], kind="stable")],
        outline=outline,
    )


def outline_of(prediction: InstancePrediction, target: InstanceTarget) -> Outline:
    """What detections and objects are compared by: their masks where both have masks, else their boxes."""
    return "boxes" if prediction.masks is None or target.masks is None else "masks"


def overlap_of(prediction: InstancePrediction, target: InstanceTarget, outline: Outline) -> Float[Tensor, "n m"]:
    """The IoU of each detection with each object, in double precision."""
    if outline == "boxes":
        return box_iou(prediction.boxes_xyxy.float(), target.boxes_xyxy.float()).double()
    return mask_iou(_masks(prediction), _masks(target)).double()


def _masks(objects: InstancePrediction | InstanceTarget) -> Bool[Tensor, "n h w"]:
    """The pixels of each object; of probabilities those that are more likely than not."""
    masks = objects.masks
    assert masks is not None
    return masks if masks.dtype == torch.bool else masks >= 0.5


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


def _on_crowd(
    prediction: InstancePrediction, crowds: InstanceTarget, outline: Outline, min_iou: float
) -> Bool[Tensor, " n"]:
    """Whether ``min_iou`` of each detection lies on a crowd of its label."""
    if outline == "masks":
        masks = _masks(prediction)
        area, both = masks.flatten(1).sum(1)[:, None].float(), mask_intersection(masks, _masks(crowds)).float()
    else:
        boxes, others = prediction.boxes_xyxy.float(), crowds.boxes_xyxy.float()
        area = box_area(boxes)[:, None]
        both = box_iou(boxes, others) * (area + box_area(others)[None])
        both = both / (1 + box_iou(boxes, others))  # the intersection, from the IoU and the two areas
    on = (both >= min_iou * area.clamp(min=1e-9)) & (prediction.labels[:, None] == crowds.labels[None])
    return on.any(dim=1)
