"""Samples to batches: images of different sizes into one padded tensor, targets untouched."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import UInt8
from torch import Tensor

from visus.types import Batch, ImageBatch, Sample

Batcher = Callable[[list[Tensor]], ImageBatch]


class Collate:
    """Collects samples into a `Batch`.

    Args:
        batcher: turns the list of images into an `ImageBatch`, for example ``model.transform.batch``, which also
            resizes; targets keep the frame of the image as it was read. None pads only.
        divisor: without a ``batcher``, both sides of the padded tensor are a multiple of this.
    """

    def __init__(self, *, batcher: Batcher | None = None, divisor: int = 32) -> None:
        if divisor < 1:
            raise ValueError(f"divisor must be at least 1, not {divisor}")
        self.batcher = batcher
        self.divisor = divisor

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        """The batch of ``samples``, in their order."""
        images = [sample.image for sample in samples]
        batched = self.batcher(images) if self.batcher else pad_images(images, self.divisor)
        return Batch(images=batched, targets=[s.target for s in samples], paths=[s.path for s in samples])


def pad_images(images: Sequence[UInt8[Tensor, "3 _h _w"]], divisor: int = 32) -> ImageBatch:
    """Lay images into the upper left corners of one tensor of zeros whose sides are multiples of ``divisor``."""
    if not images:
        raise ValueError("cannot make a batch of no images")
    sizes = torch.tensor([image.shape[-2:] for image in images])
    height, width = ((side + divisor - 1) // divisor * divisor for side in sizes.amax(dim=0).tolist())
    if len({image.shape for image in images}) == 1 and images[0].shape[-2:] == (height, width):
        return ImageBatch(pixels=torch.stack(list(images)), sizes=sizes)
    pixels = images[0].new_zeros(len(images), 3, height, width)
    for slot, image in zip(pixels, images, strict=True):
        slot[:, : image.shape[1], : image.shape[2]] = image
    return ImageBatch(pixels=pixels, sizes=sizes)
