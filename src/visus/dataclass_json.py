"""Dataclasses as JSON and back: every key and every kind of value is checked against the fields' annotations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import MISSING, asdict, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

_Record = TypeVar("_Record")


class WrongKindError(ValueError):
    """A value that is not of the kind that an annotation asks for; the message names its place."""


def to_json(record: Any, *, indent: int | None = None) -> str:
    """A dataclass as JSON text, in the order of its fields."""
    return json.dumps(asdict(record), indent=indent)


def from_json(kind: type[_Record], text: str, *, what: str) -> _Record:
    """The dataclass ``kind`` that `to_json` wrote; fields that the text lacks take their defaults.

    Args:
        kind: the dataclass.
        text: a JSON object.
        what: what is read ("the recipe"), for messages.

    Raises:
        WrongKindError: for text that is no JSON object, an unknown or missing key, or a value of the wrong kind.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise WrongKindError(f"{what} must be JSON, but line {error.lineno} is not: {error.msg}.") from error
    return _record(kind, values, "", what)


def converted(hint: Any, value: object, where: str) -> Any:
    """``value`` as the kind that ``hint`` asks for: JSON's lists become tuples, whole numbers become floats.

    Kinds that JSON does not know (callables, tensors, protocols) are not looked at.

    Raises:
        WrongKindError: it is of another kind.
    """
    if is_dataclass(hint) and isinstance(hint, type):
        return _record(hint, value, where, where)
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal and value in inner:
        return value
    if origin in (Union, UnionType):
        return _one_of(inner, value, where)
    if origin is Sequence and isinstance(value, list | tuple):
        return tuple(converted(inner[0], item, where) for item in value)
    if origin is tuple and isinstance(value, list | tuple):
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
        if len(kinds) == len(value):
            return tuple(converted(kind, item, where) for kind, item in zip(kinds, value, strict=True))
    if origin is dict and isinstance(value, dict):
        return {key: converted(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    if hint is float and type(value) in (int, float):
        return float(cast(float, value))
    if hint in _PLAIN and type(value) is hint:  # exactly: True is no number here
        return value
    if hint in _PLAIN or origin in (Literal, Sequence, tuple, dict):
        raise WrongKindError(f"{where} must be {_words(hint)}, not {value!r}.")
    return value


_PLAIN = {int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "null"}


def _record(kind: type[_Record], values: object, where: str, what: str) -> _Record:
    """Builds the dataclass ``kind`` from a JSON object that stands at ``where``."""
    if not isinstance(values, dict):
        raise WrongKindError(f"{what} must be a JSON object, not {values!r}.")
    known = {f.name: f for f in fields(cast(Any, kind))}
    if unknown := sorted(values.keys() - known.keys()):
        raise WrongKindError(f"{what} has no {', '.join(map(repr, unknown))}. It has: {', '.join(known)}.")
    required = [f.name for f in known.values() if f.default is MISSING and f.default_factory is MISSING]
    if missing := [name for name in required if name not in values]:
        raise WrongKindError(f"{what} lacks {', '.join(map(repr, missing))}.")
    hints = get_type_hints(kind)
    prefix = f"{where}." if where else ""
    return kind(**{name: converted(hints[name], value, prefix + name) for name, value in values.items()})


def _one_of(kinds: tuple[Any, ...], value: object, where: str) -> Any:
    """``value`` as itself where one of ``kinds`` is its own, else as the first that takes it."""
    if type(value) in kinds:
        return value
    for kind in kinds:
        try:
            return converted(kind, value, where)
        except WrongKindError:
            continue
    raise WrongKindError(f"{where} must be {' or '.join(map(_words, kinds))}, not {value!r}.")


def _words(hint: Any) -> str:
    """How a message calls a kind of value."""
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    return _PLAIN.get(hint, "a list" if get_origin(hint) in (Sequence, tuple) else str(hint))
