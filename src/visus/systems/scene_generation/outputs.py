"""What the generator returns, and the predictions that are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from visus.ops.layout import masks_in_boxes
from visus.types import ImagePrediction

_LEAST_SIDE = 0.02
"""The least width and height of a predicted box, as a share of the image's."""


@dataclass(frozen=True)
class Truth:
    """The annotated images of a batch: normalised, with the boxes of their objects in shares of the sides.

    ``masks`` are the outlines inside of the boxes.
    """

    images: Float[Tensor, "b 3 h w"]
    boxes: Float[Tensor, "n 4"]
    masks: Float[Tensor, "n k k"]


@dataclass(frozen=True)
class GenerationOutputs:
    """The layouts of a batch of graphs; with targets, the truth about them and the images of the annotated layouts.

    Args:
        vectors: of the objects and, behind them, of the images.
        image_index: the image of each object.
        labels: the category of each object.
        boxes: predicted, as shares of the sides of the image.
        mask_logits: of the outlines inside of the boxes.
        given: the boxes that the graphs give, NaN where they do not.
        noise: what the refinement network sees beside the layout.
        truth: what is annotated.
        images: of the annotated layouts, normalised.
    """

    vectors: Float[Tensor, "nodes d"]
    image_index: Int64[Tensor, " n"]
    labels: Int64[Tensor, " n"]
    boxes: Float[Tensor, "n 4"]
    mask_logits: Float[Tensor, "n k k"]
    given: Float[Tensor, "n 4"]
    noise: Float[Tensor, "b noise h w"]
    truth: Truth | None = None
    images: Float[Tensor, "b 3 h w"] | None = None


def placed(boxes: Float[Tensor, "n 4"], given: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    """The boxes that are given, and the predicted ones elsewhere: inside of the image, and none without an area."""
    chosen = torch.where(given.isfinite().all(dim=1, keepdim=True), given, boxes)
    first, second = chosen[:, :2], chosen[:, 2:]
    start = torch.minimum(first, second).clamp(0, 1 - _LEAST_SIDE)
    end = torch.maximum(torch.maximum(first, second).clamp(0, 1), start + _LEAST_SIDE)
    return torch.cat([start, end], dim=1)


def image_predictions(
    outputs: GenerationOutputs,
    images: Float[Tensor, "b 3 h w"],
    boxes: Float[Tensor, "n 4"],
    masks: Float[Tensor, "n k k"],
    sizes: Sequence[tuple[int, int]],
) -> list[ImagePrediction]:
    """The images in 0..255 with their layouts, in the pixels of ``sizes`` (h, w)."""
    found = []
    for number, (height, width) in enumerate(sizes):
        mine = outputs.image_index == number
        own = boxes[mine]
        found.append(
            ImagePrediction(
                pixels=_resized(images[number], (height, width)),
                boxes_xyxy=own * own.new_tensor([width, height, width, height]),
                labels=outputs.labels[mine],
                masks=masks_in_boxes(masks[mine], own, (height, width)),
                size=(height, width),
            )
        )
    return found


def _resized(image: Float[Tensor, "3 _ _"], size: tuple[int, int]) -> UInt8[Tensor, "3 h w"]:
    if tuple(image.shape[1:]) != size:
        image = F.interpolate(image[None], size=size, mode="bicubic", antialias=True, align_corners=False)[0]
    return (255 * image.float()).round().clamp(0, 255).to(torch.uint8)
