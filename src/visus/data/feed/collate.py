"""Samples to batches: inputs as the model's transform wants them, targets untouched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from visus.ops.padding import pad_images
from visus.types import Batch, Inputs, Sample

Batcher = Callable[[list[Any]], Inputs]


class Collate:
    """Collects samples into a `Batch`.

    Args:
        batcher: makes a batch of the inputs: ``model.transform.batch``, which also resizes and refuses what does not
            fit. Targets keep the frame of the input as it was read. None takes images and pads them only.
        divisor: without a ``batcher``, both sides of the padded tensor are a multiple of this.
    """

    def __init__(self, *, batcher: Batcher | None = None, divisor: int = 32) -> None:
        if divisor < 1:
            raise ValueError(f"divisor must be at least 1, not {divisor}")
        self.batcher = batcher
        self.divisor = divisor

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        """The batch of ``samples``, in their order.

        Raises:
            ValueError: an input that does not fit; the message says where the samples come from.
        """
        inputs = [sample.input for sample in samples]
        paths = [sample.path for sample in samples]
        try:
            batched = self.batcher(inputs) if self.batcher else pad_images(inputs, self.divisor)
        except ValueError as error:
            where = ", ".join(filter(None, paths)) or "unnamed samples"
            raise ValueError(f"{error} (in the batch of {where})") from error
        return Batch(inputs=batched, targets=[sample.target for sample in samples], paths=paths)
