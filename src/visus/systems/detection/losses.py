"""The four losses of Faster R-CNN (arXiv 1506.01497, equation 1; Fast R-CNN, arXiv 1504.08083, equation 1).

Both stages add a classification loss and a smooth-L1 loss on the deltas of those that cover an object, the latter with
beta 1/9 and divided by everything that was sampled, with and without an object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from visus.nn.rpn import RPNOutputs
from visus.nn.transform import training_objects
from visus.ops.boxes import box_iou, encode_boxes
from visus.ops.matching import match_boxes, sample_balanced
from visus.systems.detection.outputs import DetectionOutputs, Regions
from visus.systems.detection.roi_heads import BOX_WEIGHTS
from visus.types import InstanceTarget

BETA = 1 / 9


@dataclass(frozen=True)
class AnchorSampling:
    """Which anchors the first stage learns from: how many of an image, the share with an object, what covers one."""

    count: int = 256
    positive_fraction: float = 0.5
    positive_iou: float = 0.7
    negative_iou: float = 0.3


@dataclass(frozen=True)
class DetectionCriterion:
    """Losses ``objectness``, ``rpn_box``, ``class`` and ``box`` of outputs that were made with targets."""

    anchors: AnchorSampling = AnchorSampling()

    def __call__(self, outputs: DetectionOutputs, targets: Sequence[InstanceTarget]) -> dict[str, Tensor]:
        """Named scalars; their sum is what training minimises.

        Raises:
            ValueError: the outputs were made without targets.
        """
        regions = sampled_regions(outputs)
        sizes = [(int(h), int(w)) for h, w in outputs.image_sizes.tolist()]
        boxes = [training_objects(target, size).boxes_xyxy for target, size in zip(targets, sizes, strict=True)]
        objectness, rpn_box = rpn_losses(outputs.rpn, boxes, self.anchors)
        classes, box = region_losses(regions, boxes)
        return {"objectness": objectness, "rpn_box": rpn_box, "class": classes, "box": box}


def sampled_regions(outputs: DetectionOutputs) -> Regions:
    """The regions that targets added to the outputs."""
    if outputs.regions is None:
        raise ValueError("these outputs have no regions to learn from: call model(images, targets) with targets")
    return outputs.regions


def rpn_losses(
    rpn: RPNOutputs, boxes: Sequence[Float[Tensor, "_ 4"]], sampling: AnchorSampling
) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy on sampled anchors, and smooth L1 on those that cover one of ``boxes`` (network pixels)."""
    scores, wanted, errors, count = [], [], [], 0
    for logits, deltas, objects in zip(rpn.objectness, rpn.deltas, boxes, strict=True):
        positive, negative, matched = _sample_anchors(rpn.anchors, objects.to(rpn.anchors), sampling)
        scores.append(logits[torch.cat([positive, negative])])
        wanted.append(torch.cat([torch.ones_like(positive), torch.zeros_like(negative)]))
        moves = encode_boxes(objects.to(deltas)[matched], rpn.anchors[positive])
        errors.append(F.smooth_l1_loss(deltas[positive], moves, beta=BETA, reduction="sum"))
        count += len(positive) + len(negative)
    score = F.binary_cross_entropy_with_logits(torch.cat(scores), torch.cat(wanted).to(scores[0]))
    return score, torch.stack(errors).sum() / max(count, 1)


@torch.no_grad()
def _sample_anchors(anchors: Tensor, objects: Tensor, sampling: AnchorSampling) -> tuple[Tensor, Tensor, Tensor]:
    """Positive anchors, negative anchors and the object of each positive one."""
    iou = box_iou(objects, anchors)
    matched = match_boxes(iou, sampling.positive_iou, sampling.negative_iou, allow_low_quality=True)
    positive, negative = sample_balanced(matched >= 0, matched == -1, sampling.count, sampling.positive_fraction)
    return positive, negative, matched[positive]


def region_losses(regions: Regions, boxes: Sequence[Float[Tensor, "_ 4"]]) -> tuple[Tensor, Tensor]:
    """Cross-entropy on all sampled regions, and smooth L1 on the deltas of their class for those with an object."""
    classes = F.cross_entropy(regions.class_logits, regions.classes)
    positive = (regions.classes > 0).nonzero()[:, 0]
    starts = first_of_images(boxes)
    objects = torch.cat(list(boxes))[starts[regions.image_index[positive]] + regions.matched[positive]]
    moves = encode_boxes(objects.to(regions.boxes_xyxy), regions.boxes_xyxy[positive], weights=BOX_WEIGHTS)
    deltas = regions.box_deltas.view(len(regions.classes), -1, 4)[positive, regions.classes[positive]]
    error = F.smooth_l1_loss(deltas, moves, beta=BETA, reduction="sum")
    return classes, error / max(len(regions.classes), 1)


def first_of_images(parts: Sequence[Tensor]) -> Tensor:
    """Where each image's rows begin once all are laid end to end."""
    counts = torch.tensor([len(part) for part in parts], device=parts[0].device)
    return counts.cumsum(0) - counts
