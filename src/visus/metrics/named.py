"""Every metric that has a name, in one dict."""

from __future__ import annotations

from collections.abc import Callable

from visus.metrics import (
    ClassificationMetric,
    CocoMetric,
    Metric,
    ObjectMetric,
    RetrievalMetric,
    SceneGraphMetric,
    SemanticMetric,
    VocMetric,
)

METRICS: dict[str, Callable[..., Metric]] = {
    "coco": CocoMetric,
    "voc": VocMetric,
    "objects": ObjectMetric,
    "semantic": SemanticMetric,
    "classification": ClassificationMetric,
    "retrieval": RetrievalMetric,
    "scene_graphs": SceneGraphMetric,
}
