"""A loss on embeddings as a criterion of outputs and targets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from visus.systems.metric_learning.outputs import EmbeddingOutputs
from visus.types import ClassTarget


class MetricLearningCriterion(nn.Module):
    """A loss of embeddings and labels, as a criterion of outputs and targets.

    Args:
        name: what the loss is called in logs.
        loss: ``loss(embeddings, labels)`` gives a scalar.
    """

    def __init__(self, name: str, loss: nn.Module) -> None:
        super().__init__()
        self.name, self.loss = name, loss

    def forward(self, outputs: EmbeddingOutputs, targets: Sequence[ClassTarget]) -> dict[str, Float[Tensor, ""]]:
        """The loss of a batch."""
        labels = torch.stack([target.label for target in targets])
        return {self.name: self.loss(outputs.embeddings, labels)}
