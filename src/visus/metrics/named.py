"""Every metric that has a name, in one dict."""

from __future__ import annotations

from collections.abc import Callable

from visus.metrics import (
    ClassificationMetric,
    CocoMetric,
    EpisodeMetric,
    Metric,
    ObjectMetric,
    RetrievalMetric,
    SceneGraphMetric,
    SemanticMetric,
    VocMetric,
)
from visus.metrics.generation import GenerationMetric
from visus.metrics.parts import PartMetric
from visus.metrics.reidentification import ReidentificationMetric
from visus.metrics.shapes import ShapeMetric
from visus.metrics.verified import VerificationMetric

METRICS: dict[str, Callable[..., Metric]] = {
    "coco": CocoMetric,
    "voc": VocMetric,
    "objects": ObjectMetric,
    "semantic": SemanticMetric,
    "classification": ClassificationMetric,
    "retrieval": RetrievalMetric,
    "episodes": EpisodeMetric,
    "reidentification": ReidentificationMetric,
    "verification": VerificationMetric,
    "shapes": ShapeMetric,
    "parts": PartMetric,
    "scene_graphs": SceneGraphMetric,
    "generation": GenerationMetric,
}
