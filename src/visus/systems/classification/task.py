"""Training classifiers: cross-entropy and boxes, mixed batches where the recipe asks, and the share that is right."""

from __future__ import annotations

from dataclasses import fields

from visus.data.augment.mixing import Mix
from visus.metrics.classification import ClassificationMetric
from visus.systems.classification.classifier import ImageClassifier
from visus.systems.classification.losses import ClassificationCriterion
from visus.training.recipe import Recipe, RecipeError
from visus.training.task import Task
from visus.types import Schema


def classification_task(model: ImageClassifier, recipe: Recipe, schema: Schema) -> Task:
    """Trains ``model`` by ``recipe`` on one class, and perhaps one box, of each image.

    Raises:
        RecipeError: ``loss_options`` names what the criterion does not have.
    """
    known = [field.name for field in fields(ClassificationCriterion)]
    for name in recipe.loss_options:
        if name not in known:
            raise RecipeError(f"loss_options has {name!r}; classification knows {', '.join(known)}.")
    asked = recipe.data.augment
    mixes = asked.mixup > 0 or asked.cutmix > 0
    return Task(
        model=model,
        criterion=ClassificationCriterion(**recipe.loss_options),  # type: ignore[arg-type]
        metric=ClassificationMetric(schema=schema, boxes=model.box_head is not None),
        recipe=recipe,
        vary=Mix(mixup_alpha=asked.mixup, cutmix_alpha=asked.cutmix, num_classes=schema.num_classes) if mixes else None,
    )
