"""From the features of a network's stages to one vector: averages, generalised means, averages of cells.

An average over the whole image forgets where things are. Often that is welcome; but what tells two clocks apart, or
the flags of two countries, is what lies where. ``layout`` keeps it: next to the average of the last stage it puts
averages over a grid of cells of the stage before, whose features are simpler and twice as fine. That is a spatial
pyramid (arXiv 1406.4729) with its levels on two stages. Both parts get the length of the first: stages that end in a
linear layer have much larger features than those that end in a ReLU, and would drown them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

PoolingName = Literal["average", "gem", "layout"]
Stages = Sequence[Float[Tensor, "b _ _ _"]]
EPS: Final = 1e-6


class AveragePooling(nn.Module):
    """The mean of each channel of the last stage."""

    def forward(self, stages: Stages) -> Float[Tensor, "b d"]:
        """One vector for each image."""
        return stages[-1].mean((2, 3))

    @staticmethod
    def width(channels: Sequence[int]) -> int:
        """The dimensions of that vector, from the channels of all stages."""
        return channels[-1]


class GeM(nn.Module):
    """The generalised mean of the last stage (Radenović et al., arXiv 1711.02512, equation 3).

    ``mean(x^p)^(1/p)`` with a learned p: p = 1 is the average and p to infinity the maximum. Values below `EPS` count
    as `EPS`: the features must come from an activation that is not negative for p to mean anything.

    Args:
        p: the exponent to begin with; the paper's is 3.
    """

    def __init__(self, p: float = 3.0) -> None:
        super().__init__()
        if p <= 0:
            raise ValueError(f"p must be above 0, not {p}")
        self.p = nn.Parameter(torch.tensor([p]))

    def forward(self, stages: Stages) -> Float[Tensor, "b d"]:
        """One vector for each image."""
        return stages[-1].clamp(min=EPS).pow(self.p).mean((2, 3)).pow(1 / self.p)

    @staticmethod
    def width(channels: Sequence[int]) -> int:
        """The dimensions of that vector, from the channels of all stages."""
        return channels[-1]


class LayoutPooling(nn.Module):
    """The mean of each channel of the last stage, and as long a vector of the means over cells of the stage before.

    Args:
        cells: of a side of the grid.
    """

    def __init__(self, cells: int = 3) -> None:
        super().__init__()
        if cells < 1:
            raise ValueError(f"cells must be at least 1, not {cells}")
        self.cells = cells

    def forward(self, stages: Stages) -> Float[Tensor, "b d"]:
        """One vector for each image."""
        before, last = stages[-2:]
        average = last.mean((2, 3))
        grid = F.adaptive_avg_pool2d(before, self.cells).flatten(1)  # [b, c * cells * cells]
        return torch.cat((average, F.normalize(grid, dim=1) * average.norm(dim=1, keepdim=True)), 1)

    def width(self, channels: Sequence[int]) -> int:
        """The dimensions of that vector, from the channels of all stages."""
        return channels[-1] + channels[-2] * self.cells**2


Pooling = AveragePooling | GeM | LayoutPooling
POOLINGS: dict[str, type[Pooling]] = {"average": AveragePooling, "gem": GeM, "layout": LayoutPooling}


def make_pooling(name: PoolingName) -> Pooling:
    """The pooling called ``name``.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in POOLINGS:
        raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, not {name!r}")
    return POOLINGS[name]()
