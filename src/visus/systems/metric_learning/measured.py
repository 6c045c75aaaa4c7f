"""How embeddings are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visus.training.recipe import Recipe
from visus.types import Schema

if TYPE_CHECKING:
    from visus.metrics.reidentification import ReidentificationMetric
    from visus.metrics.retrieval import RetrievalMetric
    from visus.metrics.verified import VerificationMetric

KS = (1, 2, 4, 8, 10, 100, 1000)
"""The K of CUB-200-2011 and CARS196, and those of Stanford Online Products."""


def retrieval_metric(model: Any, recipe: Recipe, schema: Schema) -> RetrievalMetric:
    """Recall at `KS`, and precision where the recipe picks weights by it."""
    from visus.metrics.retrieval import RetrievalMetric  # torchmetrics takes a second to import; predicting needs none

    return RetrievalMetric(ks=KS, precision=recipe.fit.monitor in ("MAP@R", "R-precision"))


def market1501_metric(model: Any, recipe: Recipe, schema: Schema) -> ReidentificationMetric:
    """The protocol of Market-1501: other cameras only, and queries without a match are skipped."""
    from visus.metrics.reidentification import ReidentificationMetric

    return ReidentificationMetric()


def all_cameras_metric(model: Any, recipe: Recipe, schema: Schema) -> ReidentificationMetric:
    """The same without the rule of the cameras, which flatters."""
    from visus.metrics.reidentification import ReidentificationMetric

    return ReidentificationMetric(camera_rule=False)


def market1501_reranked_metric(model: Any, recipe: Recipe, schema: Schema) -> ReidentificationMetric:
    """The protocol of Market-1501, re-ranked by k-reciprocal neighbours."""
    from visus.metrics.reidentification import ReidentificationMetric

    return ReidentificationMetric(rerank=True)


def all_cameras_reranked_metric(model: Any, recipe: Recipe, schema: Schema) -> ReidentificationMetric:
    """Without the rule of the cameras, re-ranked by k-reciprocal neighbours."""
    from visus.metrics.reidentification import ReidentificationMetric

    return ReidentificationMetric(camera_rule=False, rerank=True)


def verification_metric(model: Any, recipe: Recipe, schema: Schema) -> VerificationMetric:
    """All pairs of images: ten folds, and the true-accept rate at three false-accept rates."""
    from visus.metrics.verified import VerificationMetric

    return VerificationMetric()


def lfw_metric(model: Any, recipe: Recipe, schema: Schema) -> VerificationMetric:
    """The pairs of a list, in its ten parts (LFW)."""
    from visus.metrics.verified import VerificationMetric

    return VerificationMetric(pairs="listed")
