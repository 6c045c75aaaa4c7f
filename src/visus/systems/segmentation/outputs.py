"""What segmentation networks return, and the frame that their images share."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class Frame:
    """The padded tensor that the images of a batch lie in, each in its upper left corner.

    Args:
        size: rows and columns of the tensor.
        image_sizes: rows and columns of each image in it.
    """

    size: tuple[int, int]
    image_sizes: Int64[Tensor, "b 2"]


@dataclass(frozen=True)
class SegmentationOutputs:
    """The logits of every cell, the same with and without targets, in training and in evaluation.

    They are those of the head, at its own resolution: torchvision's ``out`` and ``aux`` before they are enlarged. The
    losses and `postprocess` enlarge them to the pixels that each wants, with ``upsampling``. The maps cover the whole
    frame; what lies outside of an image is worth nothing.

    Args:
        logits: of the head.
        aux_logits: of the second head on earlier features, which only helps to learn; None where there is none.
        image_sizes: rows and columns of each image without the padding.
        frame: rows and columns of all, with the padding.
    """

    logits: Float[Tensor, "b c _ _"]
    aux_logits: Float[Tensor, "b c _ _"] | None
    image_sizes: Int64[Tensor, "b 2"]
    frame: tuple[int, int]
