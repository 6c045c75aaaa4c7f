"""Training segmentation networks: a loss for every pixel, and the mean intersection over union."""

from __future__ import annotations

import inspect
from typing import Any

from visus.metrics.semantic import SemanticMetric
from visus.systems.segmentation.losses import SegmentationCriterion
from visus.systems.segmentation.segmenter import Segmenter
from visus.training.recipe import Recipe, RecipeError
from visus.training.task import Task
from visus.types import Schema


def segmentation_task(model: Segmenter, recipe: Recipe, schema: Schema) -> Task:
    """Trains ``model`` by ``recipe`` on the classes of pixels.

    Raises:
        RecipeError: the recipe names another loss than ``segmentation``, or options that it does not have.
    """
    if recipe.loss not in ("", "segmentation"):
        raise RecipeError(f"loss must be 'segmentation' (or empty) for {recipe.model}, not {recipe.loss!r}.")
    known = list(inspect.signature(SegmentationCriterion).parameters)
    for option in recipe.loss_options:
        if option not in known:
            raise RecipeError(f"loss_options has no {option!r}; there are: {', '.join(known)}.")
    options: dict[str, Any] = dict(recipe.loss_options)
    return Task(
        model=model, criterion=SegmentationCriterion(**options), metric=SemanticMetric(schema=schema), recipe=recipe
    )
