"""Recipes as JSON: written into each run folder, read back with every key and kind of value checked."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from visus.training.recipe import Recipe, RecipeError

_Record = TypeVar("_Record")


def to_json(recipe: Recipe) -> str:
    """The recipe as indented JSON text, in the order of its fields."""
    return json.dumps(asdict(recipe), indent=2) + "\n"


def from_json(text: str) -> Recipe:
    """The recipe that ``to_json`` wrote.

    Raises:
        RecipeError: for text that is no JSON object, an unknown or missing key, or a value of the wrong kind or range.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise RecipeError(f"A recipe must be JSON, but line {error.lineno} is not: {error.msg}.") from error
    return _record(Recipe, values, "")


def _record(kind: type[_Record], values: object, where: str) -> _Record:
    """Builds the dataclass ``kind`` from a JSON object that stands at ``where`` in the recipe."""
    place = where or "the recipe"
    if not isinstance(values, dict):
        raise RecipeError(f"{place} must be a JSON object, not {values!r}.")
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(values.keys() - known.keys()):
        raise RecipeError(f"{place} has no {', '.join(map(repr, unknown))}. It has: {', '.join(known)}.")
    required = [f.name for f in known.values() if f.default is MISSING and f.default_factory is MISSING]
    if missing := [name for name in required if name not in values]:
        raise RecipeError(f"{place} lacks {', '.join(map(repr, missing))}.")
    hints = get_type_hints(kind)
    prefix = f"{where}." if where else ""
    return kind(**{name: _value(hints[name], value, prefix + name) for name, value in values.items()})


def _value(hint: Any, value: object, where: str) -> Any:
    """``value`` as the kind that ``hint`` asks for: JSON's lists become tuples, whole numbers become floats."""
    if is_dataclass(hint) and isinstance(hint, type):
        return _record(hint, value, where)
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal and value in inner:
        return value
    if origin in (Union, UnionType):
        return _one_of(inner, value, where)
    if origin is tuple and isinstance(value, list):
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
        if len(kinds) == len(value):
            return tuple(_value(kind, item, where) for kind, item in zip(kinds, value, strict=True))
    if origin is dict and isinstance(value, dict):
        return {key: _value(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    if hint is float and type(value) in (int, float):
        return float(value)  # type: ignore[arg-type]
    if origin is None and type(value) is hint:  # exactly: True is no number here
        return value
    raise RecipeError(f"{where} must be {_words(hint)}, not {value!r}.")


def _one_of(kinds: tuple[Any, ...], value: object, where: str) -> Any:
    """``value`` as itself where one of ``kinds`` is its own, else as the first that takes it."""
    if type(value) in kinds:
        return value
    for kind in kinds:
        try:
            return _value(kind, value, where)
        except RecipeError:
            continue
    raise RecipeError(f"{where} must be {' or '.join(map(_words, kinds))}, not {value!r}.")


def _words(hint: Any) -> str:
    """How a message calls a kind of value."""
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    named = {int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "null"}
    return named.get(hint, "a list" if get_origin(hint) is tuple else str(hint))
