"""Training embeddings: the loss that a recipe names, and recall@K on classes that were never learned."""

from __future__ import annotations

from torch import nn

from visus.metrics.retrieval import RetrievalMetric
from visus.systems.metric_learning.criterion import build_criterion
from visus.training.recipe import Recipe
from visus.training.task import Task
from visus.types import Schema

KS = (1, 2, 4, 8, 10, 100, 1000)
"""The K of CUB-200-2011 and CARS196, and those of Stanford Online Products."""


def metric_learning_task(model: nn.Module, recipe: Recipe, schema: Schema) -> Task:
    """Trains ``model`` by the recipe's loss.

    Raises:
        ValueError: the loss or one of its options does not exist, or the loss is not one for this network.
    """
    return Task(
        model=model,
        criterion=build_criterion(model, schema, loss=recipe.loss, options=recipe.loss_options),
        metric=RetrievalMetric(ks=KS, precision=recipe.fit.monitor in ("MAP@R", "R-precision")),
        recipe=recipe,
        val_losses=False,
    )
