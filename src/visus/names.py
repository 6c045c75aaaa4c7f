"""From names to things: look one up, or say which name was probably meant; options of a builder, checked; counts."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, get_type_hints

from visus.dataclass_json import WrongKindError, converted
from visus.errors import VisusError

_Entry = TypeVar("_Entry")
_MOST_LISTED = 40


class UnknownNameError(VisusError, ValueError):
    """A name, or a value of an option, that does not exist; the message says what does."""


_First = TypeVar("_First")
_Options = ParamSpec("_Options")


def find(entries: Mapping[str, _Entry], name: str, kind: str) -> _Entry:
    """The entry called ``name``.

    Args:
        entries: what there is, by name.
        name: what is wanted.
        kind: what the entries are called, for the message.

    Raises:
        UnknownNameError: there is none; the message has the nearest name and what exists.
    """
    if name in entries:
        return entries[name]
    raise UnknownNameError(f"there is no {kind} called {name!r}{suggestion(name, entries)}")


def closest(name: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant, None where nothing comes near."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return near[0] if near else None


def closest_path(path: str | Path) -> str | None:
    """The file or folder that was probably meant: the nearest name beside a path that does not exist.

    Capitals do not count, and the same name with another ending comes first.
    """
    wanted = Path(path).expanduser()
    try:
        beside = {other.name.casefold(): other.name for other in wanted.parent.iterdir()}
    except (OSError, ValueError):
        return None
    stem = wanted.stem.casefold()
    near = next((name for name in sorted(beside) if stem and Path(name).stem == stem), None)
    near = near or closest(wanted.name.casefold(), beside)
    return None if near is None else str(Path(path).parent / beside[near])


def suggestion(name: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest one, and all that exist where they are not too many."""
    known = sorted(names)
    near = closest(name, known)
    if near is None:
        return f"; there are: {', '.join(known)}" if known else "; there are none"
    listed = f" There are: {', '.join(known)}" if len(known) <= _MOST_LISTED else ""
    return f"; did you mean {near}?{listed}"


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
        UnknownNameError: an option does not exist or is of the wrong kind.
    """
    known = inspect.signature(builder).parameters
    hints = get_type_hints(builder.__init__ if inspect.isclass(builder) else builder)
    chosen = {}
    for name, value in options.items():
        find(known, name, f"option of {what}")
        try:
            chosen[name] = converted(hints.get(name, Any), value, name)
        except WrongKindError as error:
            raise UnknownNameError(f"option of {what}: {error}") from error
    given = {name: value for name, value in (facts or {}).items() if name in known}
    return builder(**(given | chosen))


def named(
    name: str,
    build: Callable[Concatenate[_First, _Options], _Entry],
    first: _First,
    about: str,
    **defaults: Any,
) -> Callable[_Options, _Entry]:
    """A builder of its own, called ``name``: ``build`` with its first argument decided and with other defaults.

    Builders that differ in little more than a name share one signature in this way. Each still shows it: signature,
    annotations and documentation are those of ``build`` without its first argument.

    Args:
        name: of the builder, and of the variable that holds it.
        build: a function whose other arguments all have a name.
        first: its first argument.
        about: begins the documentation; what ``build`` says of its arguments follows.
        defaults: of arguments whose default differs from that of ``build``.

    Raises:
        ValueError: ``build`` has no argument of the name of a default.
    """
    signature = inspect.signature(build)
    decided, *others = signature.parameters
    for option in defaults:
        find(dict.fromkeys(others), option, f"option of {name}")

    def builder(*given: _Options.args, **options: _Options.kwargs) -> _Entry:
        return build(first, *given, **{**defaults, **options})

    functools.update_wrapper(builder, build, assigned=("__module__",), updated=())
    builder.__name__ = builder.__qualname__ = name
    builder.__annotations__ = {key: kind for key, kind in build.__annotations__.items() if key != decided}
    _, arguments, rest = (inspect.getdoc(build) or "").partition("Args:\n")
    builder.__doc__ = f"{about}\n\n{arguments}{rest}".strip()
    parameters = [signature.parameters[key] for key in others]
    builder.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[one.replace(default=defaults.get(one.name, one.default)) for one in parameters]
    )
    return builder


def counted(number: int, plural: str) -> str:
    """A count with its noun: ``1 image``, ``2 images``, ``1 class``, ``1 category``, ``1,200 boxes``."""
    if number != 1:
        return f"{number:,} {plural}"
    if plural.endswith("ies"):
        return f"1 {plural[:-3]}y"
    return f"1 {plural[:-2] if plural.endswith(('sses', 'xes')) else plural.removesuffix('s')}"
