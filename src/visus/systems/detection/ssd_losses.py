"""The two losses of SSD (arXiv 1512.02325, section 2.2, equations 1 to 3), with hard negative mining.

Of the thousands of default boxes a handful covers objects. Of the others only the worst mistakes count, three for each
one that does, so that background does not drown everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from visus.nn.transform import training_targets
from visus.ops.boxes import box_iou, encode_boxes
from visus.ops.matching import BACKGROUND, match_boxes
from visus.systems.detection.roi_heads import BOX_WEIGHTS
from visus.systems.detection.ssd import SSDOutputs
from visus.types import InstanceTarget


@dataclass(frozen=True, kw_only=True)
class SSDCriterion:
    """Losses ``class`` and ``box``, each divided by the number of default boxes of the batch that cover an object.

    Images without objects add nothing, as published, unless ``least_negatives`` says otherwise.

    Args:
        iou: a default box covers an object from this overlap on; the best box of each object covers it anyway.
        negatives: how many boxes of background count for each one that covers an object.
        least_negatives: how many boxes of background of every image count at least.
    """

    iou: float = 0.5
    negatives: float = 3.0
    least_negatives: int = 0

    def __call__(self, outputs: SSDOutputs, targets: Sequence[InstanceTarget]) -> dict[str, Float[Tensor, ""]]:
        """Named scalars; their sum is what training minimises. Targets may be in any frame."""
        objects = training_targets(targets, outputs.image_sizes)
        matched = torch.stack([match_default_boxes(o.boxes_xyxy, outputs.default_boxes, self.iou) for o in objects])
        positive = matched >= 0  # [b, a]
        count = positive.sum().clamp(min=1)
        return {
            "class": self._class_loss(outputs, objects, matched) / count,
            "box": _box_loss(outputs, objects, matched) / count,
        }

    def _class_loss(self, outputs: SSDOutputs, objects: Sequence[InstanceTarget], matched: Tensor) -> Tensor:
        """Cross-entropy of the boxes that cover an object and of the worst others, summed (equation 3)."""
        positive = matched >= 0
        classes = torch.zeros_like(matched)
        for row, chosen, one in zip(classes, matched, objects, strict=True):
            row[chosen >= 0] = one.labels.to(row.device)[chosen[chosen >= 0]] + 1
        loss = F.cross_entropy(outputs.class_logits.transpose(1, 2), classes, reduction="none")  # [b, a]
        wanted = (float(self.negatives) * positive.sum(dim=1)).clamp(min=self.least_negatives)
        return loss[positive | hard_negatives(loss.detach(), positive, wanted)].sum()


@torch.no_grad()
def match_default_boxes(
    objects: Float[Tensor, "n 4"], boxes: Float[Tensor, "a 4"], iou_threshold: float
) -> Int64[Tensor, " a"]:
    """The object that each default box learns from, `BACKGROUND` for none.

    The best box of every object is its own, whatever other object that box overlaps more; of several objects that share
    a best box the last gets it. All others go by their overlap. An object that overlaps no box claims none.
    """
    iou = box_iou(objects.to(boxes), boxes)
    matched = match_boxes(iou, iou_threshold, iou_threshold)
    if len(objects) == 0:
        return matched
    overlap, best = iou.max(dim=1)
    numbers = torch.arange(len(objects), device=boxes.device)
    numbers = torch.where(overlap > 0, numbers, BACKGROUND)
    claims = torch.full_like(matched, BACKGROUND).scatter_reduce(0, best, numbers, "amax")
    return torch.where(claims >= 0, claims, matched)


def hard_negatives(
    loss: Float[Tensor, "b a"], positive: Bool[Tensor, "b a"], wanted: Float[Tensor, " b"]
) -> Bool[Tensor, "b a"]:
    """The boxes of background with the largest loss, at most ``wanted`` of each image."""
    order = loss.masked_fill(positive, -torch.inf).argsort(dim=1, descending=True)
    rank = order.argsort(dim=1)
    return (rank < wanted[:, None]) & ~positive


def _box_loss(outputs: SSDOutputs, objects: Sequence[InstanceTarget], matched: Tensor) -> Tensor:
    """Smooth L1 on the deltas of the boxes that cover an object, summed (equation 2)."""
    errors = []
    for deltas, chosen, one in zip(outputs.box_deltas, matched, objects, strict=True):
        positive = chosen >= 0
        boxes = one.boxes_xyxy.to(deltas)[chosen[positive]]
        moves = encode_boxes(boxes, outputs.default_boxes[positive], weights=BOX_WEIGHTS)
        errors.append(F.smooth_l1_loss(deltas[positive], moves, reduction="sum"))
    return torch.stack(errors).sum()
