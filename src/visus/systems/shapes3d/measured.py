"""How a classifier of shapes is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visus.systems.shapes3d.classifier import ShapeClassifier
from visus.training.recipe import Recipe
from visus.types import Schema

if TYPE_CHECKING:
    from visus.metrics.shapes import ShapeMetric


def shape_metric(model: ShapeClassifier, recipe: Recipe, schema: Schema) -> ShapeMetric:
    """Overall and mean class accuracy."""
    from visus.metrics.shapes import ShapeMetric  # torchmetrics takes a second; predicting needs none

    return ShapeMetric(schema=schema)
