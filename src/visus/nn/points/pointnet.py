"""PointNet's encoder (Qi et al., arXiv 1612.00593, figure 2), for its classifier and its segmentation network.

Each point goes through the same layers, between which a small network of its own (T-Net) aligns the points, then their
features, by a matrix; the maximum over the points describes the whole cloud, whatever their order.
"""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float
from torch import Tensor, nn

from visus.nn.points.greatest import greatest

GLOBAL = 1024
"""Features of a whole cloud."""
LOCAL = 64
"""Features of a point before the last layers."""


class PointNetEncoder(nn.Module):
    """Features of each point and of the whole cloud."""

    def __init__(self) -> None:
        super().__init__()
        self.align_points, self.align_features = TNet(3), TNet(LOCAL)
        self.first = shared_mlp(3, 64, LOCAL)
        self.second = shared_mlp(LOCAL, 64, 128, GLOBAL)

    def forward(
        self, points: Float[Tensor, "b p 3"]
    ) -> tuple[Float[Tensor, "b 1024"], Float[Tensor, "b 64 p"], Float[Tensor, "b 64 64"]]:
        """Features of the clouds, aligned features of their points, and the matrices that aligned these."""
        x = points.transpose(1, 2)  # [b, 3, p]
        x = self.align_points(x) @ x
        x = self.first(x)
        matrix = self.align_features(x)
        local = matrix @ x
        return greatest(self.second, local), local, matrix


class TNet(nn.Module):
    """A matrix for each cloud from all its points; the identity at first.

    Args:
        channels: rows and columns of the matrix.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.points = shared_mlp(channels, 64, 128, GLOBAL)
        self.cloud = mlp(GLOBAL, 512, 256)
        self.matrix = nn.Linear(256, channels * channels)
        nn.init.zeros_(self.matrix.weight)
        with torch.no_grad():
            self.matrix.bias.copy_(torch.eye(channels).flatten())

    def forward(self, x: Float[Tensor, "b c p"]) -> Float[Tensor, "b c c"]:
        """The matrices."""
        features = self.cloud(greatest(self.points, x))
        matrices: Tensor = self.matrix(features).view(-1, self.channels, self.channels)
        return matrices


def shared_mlp(*channels: int) -> nn.Sequential:
    """Layers that every point goes through: linear, batch norm, ReLU."""
    pairs = itertools.pairwise(channels)
    return nn.Sequential(
        *(layer for a, b in pairs for layer in (nn.Conv1d(a, b, 1), nn.BatchNorm1d(b), nn.ReLU(inplace=True)))
    )


def mlp(*channels: int, dropout: float = 0.0) -> nn.Sequential:
    """Layers of a whole cloud: linear, batch norm, ReLU; dropout behind the last."""
    pairs = itertools.pairwise(channels)
    layers = [layer for a, b in pairs for layer in (nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU(inplace=True))]
    return nn.Sequential(*layers, *([nn.Dropout(dropout)] if dropout else []))
