"""What two-stage detectors return, with and without targets alike; and what all detectors make of their best boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from visus.nn.rpn import RPNOutputs
from visus.nn.transform import scale_boxes, size_pairs
from visus.ops.nms import best_survivors
from visus.types import InstancePrediction

NO_OBJECT = -1


@dataclass(frozen=True)
class Regions:
    """Sampled regions of interest of a batch and what the box head says of them.

    Args:
        boxes_xyxy: the regions in network pixels; constants to autograd.
        image_index: the image of each region.
        matched: which object of its image each region covers, `NO_OBJECT` for background.
        classes: what the classifier should say: 0 for background, else label + 1.
        class_logits: what it says.
        box_deltas: how to move the region onto an object of each class, class 0 unused.
    """

    boxes_xyxy: Float[Tensor, "r 4"]
    image_index: Int64[Tensor, " r"]
    matched: Int64[Tensor, " r"]
    classes: Int64[Tensor, " r"]
    class_logits: Float[Tensor, "r classes"]
    box_deltas: Float[Tensor, "r classes*4"]


@dataclass(frozen=True)
class DetectionOutputs:
    """Everything a two-stage detector has found out after one look at the images.

    ``regions`` is what targets add: the sampled regions that the losses of the second stage are taken on. `postprocess`
    turns ``features`` and the proposals into predictions, so neither training nor evaluation pays for the other.
    """

    image_sizes: Int64[Tensor, "b 2"]
    features: list[Float[Tensor, "b c _ _"]]
    rpn: RPNOutputs
    regions: Regions | None = None


@dataclass(frozen=True)
class Detections:
    """The surviving boxes of all images of a batch in network pixels, best first within each image."""

    boxes_xyxy: Float[Tensor, "n 4"]
    image_index: Int64[Tensor, " n"]
    labels: Int64[Tensor, " n"]
    scores: Float[Tensor, " n"]


def suppress(found: Detections, *, images: int, iou: float, count: int) -> Detections:
    """Those that survive a suppression within each class of each image, then the best of each image, image by image.

    Args:
        found: in any order.
        images: how many images there are.
        iou: the most overlap within a class.
        count: the most of an image.
    """
    kept = []
    for image in range(images):
        mine = (found.image_index == image).nonzero()[:, 0]
        best = best_survivors(found.boxes_xyxy[mine], found.scores[mine], found.labels[mine], iou, count)
        kept.append(mine[best])
    order = torch.cat(kept)
    return Detections(found.boxes_xyxy[order], found.image_index[order], found.labels[order], found.scores[order])


def predictions_of(
    found: Detections, image_sizes: Int64[Tensor, "b 2"], sizes: Sequence[tuple[int, int]]
) -> list[InstancePrediction]:
    """The detections of each image, from the pixels of ``image_sizes`` to those of images of ``sizes`` (h, w)."""
    predictions = []
    for image, (old, size) in enumerate(zip(size_pairs(image_sizes), sizes, strict=True)):
        mine = found.image_index == image
        boxes = scale_boxes(found.boxes_xyxy[mine], old, size)
        predictions.append(InstancePrediction(boxes, found.labels[mine], found.scores[mine], size))
    return predictions
