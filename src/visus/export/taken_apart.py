"""Networks without their own resizing, which an exported graph does before them."""

from __future__ import annotations

import copy
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from visus.types import ImageBatch


class AsGiven(nn.Module):
    """Stands for a transform where the pixels are normalised already."""

    def forward(self, images: ImageBatch) -> Float[Tensor, "b 3 h w"]:
        """The pixels themselves."""
        return images.pixels


def without_transform(model: nn.Module) -> Any:
    """A copy of a network that takes normalised pixels, for evaluation."""
    network: Any = copy.deepcopy(model).eval().requires_grad_(False)
    network.transform = AsGiven()
    return network
