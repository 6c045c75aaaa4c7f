"""Measures of predictions against what is annotated."""

from visus.metrics.coco import CocoMetric, evaluate_coco
from visus.metrics.coco_format import prediction_to_coco, schema_to_categories, target_to_coco
from visus.metrics.coco_summary import CocoResult
from visus.metrics.ranking import image_quality

__all__ = [
    "CocoMetric",
    "CocoResult",
    "evaluate_coco",
    "image_quality",
    "prediction_to_coco",
    "schema_to_categories",
    "target_to_coco",
]
