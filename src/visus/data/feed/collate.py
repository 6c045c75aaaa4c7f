"""Samples to batches: images of different sizes into one padded tensor, targets untouched."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from visus.ops.padding import pad_images
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
