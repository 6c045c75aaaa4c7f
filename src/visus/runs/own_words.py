"""Parts of a training that the command line names, ``--own.loss my.py:Hinge``: where they are, and how they are made.

Only words that were typed are looked up, never those that a recipe records: a recipe from elsewhere runs no code.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from visus.names import closest_path, suggestion
from visus.training.recipe import OwnRecipe, RecipeError

_MADE: Final = frozenset({"data", "val"})
"""Parts that a function may make, too; of others a function is the part."""


def typed_parts(typed: OwnRecipe, recorded: OwnRecipe) -> dict[str, Any]:
    """The parts that were typed, by the names that `visus.train` has for them.

    Args:
        typed: the recipe with what was typed.
        recorded: the recipe without.

    Raises:
        RecipeError: there is no such part; the message has the option, the word and what is wrong.
    """
    words = {one.name: getattr(typed, one.name) for one in fields(OwnRecipe)}
    return {name: part_of(word, name) for name, word in words.items() if word != getattr(recorded, name)}


def part_of(word: str, name: str) -> Any:
    """The part that FILE.py:NAME or MODULE:NAME stands for.

    Args:
        word: what was typed.
        name: of the part, a field of `OwnRecipe`. A backbone is left to be made when the seed is set.

    Raises:
        RecipeError: as for `typed_parts`.
    """
    asked = f"--own.{name} {word}"
    place, colon, found = word.rpartition(":")
    if not colon or not place or not found.isidentifier():
        raise RecipeError(f"{asked}: must be FILE.py:NAME or MODULE:NAME")
    module = _module(place, asked)
    if not hasattr(module, found):
        raise RecipeError(f"{asked}: {place} has no {found}{suggestion(found, _public(module))}")
    part = getattr(module, found)
    makes = isinstance(part, type) or (name in _MADE and callable(part) and not hasattr(part, "__getitem__"))
    if name == "backbone" or not makes:
        return part
    try:
        return part()
    except Exception as error:
        raise RecipeError(f"{asked}: cannot be made without arguments ({_said(error)})") from error


def _module(place: str, asked: str) -> ModuleType:
    """The module of a file or of a dotted name."""
    file = Path(place).expanduser()
    is_file = file.suffix == ".py"
    if is_file and not file.is_file():
        near = closest_path(file)
        raise RecipeError(f"{asked}: there is no file {place}{f'; did you mean {near}?' if near else ''}")
    try:
        return _of_file(file.resolve()) if is_file else importlib.import_module(place)
    except Exception as error:
        raise RecipeError(f"{asked}: {place} cannot be imported ({_said(error)})") from error


def _of_file(file: Path) -> ModuleType:
    """The module in a file, imported once; it finds modules beside it, after all that are installed."""
    name = file.stem
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(file):
        return known
    if known is not None or importlib.util.find_spec(name) is not None:
        name = f"{name}_of_your_own"  # a file called random.py stands in nobody's place
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError("it is no module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look for it there
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _public(module: ModuleType) -> list[str]:
    """What a module defines itself."""
    mine = (name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__)
    return [name for name in mine if not name.startswith("_")]


def _said(error: BaseException) -> str:
    """An error in one line, with the line of the file where Python knows it."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    said = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return f"{type(error).__name__}: {said}{f', line {line}' if line else ''}"
