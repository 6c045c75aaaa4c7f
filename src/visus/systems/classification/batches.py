"""Training batches of classifiers: mixed where the recipe asks for it."""

from __future__ import annotations

from visus.data.augment.mixing import Mix
from visus.training.recipe import Recipe
from visus.types import Schema


def mixed_batches(recipe: Recipe, schema: Schema) -> Mix | None:
    """What mixes the images of a batch by the recipe's mixup and cutmix; None where it asks for neither."""
    asked = recipe.data.augment
    if not asked.mixup and not asked.cutmix:
        return None
    return Mix(mixup_alpha=asked.mixup, cutmix_alpha=asked.cutmix, num_classes=schema.num_classes)
