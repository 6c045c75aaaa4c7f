"""From names to things: look one up, or say which name was probably meant; options of a builder, checked."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, get_type_hints

from visus.dataclass_json import WrongKindError, converted

_Entry = TypeVar("_Entry")


def find(entries: Mapping[str, _Entry], name: str, kind: str) -> _Entry:
    """The entry called ``name``.

    Args:
        entries: what there is, by name.
        name: what is wanted.
        kind: what the entries are called, for the message.

    Raises:
        ValueError: there is none; the message has the nearest name and all that exist.
    """
    if name in entries:
        return entries[name]
    raise ValueError(f"there is no {kind} called {name!r}{suggestion(name, entries)}")


def closest(name: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant, None where nothing comes near."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return near[0] if near else None


def suggestion(name: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest one and all that exist."""
    known = list(names)
    near = closest(name, known)
    hint = f"; did you mean {near}?" if near else ";"
    return f"{hint} There are: {', '.join(sorted(known))}" if known else f"{hint} there are none"


def build(
    builder: Callable[..., _Entry],
    options: Mapping[str, Any],
    *,
    what: str,
    facts: Mapping[str, Any] | None = None,
) -> _Entry:
    """Calls ``builder`` with the options that somebody chose, and with those facts that it takes.

    Args:
        builder: a function or class with named arguments.
        options: chosen by name; each must be an argument of the builder and of the kind that its annotation asks for.
        what: what is built, for messages.
        facts: what the data or the model decides; arguments that the builder does not have are left out.

    Raises:
        ValueError: an option does not exist or is of the wrong kind.
    """
    known = inspect.signature(builder).parameters
    hints = get_type_hints(builder.__init__ if inspect.isclass(builder) else builder)
    chosen = {}
    for name, value in options.items():
        find(known, name, f"option of {what}")
        try:
            chosen[name] = converted(hints.get(name, Any), value, name)
        except WrongKindError as error:
            raise ValueError(f"option of {what}: {error}") from error
    given = {name: value for name, value in (facts or {}).items() if name in known}
    return builder(**(given | chosen))
