"""From images of any size to one normalised batch, and targets along with them.

The first box of Faster R-CNN's figure. Resizing and padding (`ImageTransform.batch`) happen once, in the loader or the
predictor; normalising (`ImageTransform.forward`) is the first step of a network, so that padding is zero after it, as
the published weights expect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.backbones.interface import IMAGENET_MEAN, IMAGENET_STD, Backbone
from visus.ops.padding import check_image, pad_images
from visus.types import ImageBatch, InstanceTarget


class ImageTransform(nn.Module):
    """Resizes, pads and normalises RGB images.

    Args:
        min_size: the wanted length of the shorter side in pixels, or None to keep images as they are.
        max_size: an upper bound of the longer side, or None.
        mean: the mean of each channel in units of 0..1.
        std: the standard deviation of each channel in units of 0..1.
        divisor: both sides of a batch are padded to a multiple of this.
        antialias: smooth before making smaller. The published torchvision weights were trained without.
    """

    one_frame = False
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        min_size: int | None = 800,
        max_size: int | None = 1333,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        divisor: int = 32,
        antialias: bool = False,
    ) -> None:
        super().__init__()
        self.min_size, self.max_size = min_size, max_size
        self.divisor, self.antialias = divisor, antialias
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: ImageBatch) -> Float[Tensor, "b 3 h w"]:
        """Normalised pixels, zero in the padding."""
        pixels = images.pixels
        pixels = (pixels / 255 if pixels.dtype == torch.uint8 else pixels).to(self.mean.dtype)
        pixels = (pixels - self.mean) / self.std
        return _without_padding(pixels, images.sizes).contiguous(memory_format=torch.channels_last)

    def batch(self, images: Sequence[Shaped[Tensor, " ..."]]) -> ImageBatch:
        """Resizes [3 h w] images (uint8 in 0..255 or float in 0..1) to the wanted side and pads them to one tensor.

        Raises:
            ValueError: there is no image, or one is not [3, h, w].
        """
        for image in images:
            check_image(image)
        originals = tuple((image.shape[-2], image.shape[-1]) for image in images)
        return replace(pad_images([self.resize(image) for image in images], self.divisor), originals=originals)

    def resize(self, image: Shaped[Tensor, "3 _ _"]) -> Shaped[Tensor, "3 _ _"]:
        """One image at the wanted size; the image itself where it has that size already."""
        check_image(image)
        size = self.target_size(image.shape[-2], image.shape[-1])
        if size == tuple(image.shape[-2:]):
            return image
        pixels = (image / 255 if image.dtype == torch.uint8 else image)[None]
        return F.interpolate(pixels, size=size, mode="bilinear", align_corners=False, antialias=self.antialias)[0]

    def frame(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """The (h, w) that an image of ``size`` (h, w) is resized and padded to where it is alone in a batch."""
        return tuple(-(-side // self.divisor) * self.divisor for side in self.target_size(*size))

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """The (h, w) that an image of this size is resized to."""
        if self.min_size is None:
            return height, width
        scale = self.min_size / min(height, width)
        if self.max_size is not None:
            scale = min(scale, self.max_size / max(height, width))
        return max(1, math.floor(height * scale)), max(1, math.floor(width * scale))


def small_transform(size: int, body: Backbone) -> ImageTransform:
    """For our networks for a CPU: the shorter side is ``size`` pixels and the longer at most twice that."""
    return ImageTransform(min_size=size, max_size=2 * size, mean=body.mean, std=body.std, antialias=True)


def _without_padding(pixels: Tensor, sizes: Tensor) -> Tensor:
    """Zeros everything outside of each image's own (h, w)."""
    height, width = pixels.shape[-2:]
    if bool((sizes == sizes.new_tensor([height, width])).all()):
        return pixels
    rows = torch.arange(height, device=pixels.device) < sizes[:, :1]  # [b, h]
    columns = torch.arange(width, device=pixels.device) < sizes[:, 1:]  # [b, w]
    inside = rows[:, None, :, None] & columns[:, None, None, :]  # [b, 1, h, w]
    return pixels * inside


def scale_boxes(boxes_xyxy: Float[Tensor, "*n 4"], old: tuple[int, int], new: tuple[int, int]) -> Float[Tensor, "*n 4"]:
    """Boxes of an image of size ``old`` (h, w) in the pixels of the same image resized to ``new``."""
    if tuple(old) == tuple(new):
        return boxes_xyxy
    y, x = new[0] / old[0], new[1] / old[1]
    return boxes_xyxy * boxes_xyxy.new_tensor([x, y, x, y])


def training_objects(target: InstanceTarget, size: tuple[int, int]) -> InstanceTarget:
    """The objects a network learns from: no crowds, boxes in the pixels of an image resized to ``size``.

    Masks and keypoints stay in the target's own pixels; losses bring the regions to them instead, which is cheaper and
    does not blur.
    """
    kept = target[~target.is_crowd] if bool(target.is_crowd.any()) else target
    return replace(kept, boxes_xyxy=scale_boxes(kept.boxes_xyxy, target.size, size))


def training_targets(targets: Sequence[InstanceTarget], image_sizes: Int64[Tensor, "b 2"]) -> list[InstanceTarget]:
    """`training_objects` of each image of a batch, in the pixels of its (h, w) of ``image_sizes``."""
    return [training_objects(target, size) for target, size in zip(targets, size_pairs(image_sizes), strict=True)]


def size_pairs(image_sizes: Int64[Tensor, "b 2"]) -> list[tuple[int, int]]:
    """The (h, w) of each image as numbers of Python."""
    return [(int(height), int(width)) for height, width in image_sizes.tolist()]
