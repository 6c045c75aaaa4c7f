"""PointNet (Qi et al., arXiv 1612.00593, figure 2): a cloud as the maximum over its points, each seen alone."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from visus.nn.points.pointnet import GLOBAL, PointNetEncoder, mlp
from visus.nn.points.transform import PointTransform
from visus.systems.shapes3d.classifier import ShapeClassifier, point_classifier
from visus.systems.shapes3d.outputs import ShapeOutputs


class PointNet(nn.Module):
    """Encoder and classifier.

    Args:
        num_classes: of the shapes.
        dropout: before the last layer; the paper keeps 0.7.
    """

    def __init__(self, *, num_classes: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.encoder = PointNetEncoder()
        self.hidden = mlp(GLOBAL, 512, 256, dropout=dropout)
        self.classifier = nn.Linear(256, num_classes)

    def forward(self, points: Float[Tensor, "b p 3"]) -> ShapeOutputs:
        """Scores, and the matrices that align features."""
        cloud, _, matrices = self.encoder(points)
        return ShapeOutputs(self.classifier(self.hidden(cloud)), matrices)


def pointnet(*, num_classes: int = 40, points: int = 1024, votes: int = 1) -> ShapeClassifier:
    """PointNet with both of its T-Nets.

    Args:
        num_classes: of the shapes.
        points: of each cloud that it looks at.
        votes: turns about the vertical axis whose scores are added where it predicts.
    """
    return point_classifier(PointTransform(points=points), PointNet(num_classes=num_classes), votes)
