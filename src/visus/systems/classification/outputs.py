"""What a classifier of images returns: the same type with and without targets, in training and in evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class ClassificationOutputs:
    """What a classifier has found out after one look at the images.

    Args:
        image_sizes: the (h, w) of each image in network pixels, without padding.
        logits: the class logits; a softmax makes probabilities of them.
        boxes_xyxy: the box of what the class names in network pixels, not clipped; None without a box head.
    """

    image_sizes: Int64[Tensor, "b 2"]
    logits: Float[Tensor, "b classes"]
    boxes_xyxy: Float[Tensor, "b 4"] | None = None
