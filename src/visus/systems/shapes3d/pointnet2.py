"""PointNet++ (Qi et al., arXiv 1706.02413): PointNet on balls around some points, again and again.

A level of set abstraction chooses centres by farthest point sampling, gathers the points in a ball around each, and
describes them by shared layers and a maximum (section 3.2); with multi-scale grouping by several balls at once (section
3.3). The last level takes all that is left as one group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from visus.nn.points.pointnet import mlp
from visus.nn.points.transform import PointTransform
from visus.ops.points import ball_query, farthest_points, gathered
from visus.systems.shapes3d.classifier import ShapeClassifier, point_classifier
from visus.systems.shapes3d.outputs import ShapeOutputs


@dataclass(frozen=True)
class Ball:
    """How a neighbourhood is described.

    Args:
        radius: in units of the unit sphere.
        samples: points that are taken of it.
        channels: of the shared layers.
    """

    radius: float
    samples: int
    channels: tuple[int, ...]


class PointNet2(nn.Module):
    """Two levels of set abstraction, one of everything, and the classifier.

    Args:
        first: the balls of the first level.
        second: those of the second.
        centres: of the first and of the second level.
        num_classes: of the shapes.
    """

    def __init__(
        self, *, first: Sequence[Ball], second: Sequence[Ball], centres: tuple[int, int], num_classes: int
    ) -> None:
        super().__init__()
        self.first = SetAbstraction(0, first, centres[0])
        self.second = SetAbstraction(self.first.channels, second, centres[1])
        self.all = _layers(self.second.channels + 3, (256, 512, 1024))
        self.hidden = nn.Sequential(mlp(1024, 512, dropout=0.5), mlp(512, 256, dropout=0.5))
        self.classifier = nn.Linear(256, num_classes)

    def forward(self, points: Float[Tensor, "b p 3"]) -> ShapeOutputs:
        """Scores of the classes."""
        centres, features = self.first(points, None)
        centres, features = self.second(centres, features)
        together = torch.cat([centres, features], dim=2)[:, None]  # [b, 1, m, c]
        cloud = self.all(together.permute(0, 3, 2, 1)).amax(dim=2)[..., 0]
        return ShapeOutputs(self.classifier(self.hidden(cloud)))


class SetAbstraction(nn.Module):
    """Features of balls around some of the points.

    Args:
        channels: of the points' features.
        balls: of several radii, whose features are laid side by side.
        centres: how many.
    """

    def __init__(self, channels: int, balls: Sequence[Ball], centres: int) -> None:
        super().__init__()
        self.balls, self.centres = tuple(balls), centres
        self.layers = nn.ModuleList(_layers(channels + 3, ball.channels) for ball in balls)
        self.channels = sum(ball.channels[-1] for ball in balls)

    def forward(
        self, points: Float[Tensor, "b p 3"], features: Float[Tensor, "b p c"] | None
    ) -> tuple[Float[Tensor, "b m 3"], Float[Tensor, "b m d"]]:
        """The centres and what is around them."""
        centres = gathered(points, farthest_points(points, min(self.centres, points.shape[1])))
        found = []
        for ball, layers in zip(self.balls, self.layers, strict=True):
            index = ball_query(points, centres, ball.radius, ball.samples)  # [b, m, k]
            around = gathered(points, index) - centres[:, :, None]
            if features is not None:
                around = torch.cat([around, gathered(features, index)], dim=3)
            found.append(layers(around.permute(0, 3, 2, 1)).amax(dim=2))  # [b, c, k, m] to [b, c, m]
        return centres, torch.cat(found, dim=1).transpose(1, 2)


def _layers(start: int, channels: Sequence[int]) -> nn.Sequential:
    """Layers that every point of every ball goes through."""
    pairs = zip((start, *channels), channels, strict=False)
    return nn.Sequential(
        *(layer for a, b in pairs for layer in (nn.Conv2d(a, b, 1), nn.BatchNorm2d(b), nn.ReLU(inplace=True)))
    )


def pointnet2_ssg(*, num_classes: int = 40, points: int = 1024, votes: int = 1) -> ShapeClassifier:
    """PointNet++ with balls of one size; half of the points are centres, then an eighth.

    Args:
        num_classes: of the shapes.
        points: of each cloud that it looks at.
        votes: turns about the vertical axis whose scores are added where it predicts.
    """
    network = PointNet2(
        first=[Ball(0.2, 32, (64, 64, 128))],
        second=[Ball(0.4, 64, (128, 128, 256))],
        centres=(max(1, points // 2), max(1, points // 8)),
        num_classes=num_classes,
    )
    return point_classifier(PointTransform(points=points), network, votes)


def pointnet2_msg(*, num_classes: int = 40, points: int = 1024, votes: int = 1) -> ShapeClassifier:
    """PointNet++ with balls of three sizes at each level; arguments as for `pointnet2_ssg`."""
    network = PointNet2(
        first=[Ball(0.1, 16, (32, 32, 64)), Ball(0.2, 32, (64, 64, 128)), Ball(0.4, 128, (64, 96, 128))],
        second=[Ball(0.2, 32, (64, 64, 128)), Ball(0.4, 64, (128, 128, 256)), Ball(0.8, 128, (128, 128, 256))],
        centres=(max(1, points // 2), max(1, points // 8)),
        num_classes=num_classes,
    )
    return point_classifier(PointTransform(points=points), network, votes)
