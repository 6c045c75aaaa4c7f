"""From what was typed to a recipe: a name, a recipe.json, a folder of data, or what was probably meant.

Nothing heavy is imported before a folder is looked at, so that a wrong name is answered at once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from visus.errors import VisusError
from visus.names import closest_path, suggestion
from visus.recipes import RECIPES
from visus.training.recipe import Recipe, RecipeError
from visus.training.run import RunFolder, is_run

if TYPE_CHECKING:
    from visus.data.entry import Void

_OF_A_RUN = (".safetensors", ".ckpt", ".csv", ".html")
_DESCRIBES_DATA = (".yaml", ".yml")
_ANNOTATION_KEYS = {"images", "annotations", "categories", "shapes", "features"}


def find_recipe(name: str | Path, *, dataset: str = "", void: Void = "auto") -> Recipe:
    """The recipe called ``name``, that of a JSON file or of a run, or the one that suits the folder ``name``.

    Args:
        name: the name.
        dataset: what a folder holds, a name of `visus list datasets`; empty recognises it.
        void: what 255 means in the masks of a folder.

    Raises:
        VisusError: neither exists; the message says what was probably meant.
    """
    text, path = str(name), Path(name).expanduser()
    if text in RECIPES:
        return RECIPES[text]()
    if text and path.is_dir():
        return _of_folder(path, dataset, void)
    if path.is_file():
        return _of_file(text, path)
    raise VisusError(_unknown(text))


def recipe_name(name: str | Path) -> str:
    """The name of the recipe that `find_recipe` finds, by which its runs are called; a folder's
    annotations are not read.

    Raises:
        VisusError: as `find_recipe`.
    """
    path = Path(name).expanduser()
    if str(name) not in RECIPES and path.is_dir() and not is_run(path):
        from visus.data.recognise import find_dataset
        from visus.recipes.folder import name_of

        return name_of(find_dataset(path)[1])
    return find_recipe(name).name


def read_recipe(file: Path) -> Recipe:
    """The recipe in a JSON file, such as the ``recipe.json`` of a run.

    Raises:
        RecipeError: the file is no recipe; the message names it, and what it is where that can be told.
    """
    try:
        return Recipe.from_file(file)
    except RecipeError as error:
        if _holds_annotations(file):
            raise RecipeError(
                f"{file}: holds annotations, not a recipe; give the folder of the data instead: "
                f"did you mean `visus train {_data_folder(file)}`?"
            ) from error
        raise


def _of_folder(folder: Path, dataset: str, void: Void) -> Recipe:
    if is_run(folder):  # to be repeated
        return RunFolder(folder).recipe()
    from visus.recipes import for_folder  # the readers import torch

    return for_folder(folder, dataset=dataset, void=void)


def _of_file(text: str, file: Path) -> Recipe:
    if file.suffix.lower() in _OF_A_RUN and is_run(file.parent):
        meant = f"visus train {file.parent}"
        raise VisusError(f"{text}: part of a run, not a recipe; did you mean `{meant}`?")
    if file.suffix.lower() in _DESCRIBES_DATA:
        meant = f"visus train {file.parent}"
        raise VisusError(f"{text}: describes data; the folder of the data decides the recipe: did you mean `{meant}`?")
    return read_recipe(file)


def _holds_annotations(file: Path) -> bool:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(content, dict) and len(_ANNOTATION_KEYS & content.keys()) > 0


def _data_folder(file: Path) -> Path:
    """The folder of the data that an annotation file belongs to: COCO's lie one level below it."""
    return file.parent.parent if file.parent.name == "annotations" else file.parent


def _unknown(text: str) -> str:
    """Why a word is no recipe, and what was probably meant."""
    if not text:
        return f"the name of the recipe is empty; there are: {', '.join(sorted(RECIPES))}"
    by_model = [name for name, make in RECIPES.items() if make().model == text]
    if by_model:
        return f"{text!r} is a model, not a recipe; did you mean {' or '.join(sorted(by_model))}, which trains it?"
    if "/" in text or Path(text).suffix:
        near = closest_path(text)
        return f"{text}: no such recipe, file or folder{f'; did you mean {near}?' if near else ''}"
    return f"{text!r} is neither a recipe nor a recipe.json nor a folder of data{suggestion(text, RECIPES)}"
