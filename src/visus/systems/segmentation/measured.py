"""How the classes of pixels are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visus.training.recipe import Recipe
from visus.types import Schema

if TYPE_CHECKING:
    from visus.metrics.semantic import SemanticMetric


def semantic_metric(model: Any, recipe: Recipe, schema: Schema) -> SemanticMetric:
    """Measures the classes of all pixels that count."""
    from visus.metrics.semantic import SemanticMetric  # torchmetrics takes a second to import; predicting needs none

    return SemanticMetric(schema=schema)
