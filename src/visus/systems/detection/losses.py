"""The four losses of Faster R-CNN (arXiv 1506.01497, equation 1; Fast R-CNN, arXiv 1504.08083, equation 1).

Both stages add a classification loss and a smooth-L1 loss on the deltas of those that cover an object, the latter with
beta 1/9 and divided by everything that was sampled, with and without an object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from visus.nn.rpn import RPNOutputs
from visus.nn.transform import training_targets
from visus.ops.boxes import box_iou, encode_boxes
from visus.ops.matching import BACKGROUND, match_boxes, sample_balanced
from visus.systems.detection.outputs import DetectionOutputs, Regions
from visus.systems.detection.roi_heads import BOX_WEIGHTS
from visus.types import InstanceTarget

BETA = 1 / 9


@dataclass(frozen=True, kw_only=True)
class DetectionCriterion:
    """Losses ``objectness``, ``rpn_box``, ``class`` and ``box`` of outputs that were made with targets.

    Args:
        anchors: how many anchors of an image the first stage learns from.
        positive_fraction: the share of them that covers an object, at most.
        positive_iou: an anchor covers an object from this overlap on; the best anchors of an object cover it anyway.
        negative_iou: an anchor is background below this overlap; what lies between the two teaches nothing.

    Raises:
        ValueError: no anchor, or a share that is none.
    """

    anchors: int = 256
    positive_fraction: float = 0.5
    positive_iou: float = 0.7
    negative_iou: float = 0.3

    def __post_init__(self) -> None:
        if self.anchors < 1:
            raise ValueError(f"anchors must be at least 1, not {self.anchors}")
        if not 0 <= self.positive_fraction <= 1:
            raise ValueError(f"positive_fraction must lie in 0..1, not {self.positive_fraction}")
        if not 0 <= self.negative_iou <= self.positive_iou <= 1:
            raise ValueError(
                "negative_iou and positive_iou must lie in 0..1, the first not above the second; these are "
                f"{self.negative_iou} and {self.positive_iou}"
            )

    def __call__(self, outputs: DetectionOutputs, targets: Sequence[InstanceTarget]) -> dict[str, Float[Tensor, ""]]:
        """Named scalars; their sum is what training minimises.

        Raises:
            ValueError: the outputs were made without targets.
        """
        regions = sampled_regions(outputs)
        boxes = [objects.boxes_xyxy for objects in training_targets(targets, outputs.image_sizes)]
        objectness, rpn_box = rpn_losses(
            outputs.rpn,
            boxes,
            anchors=self.anchors,
            positive_fraction=self.positive_fraction,
            positive_iou=self.positive_iou,
            negative_iou=self.negative_iou,
        )
        classes, box = region_losses(regions, boxes)
        return {"objectness": objectness, "rpn_box": rpn_box, "class": classes, "box": box}


def sampled_regions(outputs: DetectionOutputs) -> Regions:
    """The regions that targets added to the outputs."""
    if outputs.regions is None:
        raise ValueError("these outputs have no regions to learn from: call model(images, targets) with targets")
    return outputs.regions


def rpn_losses(
    rpn: RPNOutputs,
    boxes: Sequence[Float[Tensor, "_ 4"]],
    *,
    anchors: int = 256,
    positive_fraction: float = 0.5,
    positive_iou: float = 0.7,
    negative_iou: float = 0.3,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Binary cross-entropy on sampled anchors, and smooth L1 on those that cover one of ``boxes`` (network pixels).

    The other arguments are those of `DetectionCriterion`.
    """
    scores, wanted, errors, count = [], [], [], 0
    for logits, deltas, objects in zip(rpn.objectness, rpn.deltas, boxes, strict=True):
        objects = objects.to(rpn.anchors)
        with torch.no_grad():
            matched = match_boxes(box_iou(objects, rpn.anchors), positive_iou, negative_iou, allow_low_quality=True)
            positive, negative = sample_balanced(matched >= 0, matched == BACKGROUND, anchors, positive_fraction)
        scores.append(logits[torch.cat([positive, negative])])
        wanted.append(torch.cat([torch.ones_like(positive), torch.zeros_like(negative)]))
        moves = encode_boxes(objects.to(deltas)[matched[positive]], rpn.anchors[positive])
        errors.append(F.smooth_l1_loss(deltas[positive], moves, beta=BETA, reduction="sum"))
        count += len(positive) + len(negative)
    score = F.binary_cross_entropy_with_logits(torch.cat(scores), torch.cat(wanted).to(scores[0]))
    return score, torch.stack(errors).sum() / max(count, 1)


def region_losses(
    regions: Regions, boxes: Sequence[Float[Tensor, "_ 4"]]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Cross-entropy on all sampled regions, and smooth L1 on the deltas of their class for those with an object."""
    classes = F.cross_entropy(regions.class_logits, regions.classes)
    positive = (regions.classes > 0).nonzero()[:, 0]
    starts = first_of_images(boxes)
    objects = torch.cat(list(boxes))[starts[regions.image_index[positive]] + regions.matched[positive]]
    moves = encode_boxes(objects.to(regions.boxes_xyxy), regions.boxes_xyxy[positive], weights=BOX_WEIGHTS)
    deltas = regions.box_deltas.view(len(regions.classes), -1, 4)[positive, regions.classes[positive]]
    error = F.smooth_l1_loss(deltas, moves, beta=BETA, reduction="sum")
    return classes, error / max(len(regions.classes), 1)


def first_of_images(parts: Sequence[Float[Tensor, "_ 4"]]) -> Int64[Tensor, " b"]:
    """Where each image's rows begin once those of all images are concatenated."""
    counts = torch.tensor([len(part) for part in parts], device=parts[0].device)
    return counts.cumsum(0) - counts
