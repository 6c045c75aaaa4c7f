"""A round of training: the generator and its judges, each with an optimiser of its own, at the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from visus.systems.scene_generation.losses import SceneGenerationCriterion
from visus.training.optim import build_optimizer
from visus.training.recipe import Recipe
from visus.training.update import Round


class AdversarialUpdate:
    """Steps of the generator and of each judge (arXiv 1804.01622; Goodfellow et al. 2014, arXiv 1406.2661).

    Args:
        model: the generator.
        criterion: has the judges.
        recipe: the optimiser of each; weights of judges do not decay.
    """

    def __init__(self, model: nn.Module, criterion: SceneGenerationCriterion, recipe: Recipe) -> None:
        self.model, self.criterion, self.recipe = model, criterion, recipe.optim
        self._optimizers: list[torch.optim.Optimizer] = []

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """That of the generator, and those of the judges."""
        judging = replace(self.recipe, weight_decay=0.0, lr_factors={})
        self._optimizers = [
            build_optimizer(self.model, self.recipe),
            *(build_optimizer(judge, judging) for judge in self.criterion.discriminators),
        ]
        return self._optimizers

    def round(self, step: Round) -> None:
        """All losses, whose gradients go each to its own network, and a step of each."""
        step.backward(step.evaluate())
        for optimizer in self._optimizers:
            step.descend(optimizer)
