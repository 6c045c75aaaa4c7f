"""PointNet's segmentation network (Qi et al., arXiv 1612.00593, figure 2, below): the part of every point.

The features of a point beside those of the whole cloud go through shared layers. The paper's appendix has a larger one
for ShapeNet's parts, which is also told the category of the shape; this one finds parts of any category.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from visus.clouds import PointBatch
from visus.nn.points.pointnet import GLOBAL, LOCAL, PointNetEncoder, shared_mlp
from visus.nn.points.transform import PointTransform
from visus.ops.points import gathered, nearest_points
from visus.types import PartPrediction, PartTarget


@dataclass(frozen=True)
class PartOutputs:
    """The scores of the parts for some points of each shape, which ones, all points, and PointNet's matrices."""

    logits: Float[Tensor, "b parts p"]
    matrices: Float[Tensor, "b k k"]
    chosen: Int64[Tensor, "b p"]
    points: Float[Tensor, "b p 3"]
    whole: Float[Tensor, "b q 3"]


class PointNetParts(nn.Module):
    """Encoder and the layers for each point.

    Args:
        transform: chooses points, and keeps all.
        num_parts: over all categories.
    """

    channels_last = False
    adapts = False

    def __init__(self, *, transform: PointTransform, num_parts: int) -> None:
        super().__init__()
        self.transform = transform
        self.encoder = PointNetEncoder()
        self.layers = shared_mlp(LOCAL + GLOBAL, 512, 256, 128)
        self.classifier = nn.Conv1d(128, num_parts, 1)

    def forward(self, shapes: PointBatch, targets: Sequence[PartTarget] | None = None) -> PartOutputs:
        """The scores of the chosen points; targets change nothing."""
        points = self.transform(shapes).to(self.classifier.weight.dtype)
        cloud, local, matrices = self.encoder(points)
        beside = cloud[:, :, None].expand(-1, -1, local.shape[2])
        logits = self.classifier(self.layers(torch.cat([local, beside], dim=1)))
        assert shapes.chosen is not None
        assert shapes.whole is not None
        return PartOutputs(logits, matrices, shapes.chosen, points, shapes.whole)

    @torch.no_grad()
    def postprocess(self, outputs: PartOutputs, sizes: Sequence[tuple[int, ...]]) -> list[PartPrediction]:
        """The part of every point: that of the nearest point that was looked at."""
        scores, labels = outputs.logits.float().softmax(dim=1).max(dim=1)  # [b, p]
        near = nearest_points(outputs.points, outputs.whole, 1)  # [b, q, 1]
        found = gathered(torch.stack((labels.to(scores), scores), dim=2), near)[:, :, 0]  # [b, q, 2]
        return [
            PartPrediction(one[:, 0].long(), one[:, 1], tuple(size)) for one, size in zip(found, sizes, strict=True)
        ]


def pointnet_parts(*, num_parts: int = 50, points: int = 1024) -> PointNetParts:
    """PointNet for the segmentation of parts.

    Args:
        num_parts: over all categories.
        points: of each cloud that it looks at; the others get the part of their nearest one.
    """
    return PointNetParts(transform=PointTransform(points=points, whole=True), num_parts=num_parts)
