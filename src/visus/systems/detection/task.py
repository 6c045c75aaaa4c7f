"""Training object detectors: their losses, and COCO's average precision of boxes."""

from __future__ import annotations

from visus.metrics.coco import CocoMetric
from visus.systems.detection.faster_rcnn import FasterRCNN
from visus.systems.detection.losses import DetectionCriterion
from visus.systems.detection.ssd import SSD
from visus.systems.detection.ssd_losses import SSDCriterion
from visus.training.recipe import Recipe
from visus.training.task import Criterion, Task
from visus.types import Schema


def detection_task(model: FasterRCNN | SSD, recipe: Recipe, schema: Schema) -> Task:
    """Trains ``model`` by ``recipe`` on boxes, with the losses of its kind."""
    criterion: Criterion = SSDCriterion() if isinstance(model, SSD) else DetectionCriterion()
    return Task(model=model, criterion=criterion, metric=CocoMetric(schema=schema, kinds=("box",)), recipe=recipe)
