"""The losses of the segmentation of parts: cross-entropy of the points, and PointNet's regulariser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from visus.nn.points.orthogonality import orthogonality_loss
from visus.systems.shape_parts.pointnet_parts import PartOutputs
from visus.types import PartTarget


@dataclass(frozen=True, kw_only=True)
class PartCriterion:
    """Losses ``part`` and ``orthogonality``.

    Args:
        orthogonality: factor on the regulariser of the matrices that align features.
    """

    orthogonality: float = 0.001

    def __call__(self, outputs: PartOutputs, targets: Sequence[PartTarget]) -> dict[str, Float[Tensor, ""]]:
        """Named scalars; their sum is what training minimises."""
        labels = torch.stack(
            [target.labels.to(index.device)[index] for target, index in zip(targets, outputs.chosen, strict=True)]
        )
        return {
            "part": F.cross_entropy(outputs.logits, labels),
            "orthogonality": self.orthogonality * orthogonality_loss(outputs.matrices),
        }
