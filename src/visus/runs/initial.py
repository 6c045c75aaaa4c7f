"""Fine-tuning: a network that is about to learn starts from the weights of a run or from published ones."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from visus.runs.own import NOTHING, Own
from visus.training.recipe import Recipe, RecipeError

if TYPE_CHECKING:
    from torch import nn

    from visus.predict.stored import StoredWeights
    from visus.types import Schema


@dataclass(frozen=True)
class Started:
    """What a network took from other weights.

    Args:
        source: the run or the name.
        model: the network that the weights were those of.
        taken: the parts that start from there.
        new: the parts that start as they would have without; empty where all was taken.
    """

    source: str
    model: str
    taken: tuple[str, ...]
    new: tuple[str, ...]

    def __str__(self) -> str:
        new = f"; new: {', '.join(self.new)}" if self.new else ""
        return f"Starts from {self.source} ({self.model}): {', '.join(self.taken)}{new}."


def build_started(recipe: Recipe, schema: Schema, own: Own = NOTHING) -> tuple[nn.Module, Started]:
    """The model of a recipe whose weights are those that ``recipe.init`` names, as far as they fit.

    Heads are new where the classes, or the keypoints, are not those that the weights learned. Frozen norms keep the
    epsilon that the weights were trained with.

    Raises:
        RecipeError: the backbones differ; the message says which weights would fit.
        VisusError: there are no such weights.
    """
    from visus import catalog
    from visus.nn.backbones import without_pretrained
    from visus.nn.transfer import TransferError, load_matching, matching, parts
    from visus.nn.weights import frozen_eps, set_frozen_eps
    from visus.predict.stored import find_weights

    stored = find_weights(recipe.init)
    with without_pretrained(except_packaged=True):
        model = catalog.build_model(recipe.model, schema, recipe.model_options, body=own.body())
    source = stored.network(copy.deepcopy(own.body()) if stored.own_backbone else None)
    try:
        pairs = matching(model, source, new=_other_heads(recipe, schema, stored))
    except TransferError as error:
        raise RecipeError(
            f"init {recipe.init!r} ({stored.model}) does not fit {recipe.model}: {error}; weights of these fit: "
            f"{', '.join(_fitting(recipe, schema))}"
        ) from error
    load_matching(model, stored.state, pairs)
    epsilon = frozen_eps(source)
    if epsilon is not None:
        set_frozen_eps(model, epsilon)
    new = [name for name in model.state_dict() if name not in pairs and not name.endswith(".num_batches_tracked")]
    return model, Started(recipe.init, stored.model, tuple(parts(pairs, model)), tuple(parts(new, model)))


def _other_heads(recipe: Recipe, schema: Schema, stored: StoredWeights) -> set[str]:
    """The tensors that belong to classes or keypoints, where those of the weights are others than the data's."""
    from visus.nn.transfer import dependent

    same_points = _points(schema) == _points(stored.schema)
    varied = []
    if schema.categories != stored.schema.categories:
        one_more = (*schema.categories, "one more")
        varied.append(replace(schema, categories=one_more, category_ids=tuple(range(len(one_more)))))
    if schema.keypoints is not None and not same_points:
        points = schema.keypoints
        more = replace(points, names=(*points.names, "one more"), sigmas=(*points.sigmas, 1.0))
        varied.append(replace(schema, keypoints=more))
    if not varied:
        return set()
    plain = _outline(recipe.model, recipe, schema)
    return {name for other in varied for name in dependent(plain, _outline(recipe.model, recipe, other))}


def _points(schema: Schema) -> tuple[str, ...]:
    return schema.keypoints.names if schema.keypoints else ()


def _fitting(recipe: Recipe, schema: Schema) -> Iterator[str]:
    """The models of the catalog whose weights the model of ``recipe`` can start from."""
    from visus import catalog
    from visus.nn.transfer import TransferError, matching

    model = _outline(recipe.model, recipe, schema)
    for name in catalog.MODELS:
        try:
            matching(model, _outline(name, replace(recipe, model_options={}), schema))
        except TransferError:
            continue
        yield name


def _outline(name: str, recipe: Recipe, schema: Schema) -> nn.Module:
    """A model without memory for its tensors, which has their names and shapes."""
    import torch

    from visus import catalog
    from visus.nn.backbones import without_pretrained

    with warnings.catch_warnings(), without_pretrained(), torch.device("meta"):
        warnings.filterwarnings("ignore", "Initializing zero-element tensors")
        return catalog.build_model(name, schema, recipe.model_options)
