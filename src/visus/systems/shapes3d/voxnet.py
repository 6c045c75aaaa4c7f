"""VoxNet (Maturana and Scherer, IROS 2015): two convolutions of a grid of occupied cells.

With the layers of its published configuration for 10 classes (shapenet10.py): leaky ReLUs of 0.1, dropouts of 0.2, 0.3
and 0.4. The second convolution has no padding.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from visus.nn.points.transform import VoxelTransform
from visus.systems.shapes3d.classifier import ShapeClassifier
from visus.systems.shapes3d.outputs import ShapeOutputs

_SIZE = 32


class VoxNet(nn.Module):
    """Grids of 32 cells a side, 14 and 12 behind the convolutions, 6 behind the pooling.

    Args:
        num_classes: of the shapes.
    """

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *(nn.Conv3d(1, 32, 5, stride=2), nn.LeakyReLU(0.1), nn.Dropout(0.2)),
            *(nn.Conv3d(32, 32, 3), nn.LeakyReLU(0.1), nn.MaxPool3d(2), nn.Dropout(0.3)),
        )
        self.hidden = nn.Sequential(nn.Linear(32 * 6**3, 128), nn.ReLU(), nn.Dropout(0.4))
        self.classifier = nn.Linear(128, num_classes)

    def forward(self, voxels: Float[Tensor, "b 1 x y z"]) -> ShapeOutputs:
        """Scores of the classes."""
        return ShapeOutputs(self.classifier(self.hidden(self.convolutions(voxels).flatten(1))))


def voxnet(*, num_classes: int = 10) -> ShapeClassifier:
    """VoxNet on 32 x 32 x 32 cells, 24 of which the longest side of a shape takes.

    Args:
        num_classes: of the shapes.
    """
    return ShapeClassifier(transform=VoxelTransform(size=_SIZE), network=VoxNet(num_classes=num_classes))
