"""Recipes for images from scene graphs on drawn scenes."""

from __future__ import annotations

from dataclasses import replace

from visus.training.recipe import AugmentRecipe, DataRecipe, FitRecipe, OptimRecipe, Recipe


def scene_generation_vignettes() -> Recipe:
    """Images of 64 x 64 from the scene graphs of drawn scenes, in twenty minutes.

    ``visus train scene_generation_vignettes``. A small version of the paper's network, for two cores. As there are
    minutes and not days, the learning rate is twenty times the paper's 1e-4, batches are small, layouts (boxes,
    outlines) weigh ten times as much, and features are compared, too.
    """
    return Recipe(
        name="scene_generation_vignettes",
        model="scene_generator",
        model_options={"size": 64, "dim": 32, "noise": 4, "width": 16, "own_masks": 0.5, "skip": True},
        loss_options={"width": 32, "features": 1.0, "boxes": 100.0, "masks": 1.0},
        data=DataRecipe(
            dataset="vignettes_graphs",
            val="test",
            val_length=500,
            batch_size=4,
            augment=AugmentRecipe(kind="none"),
        ),
        optim=OptimRecipe(name="adamw", lr=2e-3, momentum=0.5, weight_decay=0.0, warmup_steps=50),
        fit=FitRecipe(epochs=1, max_minutes=19.5, ema_decay=0.995),
    )


def scene_generation_128_vignettes() -> Recipe:
    """The same at 128 x 128: ``visus train scene_generation_128_vignettes``; an hour does it some good."""
    base = scene_generation_vignettes()
    return replace(
        base,
        name="scene_generation_128_vignettes",
        model_options={**base.model_options, "size": 128},
        data=replace(base.data, dataset="vignettes_graphs_128"),
        fit=replace(base.fit, max_minutes=60.0),
    )
