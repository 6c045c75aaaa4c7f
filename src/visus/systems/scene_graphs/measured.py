"""How scene graphs are measured: by recalls, in the mode of the network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from visus.systems.scene_graphs.network import Mode
from visus.training.recipe import Recipe, RecipeError
from visus.types import Schema

if TYPE_CHECKING:
    from visus.metrics.scene_graphs import SceneGraphMetric

# The metric is imported where it is made: torchmetrics takes a second, and predicting needs none.


def scene_graph_metric(model: Any, recipe: Recipe, schema: Schema) -> SceneGraphMetric:
    """Recalls of relationships; triplets that the network has not counted in training are those of zR@K.

    Raises:
        RecipeError: the data relates no objects.
    """
    from visus.metrics.scene_graphs import SceneGraphMetric

    if not schema.predicates:
        raise RecipeError(
            f"{recipe.model} learns relationships, but the data {recipe.data.dataset} names no predicates"
        )
    return SceneGraphMetric(schema, mode=model.mode, seen=model.frequencies.seen)


def _in_mode(mode: Mode, /, model: Any, recipe: Recipe, schema: Schema) -> SceneGraphMetric:
    """The same where the network is asked in a mode: it is given no more than the metric supposes."""
    model.mode = mode
    return scene_graph_metric(model, recipe, schema)


METRICS: dict[str, Callable[[Any, Recipe, Schema], SceneGraphMetric]] = {
    "scene_graphs": scene_graph_metric,
    **{mode: partial(_in_mode, mode) for mode in get_args(Mode)},
}
"""By name; the first asks in the mode of the model's options."""
