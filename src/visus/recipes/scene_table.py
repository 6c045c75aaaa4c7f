"""The rows of the table of scene generation: the whole model and what the paper leaves out of it, for the same time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from visus.recipes.scene_generation import scene_generation_128_vignettes, scene_generation_vignettes
from visus.training.recipe import Recipe


@dataclass(frozen=True)
class SceneRow:
    """A row.

    Args:
        title: of the row.
        recipe: makes the recipe.
    """

    title: str
    recipe: Callable[[], Recipe]


def no_graph_convolution() -> Recipe:
    """Objects know nothing of their relationships."""
    base = scene_generation_vignettes()
    return replace(base, model_options={**base.model_options, "graph_convolution": False})


def no_discriminators() -> Recipe:
    """Nobody judges: colours, boxes and outlines alone."""
    base = scene_generation_vignettes()
    return replace(base, loss_options={**base.loss_options, "judges": "none"})


SCENE_ROWS: dict[str, SceneRow] = {
    "full": SceneRow("full", scene_generation_vignettes),
    "no-graph-convolution": SceneRow("no graph convolution", no_graph_convolution),
    "no-discriminators": SceneRow("no discriminators", no_discriminators),
    "full-128": SceneRow("full, 128 x 128", scene_generation_128_vignettes),
}
"""The ablations of arXiv 1804.01622, table 1, that need a training of their own, and the larger image."""
