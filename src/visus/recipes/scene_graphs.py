"""Recipes for scene graphs on drawn scenes: relation models on a detector that has learned the same scenes."""

from __future__ import annotations

from dataclasses import replace

from visus.recipes.small import maskrcnn_vignettes
from visus.training.recipe import AugmentRecipe, FitRecipe, OptimRecipe, Recipe


def motifs_vignettes() -> Recipe:
    """Neural Motifs on drawn scenes: ``visus train motifs_vignettes --init RUN``, RUN being that of ``visus demo``."""
    base = maskrcnn_vignettes()
    return replace(
        base,
        name="motifs_vignettes",
        model="motifs_lite0",
        model_options={"size": 192, "mode": "predcls"},
        data=replace(base.data, augment=AugmentRecipe(flip=0.5)),
        optim=OptimRecipe(name="adamw", lr=1e-3, weight_decay=0.02, warmup_steps=30, clip_norm=5.0),
        fit=FitRecipe(epochs=1, max_minutes=4.8, ema_decay=0.98),
    )


def vtranse_vignettes() -> Recipe:
    """VTransE on drawn scenes: ``visus train vtranse_vignettes --init RUN``."""
    return replace(motifs_vignettes(), name="vtranse_vignettes", model="vtranse_lite0")


def imp_vignettes() -> Recipe:
    """Iterative message passing on drawn scenes: ``visus train imp_vignettes --init RUN``."""
    return replace(motifs_vignettes(), name="imp_vignettes", model="imp_lite0")


def freq_vignettes() -> Recipe:
    """FREQ on drawn scenes, whose attribute head alone is trained: ``visus train freq_vignettes --init RUN``."""
    return replace(motifs_vignettes(), name="freq_vignettes", model="freq_lite0")


def freq_overlap_vignettes() -> Recipe:
    """FREQ+OVERLAP on drawn scenes: ``visus train freq_overlap_vignettes --init RUN``."""
    return replace(motifs_vignettes(), name="freq_overlap_vignettes", model="freq_overlap_lite0")
