"""From a map of features to one vector: the average, or the generalised mean that learns how much the peaks count."""

from __future__ import annotations

from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

PoolingName = Literal["average", "gem"]
EPS: Final = 1e-6


class AveragePooling(nn.Module):
    """The mean of each channel."""

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c"]:
        """One vector for each map."""
        return features.mean((2, 3))


class GeM(nn.Module):
    """The generalised mean (Radenović et al., arXiv 1711.02512, equation 3): ``mean(x^p)^(1/p)`` with a learned p.

    p = 1 is the average and p to infinity the maximum. Values below `EPS` count as `EPS`: the features must come from
    an activation that is not negative for p to mean anything.

    Args:
        p: the exponent to begin with; the paper's is 3.
    """

    def __init__(self, p: float = 3.0) -> None:
        super().__init__()
        if p <= 0:
            raise ValueError(f"p must be above 0, not {p}")
        self.p = nn.Parameter(torch.tensor([p]))

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c"]:
        """One vector for each map."""
        return features.clamp(min=EPS).pow(self.p).mean((2, 3)).pow(1 / self.p)


POOLINGS: dict[str, type[AveragePooling] | type[GeM]] = {"average": AveragePooling, "gem": GeM}


def make_pooling(name: PoolingName) -> AveragePooling | GeM:
    """The pooling called ``name``.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in POOLINGS:
        raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, not {name!r}")
    return POOLINGS[name]()
