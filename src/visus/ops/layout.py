"""Layouts: what stands where in an image, as feature maps, and the windows of objects cut out of images.

Boxes are shares of the sides of the image: left, top, right, bottom, 0 to 1.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F


def masks_in_boxes(
    masks: Float[Tensor, "n k k"], boxes: Float[Tensor, "n 4"], size: tuple[int, int]
) -> Float[Tensor, "n h w"]:
    """Masks of objects laid into their boxes of an image of ``size`` (h, w), bilinearly; 0 outside of the boxes."""
    height, width = size
    y = (torch.arange(height, device=boxes.device, dtype=boxes.dtype) + 0.5) / height
    x = (torch.arange(width, device=boxes.device, dtype=boxes.dtype) + 0.5) / width
    left, top, right, bottom = boxes.unbind(1)
    across = 2 * (x - left[:, None]) / (right - left)[:, None] - 1  # [n, w], -1 to 1 inside of the box
    down = 2 * (y - top[:, None]) / (bottom - top)[:, None] - 1
    grid = torch.stack(
        (across[:, None].expand(-1, height, -1), down[:, :, None].expand(-1, -1, width)), dim=3
    )  # [n, h, w, 2]
    return F.grid_sample(masks[:, None], grid, align_corners=False)[:, 0]


def compose_layout(
    vectors: Float[Tensor, "n d"], masks: Float[Tensor, "n h w"], image_index: Int64[Tensor, " n"], images: int
) -> Float[Tensor, "b d h w"]:
    """The sum of the vectors of the objects of each image, each where its mask says (arXiv 1804.01622, section 3).

    Args:
        vectors: of the objects of all images.
        masks: how much of each pixel an object takes.
        image_index: the image of each object, images in order.
        images: how many there are.
    """
    places, most = place_in_image(image_index, images)
    padded = vectors.new_zeros(images, most, vectors.shape[1]).index_put((image_index, places), vectors)
    spread = masks.new_zeros(images, most, masks[0].numel()).index_put((image_index, places), masks.flatten(1))
    return (padded.transpose(1, 2) @ spread).view(images, -1, *masks.shape[1:])


def place_in_image(image_index: Int64[Tensor, " n"], images: int) -> tuple[Int64[Tensor, " n"], int]:
    """The place of each object among those of its image, in order, and how many objects an image has at most."""
    one_hot = F.one_hot(image_index, images)
    places = (one_hot.cumsum(0) * one_hot).sum(1) - 1
    return places, int(one_hot.sum(0).max()) if len(image_index) else 0


def windows(
    images: Float[Tensor, "b c h w"],
    boxes: Float[Tensor, "n 4"],
    image_index: Int64[Tensor, " n"],
    side: int,
) -> Float[Tensor, "n c side side"]:
    """The contents of boxes, each stretched to a square of ``side`` pixels, bilinearly."""
    steps = (torch.arange(side, device=boxes.device, dtype=boxes.dtype) + 0.5) / side
    left, top, right, bottom = boxes.unbind(1)
    x = 2 * (left[:, None] + steps * (right - left)[:, None]) - 1  # [n, side]
    y = 2 * (top[:, None] + steps * (bottom - top)[:, None]) - 1
    grid = torch.stack((x[:, None].expand(-1, side, -1), y[:, :, None].expand(-1, -1, side)), dim=3)
    return F.grid_sample(images[image_index], grid, align_corners=False, padding_mode="border")
