"""Measures of predictions against what is annotated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visus.lazy import lazily

if TYPE_CHECKING:
    from visus.metrics.boundary import boundary_f1
    from visus.metrics.by_image import ImageRecords
    from visus.metrics.classification import ClassificationMetric
    from visus.metrics.coco import CocoMetric, evaluate_coco
    from visus.metrics.coco_format import prediction_to_coco, schema_to_categories, target_to_coco
    from visus.metrics.coco_summary import CocoResult
    from visus.metrics.episodes import EpisodeMetric
    from visus.metrics.metric import ConfusionMatrix, Measure, Metric, PerCategory
    from visus.metrics.objects import ObjectMetric
    from visus.metrics.ranking import image_quality
    from visus.metrics.retrieval import RetrievalMetric, precision_at_r, recall_at_k
    from visus.metrics.scene_graph_matches import Protocol
    from visus.metrics.scene_graphs import SceneGraphMetric
    from visus.metrics.semantic import SemanticMetric
    from visus.metrics.voc import VocMetric

_PUBLIC = {
    "boundary_f1": "visus.metrics.boundary",
    "ImageRecords": "visus.metrics.by_image",
    "ClassificationMetric": "visus.metrics.classification",
    "CocoMetric": "visus.metrics.coco",
    "evaluate_coco": "visus.metrics.coco",
    "prediction_to_coco": "visus.metrics.coco_format",
    "schema_to_categories": "visus.metrics.coco_format",
    "target_to_coco": "visus.metrics.coco_format",
    "CocoResult": "visus.metrics.coco_summary",
    "EpisodeMetric": "visus.metrics.episodes",
    "ConfusionMatrix": "visus.metrics.metric",
    "Measure": "visus.metrics.metric",
    "Metric": "visus.metrics.metric",
    "PerCategory": "visus.metrics.metric",
    "ObjectMetric": "visus.metrics.objects",
    "image_quality": "visus.metrics.ranking",
    "RetrievalMetric": "visus.metrics.retrieval",
    "precision_at_r": "visus.metrics.retrieval",
    "recall_at_k": "visus.metrics.retrieval",
    "Protocol": "visus.metrics.scene_graph_matches",
    "SceneGraphMetric": "visus.metrics.scene_graphs",
    "SemanticMetric": "visus.metrics.semantic",
    "VocMetric": "visus.metrics.voc",
}

__all__ = [
    "ClassificationMetric",
    "CocoMetric",
    "CocoResult",
    "ConfusionMatrix",
    "EpisodeMetric",
    "ImageRecords",
    "Measure",
    "Metric",
    "ObjectMetric",
    "PerCategory",
    "Protocol",
    "RetrievalMetric",
    "SceneGraphMetric",
    "SemanticMetric",
    "VocMetric",
    "boundary_f1",
    "evaluate_coco",
    "image_quality",
    "precision_at_r",
    "prediction_to_coco",
    "recall_at_k",
    "schema_to_categories",
    "target_to_coco",
]
__getattr__ = lazily(__name__, _PUBLIC)
