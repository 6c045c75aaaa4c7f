"""A classifier of shapes: what makes the input of a network, and the network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from visus.clouds import PointBatch
from visus.systems.shapes3d.outputs import ShapeOutputs
from visus.types import ClassPrediction, ClassTarget

SHOWN = 5
"""A prediction holds this many classes, or all where there are fewer."""


class ShapeClassifier(nn.Module):
    """Transform and network.

    Args:
        transform: makes points, voxels or views of shapes.
        network: gives `ShapeOutputs` for them.
    """

    channels_last = False
    adapts = False

    def __init__(self, *, transform: Any, network: nn.Module) -> None:
        super().__init__()
        self.transform, self.network = transform, network

    def forward(self, shapes: Any, targets: Sequence[ClassTarget] | None = None) -> ShapeOutputs:
        """The scores of each shape; targets change nothing."""
        outputs: ShapeOutputs = self.network(self._made(shapes))
        return outputs

    @torch.no_grad()
    def postprocess(self, outputs: ShapeOutputs, sizes: Sequence[tuple[int, ...]]) -> list[ClassPrediction]:
        """The likeliest classes of each shape, best first."""
        probabilities = outputs.logits.float().softmax(1)
        scores, labels = probabilities.topk(min(SHOWN, probabilities.shape[1]), dim=1)
        return [ClassPrediction(labels[i], scores[i], tuple(size)) for i, size in enumerate(sizes)]

    def _made(self, shapes: Any) -> Float[Tensor, "b _ *_"]:
        """What the network looks at, in numbers like its own."""
        made: Tensor = self.transform(shapes)
        return made.to(next(self.network.parameters()).dtype)


class Voting(ShapeClassifier):
    """Looks at each cloud from several sides where it predicts, and adds the scores.

    The published code of PointNet and PointNet++ votes over 12 turns about the vertical axis; say so beside a number.

    Args:
        transform: makes points of shapes.
        network: gives `ShapeOutputs` for them.
        votes: turns, of which the first is none.
    """

    def __init__(self, *, transform: Any, network: nn.Module, votes: int) -> None:
        super().__init__(transform=transform, network=network)
        self.votes = votes

    def forward(self, shapes: PointBatch, targets: Sequence[ClassTarget] | None = None) -> ShapeOutputs:
        """As of `ShapeClassifier`; outside of training the mean of the votes."""
        points = self._made(shapes)
        if self.training:
            outputs: ShapeOutputs = self.network(points)
            return outputs
        found = [self.network(turned(points, math.tau * vote / self.votes)) for vote in range(self.votes)]
        first: ShapeOutputs = found[0]
        return replace(first, logits=torch.stack([one.logits for one in found]).mean(dim=0))


def turned(points: Float[Tensor, "b p 3"], angle: float) -> Float[Tensor, "b p 3"]:
    """Clouds turned about the vertical axis by an angle in radians."""
    x, y, z = points.unbind(-1)
    cos, sin = math.cos(angle), math.sin(angle)
    return torch.stack((cos * x - sin * y, sin * x + cos * y, z), dim=-1)


def point_classifier(transform: Any, network: nn.Module, votes: int) -> ShapeClassifier:
    """A classifier of points, with votes where there are several."""
    if votes < 1:
        raise ValueError(f"votes must be at least 1, not {votes}")
    if votes > 1:
        return Voting(transform=transform, network=network, votes=votes)
    return ShapeClassifier(transform=transform, network=network)
