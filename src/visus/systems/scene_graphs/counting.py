"""Training where nothing has a gradient: FREQ on data without attributes counts, and that is all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from visus.training.recipe import Recipe
from visus.training.update import Round


class Counting:
    """Rounds without an optimiser: the network counts while it looks at a batch."""

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """None."""
        return []

    def round(self, step: Round) -> None:
        """Looks, and notes the losses."""
        step.note(step.evaluate())


def counting_update(model: nn.Module, criterion: Any, recipe: Recipe) -> Counting | None:
    """Counting for a network that has nothing to learn; None, which is gradient descent, for others."""
    return None if any(parameter.requires_grad for parameter in model.parameters()) else Counting()
