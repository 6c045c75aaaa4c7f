"""How embeddings are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visus.training.recipe import Recipe
from visus.types import Schema

if TYPE_CHECKING:
    from visus.metrics.retrieval import RetrievalMetric

KS = (1, 2, 4, 8, 10, 100, 1000)
"""The K of CUB-200-2011 and CARS196, and those of Stanford Online Products."""


def retrieval_metric(model: Any, recipe: Recipe, schema: Schema) -> RetrievalMetric:
    """Recall at `KS`, and precision where the recipe picks weights by it."""
    from visus.metrics.retrieval import RetrievalMetric  # torchmetrics takes a second to import; predicting needs none

    return RetrievalMetric(ks=KS, precision=recipe.fit.monitor in ("MAP@R", "R-precision"))
