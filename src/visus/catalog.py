"""The catalog: everything that has a name, in plain dicts. The only place where a string becomes an object.

A new problem is one package below ``visus.systems`` and one line in `PROBLEMS`; every other dict follows from it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from visus.data.datasets import DATASETS
from visus.lazy import lazily
from visus.names import UnknownNameError, build, find
from visus.problem import Problem
from visus.systems import (
    classification,
    detection,
    instances,
    meta_learning,
    metric_learning,
    scene_generation,
    scene_graphs,
    segmentation,
    shape_parts,
    shapes3d,
)
from visus.systems.faces import FACE_SCHEMA, face_finder
from visus.types import Schema

if TYPE_CHECKING:
    from visus.metrics.named import METRICS
    from visus.nn.backbones import Backbone
    from visus.training.recipe import Recipe
    from visus.training.task import Task

PROBLEMS: dict[str, Problem] = {
    problem.name: problem
    for problem in (
        detection.PROBLEM,
        instances.PROBLEM,
        classification.PROBLEM,
        segmentation.PROBLEM,
        metric_learning.PROBLEM,
        meta_learning.PROBLEM,
        shapes3d.PROBLEM,
        shape_parts.PROBLEM,
        scene_graphs.PROBLEM,
        scene_generation.PROBLEM,
    )
}
MODELS: dict[str, Callable[..., nn.Module]] = {
    name: builder for problem in PROBLEMS.values() for name, builder in problem.models.items()
}
LOSSES: dict[str, Callable[..., Any]] = {
    name: builder for problem in PROBLEMS.values() for name, builder in problem.losses.items()
}
READY: dict[str, Callable[[], tuple[nn.Module, Schema]]] = {"faces": lambda: (face_finder(), FACE_SCHEMA)}
"""Networks that come with their weights in a package (`visus.nn.published.PACKAGED`) and are not trained here."""
__getattr__ = lazily(__name__, {"METRICS": "visus.metrics.named"})  # torchmetrics takes a second; predicting needs none

BODY = "body"
"""The argument of builders that take a backbone of somebody's own."""

__all__ = ["DATASETS", "LOSSES", "METRICS", "MODELS", "PROBLEMS", "READY", "build_model", "build_task", "problem_of"]


def problem_of(model_name: str) -> Problem:
    """The problem that a model belongs to.

    Raises:
        ValueError: there is no such model.
    """
    find(MODELS, model_name, "model")
    return next(problem for problem in PROBLEMS.values() if model_name in problem.models)


def build_model(
    name: str, schema: Schema, options: Mapping[str, Any] | None = None, *, body: Backbone | None = None
) -> nn.Module:
    """The model called ``name`` for the categories and keypoints of ``schema``.

    Args:
        name: a key of `MODELS`.
        schema: decides the numbers of classes and keypoints, where the builder takes them.
        options: further arguments of the builder.
        body: a backbone that is none of the catalog's, for a builder that takes one.

    Raises:
        ValueError: the name or an option does not exist, or an option is of the wrong kind, or the model takes no such
            backbone.
    """
    takes = [other for other, builder in MODELS.items() if BODY in inspect.signature(builder).parameters]
    if body is not None and name in MODELS and name not in takes:
        raise UnknownNameError(f"{name} takes no backbone of your own; these do: {', '.join(takes)}")
    if BODY in (options or {}):
        raise UnknownNameError(
            f"{BODY} is no option of a recipe: give a backbone of your own by --own.backbone, or to visus.train"
        )
    facts = {
        "num_classes": schema.num_classes,
        "num_keypoints": schema.num_keypoints,
        "keypoint_labels": schema.keypoints.labels if schema.keypoints else (),
        "masks": schema.has_masks,
        "num_parts": len(schema.part_names),
        "num_attributes": len(schema.attributes),
        "num_predicates": len(schema.predicates),
        **({} if body is None else {BODY: body}),
    }
    return build(find(MODELS, name, "model"), options or {}, what=name, facts=facts)


def build_task(model: nn.Module, recipe: Recipe, schema: Schema, *, criterion: Any = None) -> Task:
    """What trains ``model`` by ``recipe`` on data of ``schema``, with another criterion where one is given.

    Raises:
        RecipeError: model, loss or options do not fit each other or the data.
    """
    from visus.training.task import Task  # imports the training engine, which takes seconds

    problem = problem_of(recipe.model)
    criterion = criterion or problem.criterion(model, recipe, schema)
    return Task(
        model=model,
        criterion=criterion,
        metric=problem.metric_of(model, recipe, schema),
        recipe=recipe,
        update=problem.update(model, criterion, recipe) if problem.update else None,
        vary=problem.vary(recipe, schema) if problem.vary else None,
        val_losses=problem.val_losses,
    )
