"""How boxes are measured: as COCO does, as Pascal VOC did, or at one least score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visus.training.recipe import Recipe
from visus.types import Schema

if TYPE_CHECKING:
    from visus.metrics.coco import CocoMetric
    from visus.metrics.objects import ObjectMetric
    from visus.metrics.voc import VocMetric

# The metrics are imported where they are made: torchmetrics takes a second, and predicting needs none.


def coco_metric(model: Any, recipe: Recipe, schema: Schema) -> CocoMetric:
    """COCO's average precision of boxes."""
    from visus.metrics.coco import CocoMetric

    return CocoMetric(schema=schema, kinds=("box",))


def voc_metric(model: Any, recipe: Recipe, schema: Schema) -> VocMetric:
    """Pascal VOC's average precision, from 2010 on."""
    from visus.metrics.voc import VocMetric

    return VocMetric(schema)


def voc07_metric(model: Any, recipe: Recipe, schema: Schema) -> VocMetric:
    """Pascal VOC's average precision of 2007, at 11 points."""
    from visus.metrics.voc import VocMetric

    return VocMetric(schema, rule="07")


def object_metric(model: Any, recipe: Recipe, schema: Schema) -> ObjectMetric:
    """F1, precision and recall of boxes at the least score that they suggest."""
    return examined_objects(schema, None)


def examined_objects(schema: Schema, threshold: float | None) -> ObjectMetric:
    """F1, precision and recall of boxes at a least score that was chosen before; None chooses it."""
    from visus.metrics.objects import ObjectMetric

    return ObjectMetric(schema, threshold=threshold)
