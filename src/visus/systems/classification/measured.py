"""How a classifier is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visus.systems.classification.classifier import ImageClassifier
from visus.systems.classification.taught import TaughtClassifier
from visus.training.recipe import Recipe
from visus.types import Schema

if TYPE_CHECKING:
    from visus.metrics.classification import ClassificationMetric


def classification_metric(
    model: ImageClassifier | TaughtClassifier, recipe: Recipe, schema: Schema
) -> ClassificationMetric:
    """Measures the classes, and the box where ``model`` finds one."""
    from visus.metrics.classification import ClassificationMetric  # torchmetrics takes a second; predicting needs none

    return ClassificationMetric(schema=schema, boxes=model.box_head is not None)
