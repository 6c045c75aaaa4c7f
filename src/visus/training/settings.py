"""A recipe with other values of single fields, by the names that the command line has: ``optim.lr``, ``fit.epochs``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, get_origin, get_type_hints

import numpy as np

from visus.dataclass_json import WrongKindError, converted
from visus.names import suggestion
from visus.training.recipe import Recipe, RecipeError

SHORT: Final = {
    "init": "init",
    "epochs": "fit.epochs",
    "minutes": "fit.max_minutes",
    "seed": "fit.seed",
    "batch_size": "data.batch_size",
    "lr": "optim.lr",
}
"""What `visus.train` calls the fields that are changed most."""


def changed(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe with other values of some fields.

    Args:
        recipe: any.
        settings: values by dotted names: of a field ("optim.lr", "data.augment.flip"), or of an entry of a field that
            is a dict ("model_options.size").

    Raises:
        RecipeError: there is no such field, or the value is of the wrong kind or not allowed.

    >>> recipe = Recipe(name="mine", model="ssd_lite0")
    >>> changed(recipe, {"optim.lr": 1, "model_options.size": 128}).model_options
    {'size': 128}
    """
    for name, value in settings.items():
        try:
            recipe = _with(recipe, name.split("."), value, name, recipe)
        except WrongKindError as error:
            raise RecipeError(str(error)) from error
    return recipe


def _with(record: Any, path: list[str], value: Any, name: str, recipe: Recipe) -> Any:
    """``record`` with the value at the end of ``path``."""
    first, *rest = path
    if first not in {field.name for field in fields(record)}:
        raise _unknown(name, recipe)
    old, hint = getattr(record, first), get_type_hints(type(record))[first]
    if is_dataclass(old):
        if not rest:
            raise RecipeError(f"{name} has fields of its own; change one, such as {name}.{fields(old)[0].name}")
        return replace(record, **{first: _with(old, rest, value, name, recipe)})
    if rest and get_origin(hint) is dict:
        value = {**old, ".".join(rest): _plain(value)}
    elif rest:
        raise _unknown(name, recipe)
    return replace(record, **{first: converted(hint, _plain(value), name)})


def _plain(value: Any) -> Any:
    """A number of numpy's as one of Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _unknown(name: str, recipe: Recipe) -> RecipeError:
    if name in SHORT:
        return RecipeError(f"a recipe has no field {name!r}; did you mean {SHORT[name]}?")
    return RecipeError(f"a recipe has no field {name!r}{suggestion(name, _names(recipe, ''))}")


def _names(record: Any, prefix: str) -> Iterator[str]:
    """The dotted names of all fields."""
    for field in fields(record):
        value = getattr(record, field.name)
        if is_dataclass(value):
            yield from _names(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name
