"""The smallest network that `optimize_network` takes, and what it looks at."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from visus.types import ImageBatch


class Tiny(nn.Module):
    """The least that `optimize_network` takes for a model."""

    channels_last = True
    adapts = False

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, inputs: Any) -> Tensor:
        return self.part(inputs.pixels)

    def postprocess(self, outputs: Tensor, sizes: Any) -> list[Tensor]:
        return list(outputs)


def a_batch(values: Tensor) -> ImageBatch:
    """Two images of any number of channels."""
    return ImageBatch(values, torch.tensor([values.shape[-2:]] * len(values)))
