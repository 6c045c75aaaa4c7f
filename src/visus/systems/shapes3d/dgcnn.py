"""DGCNN (Wang et al., arXiv 1801.07829): a graph of neighbours that each layer builds anew among its own features.

An EdgeConv is ``max over neighbours j of LeakyReLU(norm(W [x_j - x_i, x_i]))``. As W is linear, it is applied to the
points before neighbours are gathered: ``A x_j + (B - A) x_i`` with W = [A B] costs a k-th of the product with every
edge and is the same number but for rounding.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.points.transform import PointTransform
from visus.ops.points import gathered, nearest_points
from visus.systems.shapes3d.classifier import ShapeClassifier, point_classifier
from visus.systems.shapes3d.outputs import ShapeOutputs

_SLOPE = 0.2
_CHANNELS = (64, 64, 128, 256)


class DGCNN(nn.Module):
    """Four EdgeConvs, their features side by side, and the classifier.

    Args:
        num_classes: of the shapes.
        neighbours: of each point, itself among them.
        dropout: behind each hidden layer.
    """

    def __init__(self, *, num_classes: int, neighbours: int = 20, dropout: float = 0.5) -> None:
        super().__init__()
        pairs = zip((3, *_CHANNELS), _CHANNELS, strict=False)
        self.edges = nn.ModuleList(EdgeConv(a, b, neighbours) for a, b in pairs)
        self.point = nn.Sequential(nn.Linear(sum(_CHANNELS), 1024, bias=False), ChannelNorm(1024))
        self.hidden = nn.Sequential(
            *(nn.Linear(2048, 512, bias=False), nn.BatchNorm1d(512), nn.LeakyReLU(_SLOPE), nn.Dropout(dropout)),
            *(nn.Linear(512, 256), nn.BatchNorm1d(256), nn.LeakyReLU(_SLOPE), nn.Dropout(dropout)),
        )
        self.classifier = nn.Linear(256, num_classes)

    def forward(self, points: Float[Tensor, "b p 3"]) -> ShapeOutputs:
        """Scores of the classes."""
        features, every = points, []
        for edge in self.edges:
            features = edge(features)
            every.append(features)
        x = F.leaky_relu(self.point(torch.cat(every, dim=2)), _SLOPE)  # [b, p, 1024]
        cloud = torch.cat([x.amax(dim=1), x.mean(dim=1)], dim=1)
        return ShapeOutputs(self.classifier(self.hidden(cloud)))


class EdgeConv(nn.Module):
    """Features of each point from those of its nearest points among the features.

    Args:
        inputs: channels before.
        outputs: channels behind.
        neighbours: of each point.
    """

    def __init__(self, inputs: int, outputs: int, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.linear = nn.Linear(2 * inputs, outputs, bias=False)  # of [x_j - x_i, x_i]
        self.norm = ChannelNorm(outputs)

    def forward(self, x: Float[Tensor, "b p c"]) -> Float[Tensor, "b p d"]:
        """The maximum over the edges of each point."""
        index = nearest_points(x.detach(), x.detach(), min(self.neighbours, x.shape[1]))
        of_neighbour, of_self = self.linear.weight.chunk(2, dim=1)
        edges = gathered(F.linear(x, of_neighbour), index) + F.linear(x, of_self - of_neighbour)[:, :, None]
        return F.leaky_relu(self.norm(edges), _SLOPE).amax(dim=2)  # [b, p, k, d] to [b, p, d]


class ChannelNorm(nn.BatchNorm1d):
    """Batch norm of the last axis over all others."""

    def forward(self, x: Float[Tensor, "*n c"]) -> Float[Tensor, "*n c"]:
        """Of the same shape."""
        return super().forward(x.flatten(0, -2)).view(x.shape)


def dgcnn(*, num_classes: int = 40, points: int = 1024, neighbours: int = 20, votes: int = 1) -> ShapeClassifier:
    """DGCNN for classification, without the paper's spatial transform, as in its published PyTorch code.

    Args:
        num_classes: of the shapes.
        points: of each cloud that it looks at.
        neighbours: of each point, itself among them; 20 for 1,024 points and 40 for 2,048 in the paper.
        votes: turns about the vertical axis whose scores are added where it predicts.
    """
    network = DGCNN(num_classes=num_classes, neighbours=neighbours)
    return point_classifier(PointTransform(points=points), network, votes)
