"""The losses of classifiers of shapes.

Cross-entropy, perhaps smoothed, and of networks that align features PointNet's regulariser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from visus.nn.points.orthogonality import orthogonality_loss
from visus.systems.shapes3d.outputs import ShapeOutputs
from visus.types import ClassTarget


@dataclass(frozen=True, kw_only=True)
class ShapeCriterion:
    """Losses ``class`` and, of networks that align features, ``orthogonality``.

    Args:
        label_smoothing: the share of the probability that all classes get evenly; DGCNN's is 0.2.
        orthogonality: factor on the regulariser.
    """

    label_smoothing: float = 0.0
    orthogonality: float = 0.001

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in 0..1, below 1, not {self.label_smoothing}")

    def __call__(self, outputs: ShapeOutputs, targets: Sequence[ClassTarget]) -> dict[str, Float[Tensor, ""]]:
        """Named scalars; their sum is what training minimises."""
        labels = torch.stack([target.label for target in targets]).to(outputs.logits.device)
        losses = {"class": F.cross_entropy(outputs.logits, labels, label_smoothing=self.label_smoothing)}
        if outputs.matrices is not None:
            losses["orthogonality"] = self.orthogonality * orthogonality_loss(outputs.matrices)
        return losses
