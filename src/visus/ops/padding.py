"""Images of different sizes in one tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor

from visus.types import ImageBatch


def check_image(image: Shaped[Tensor, " ..."]) -> None:
    """Refuses a tensor that is no RGB image.

    Raises:
        ValueError: it is not [3, h, w] with pixels, of uint8 or a floating type; the message has its shape.
    """
    known = image.dtype == torch.uint8 or image.is_floating_point()
    if image.ndim != 3 or image.shape[0] != 3 or not image.numel() or not known:
        kind = str(image.dtype).removeprefix("torch.")
        raise ValueError(
            f"an image must be [3, height, width] in RGB, uint8 in 0..255 or float in 0..1; this one is {kind} of "
            f"{list(image.shape)}"
        )


def pad_images(images: Sequence[Shaped[Tensor, " ..."]], divisor: int = 1) -> ImageBatch:
    """Lays [3 h w] images into the upper left corners of one tensor of zeros whose sides are multiples of ``divisor``.

    Integer images (0..255) beside float ones (0..1) become float.

    Raises:
        ValueError: there is no image, or one is not [3, h, w].
    """
    if not images:
        raise ValueError("cannot make a batch of no images")
    for image in images:
        check_image(image)
    if len({image.dtype for image in images}) > 1:
        images = [image / 255 if image.dtype == torch.uint8 else image for image in images]
    device = images[0].device
    sizes = torch.tensor([image.shape[-2:] for image in images])
    height, width = (math.ceil(side / divisor) * divisor for side in sizes.amax(0).tolist())
    if all(tuple(image.shape[-2:]) == (height, width) for image in images):
        return ImageBatch(torch.stack(list(images)), sizes.to(device))
    pixels = images[0].new_zeros(len(images), 3, height, width)
    for slot, image in zip(pixels, images, strict=True):
        slot[:, : image.shape[-2], : image.shape[-1]] = image
    return ImageBatch(pixels, sizes.to(device))
