"""Training object detectors: their losses, and COCO's average precision of boxes."""

from __future__ import annotations

from visus.metrics.coco import CocoMetric
from visus.systems.detection.faster_rcnn import FasterRCNN
from visus.systems.detection.losses import DetectionCriterion
from visus.training.recipe import Recipe
from visus.training.task import Task
from visus.types import Schema


def detection_task(model: FasterRCNN, recipe: Recipe, schema: Schema) -> Task:
    """Trains ``model`` by ``recipe`` on boxes."""
    return Task(
        model=model, criterion=DetectionCriterion(), metric=CocoMetric(schema=schema, kinds=("box",)), recipe=recipe
    )
