"""What is predicted of each object: its box and its outline (arXiv 1804.01622, section 3, "scene layout")."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor, nn

MASK_SIDE = 16
"""Rows and columns of an outline inside of its box."""


class BoxHead(nn.Module):
    """A perceptron from the vector of an object to its box, in shares of the sides of the image.

    Args:
        dim: of the vectors.
        hidden: units of the layer between.
    """

    def __init__(self, *, dim: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, 4))

    def forward(self, vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n 4"]:
        """The left, top, right and bottom edges; nothing holds them inside of the image."""
        return self.layers(vectors)  # type: ignore[no-any-return]


class MaskHead(nn.Module):
    """From a vector, as one pixel, to 16 x 16 in four steps of doubling, norm, convolution and ReLU.

    Args:
        dim: of the vectors.
    """

    def __init__(self, *, dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(int(math.log2(MASK_SIDE))):
            layers += [nn.Upsample(scale_factor=2), nn.BatchNorm2d(dim), nn.Conv2d(dim, dim, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(dim, 1, 1))

    def forward(self, vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n k k"]:
        """The logits of the outline."""
        return self.layers(vectors[:, :, None, None])[:, 0]  # type: ignore[no-any-return]


class NoMaskHead(nn.Module):
    """For data without outlines: every object fills its box."""

    def forward(self, vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n k k"]:
        """Logits that say yes everywhere."""
        return vectors.new_full((len(vectors), MASK_SIDE, MASK_SIDE), 20.0)
