"""What two-stage detectors return: the same type with and without targets, in training and in evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from visus.nn.rpn import RPNOutputs

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
