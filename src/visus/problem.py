"""What a problem says of itself: its networks, losses and metric. Everything outside of its package reads this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from visus.names import UnknownNameError, build, find
from visus.training.recipe import Recipe, RecipeError
from visus.types import Batch, Schema

if TYPE_CHECKING:
    from visus.metrics.metric import Metric
    from visus.metrics.objects import ObjectMetric
    from visus.training.update import Update

Builder = Callable[..., Any]
"""Makes a model or a loss from named options."""


def _nothing(model: Any) -> Mapping[str, Any]:
    return {}


def _itself(name: str, loss: Any) -> Any:
    return loss


@dataclass(frozen=True)
class Architecture:
    """Networks of one kind and the losses that they can learn by.

    Args:
        models: builders by name, with keyword arguments; those called ``num_classes``, ``num_keypoints``,
            ``keypoint_labels``, ``masks``, ``num_attributes`` and ``num_predicates`` are decided by the data; one
            called ``body`` takes a backbone of the program's in place of the usual one.
        losses: builders by name, the usual one first. ``criterion(outputs, targets)`` gives named scalars. Arguments
            called ``num_classes`` or as in ``facts`` are decided by data and model.
        facts: what a loss may need to know of its model, by the name of the argument.
        criterion: makes a criterion of what a loss's builder returns.
    """

    models: Mapping[str, Builder]
    losses: Mapping[str, Builder]
    facts: Callable[[Any], Mapping[str, Any]] = _nothing
    criterion: Callable[[str, Any], Any] = _itself


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem.

    Args:
        name: of its package.
        targets: the kinds of target that its networks learn from.
        inputs: the kinds of input that they look at: an image is a tensor.
        architectures: its networks.
        metric: makes the usual metric from model, recipe and schema; raises RecipeError where data and model do not
            fit.
        metrics: those that a recipe may name instead.
        examined: makes what the last evaluation looks at besides: what is found at one least score, given or chosen.
        vary: makes what changes whole training batches at random, from recipe and schema; None changes none.
        batch_options: the fields of the recipe's ``data.augment`` that ``vary`` reads.
        update: makes the rounds of training where one optimiser does not do, from model, criterion and recipe, or None
            where it does; see `visus.training.update.Update`.
        val_losses: False where losses make no sense on validation data, whose classes are not the learned ones.
        unseen_classes: whether it is measured on classes that were not learned.
        noun: what its inputs are called in what is printed.
        averaged: makes of a model one that averages several looks, by the names of what can be asked for.
    """

    name: str
    targets: tuple[type, ...]
    inputs: tuple[type, ...] = (Tensor,)
    architectures: tuple[Architecture, ...]
    metric: Callable[[Any, Recipe, Schema], Metric]
    metrics: Mapping[str, Callable[[Any, Recipe, Schema], Metric]] = field(default_factory=dict)
    examined: Callable[[Schema, float | None], ObjectMetric] | None = None
    vary: Callable[[Recipe, Schema], Callable[[Batch], Batch] | None] | None = None
    batch_options: tuple[str, ...] = ()
    update: Callable[[Any, Any, Recipe], Update | None] | None = None
    val_losses: bool = True
    unseen_classes: bool = False
    noun: str = "images"
    averaged: Callable[..., nn.Module] | None = None
    models: Mapping[str, Builder] = field(init=False)
    losses: Mapping[str, Builder] = field(init=False)

    def __post_init__(self) -> None:
        models = {name: make for one in self.architectures for name, make in one.models.items()}
        losses = {name: make for one in self.architectures for name, make in one.losses.items()}
        object.__setattr__(self, "models", models)
        object.__setattr__(self, "losses", losses)

    def metric_of(self, model: nn.Module, recipe: Recipe, schema: Schema) -> Metric:
        """The metric that ``recipe`` names, or the usual one.

        Raises:
            RecipeError: the problem has no such metric, or data and model do not fit.
        """
        if not recipe.metric:
            return self.metric(model, recipe, schema)
        try:
            return find(self.metrics, recipe.metric, f"metric of {recipe.model}")(model, recipe, schema)
        except UnknownNameError as error:
            raise RecipeError(str(error)) from error

    def criterion(self, model: nn.Module, recipe: Recipe, schema: Schema) -> Any:
        """The criterion that ``recipe`` names for its model, or that model's usual one.

        Raises:
            RecipeError: the model cannot learn by that loss, or the loss has no such option.
        """
        one = next(one for one in self.architectures if recipe.model in one.models)
        name = recipe.loss or next(iter(one.losses))
        facts = {"num_classes": schema.num_classes, **one.facts(model)}
        if decided := sorted(facts.keys() & recipe.loss_options.keys()):
            raise RecipeError(f"{decided[0]} is no option of the loss {name}: it is decided by the data and the model")
        try:
            builder = find(one.losses, name, f"loss of {recipe.model}")
            return one.criterion(name, build(builder, recipe.loss_options, what=f"the loss {name}", facts=facts))
        except ValueError as error:
            raise RecipeError(str(error)) from error
