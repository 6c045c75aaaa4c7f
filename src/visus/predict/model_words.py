"""What to say of a word that means no model; nothing heavy is imported, so that it is said at once."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from visus.data.files.suffixes import SUFFIXES
from visus.names import closest, closest_path, suggestion
from visus.nn.published import PACKAGED, PUBLISHED
from visus.predict.sources import VIDEO_SUFFIXES

WEIGHTS_FILE: Final = "weights.safetensors"
HUB: Final = "hf://"
"""How the address of a run on the Hugging Face Hub begins."""
_RECIPE_FILE: Final = "recipe.json"


def why_no_model(name: str, *, models: Collection[str], recipes: Collection[str] = ()) -> str:
    """Why a word means neither a run nor weights; empty where it may mean one.

    Args:
        name: the word.
        models: the names of networks.
        recipes: the names of recipes.
    """
    path = Path(name).expanduser()
    if name.startswith(HUB):
        return ""
    if not name:
        return "the name of the model is empty; give a run folder or published weights (visus list weights)"
    if path.is_dir():
        return _why_no_run(name, path)
    if path.is_file():
        return _why_no_weights(name, path)
    if name in PUBLISHED or name in PACKAGED:
        return ""
    if (Path("runs") / name / WEIGHTS_FILE).is_file():
        return f"{name}: no such run folder here; did you mean runs/{name}?"
    if path.suffix or "/" in name:
        near = closest_path(name)
        return f"{name}: no such run folder or weights file{f'; did you mean {near}?' if near else ''}"
    if name in recipes:
        return f"{name} is a recipe, not a trained model; train it first (visus train {name}), then give the run folder"
    if name in models:
        return f"{name} has no published weights; train it first (visus train), then give the run folder"
    runs = _runs()
    if near := closest(name, runs):
        return f"{name}: neither a run folder nor published weights; did you mean {runs[near]}?"
    return f"{name}: neither a run folder nor published weights{suggestion(name, [*PUBLISHED, *PACKAGED])}"


def _why_no_run(name: str, folder: Path) -> str:
    if (folder / WEIGHTS_FILE).is_file():
        return ""
    if (folder / _RECIPE_FILE).is_file():
        return f"{name}: no {WEIGHTS_FILE} here: the training of this run has not reached a validation"
    return f"{name}: no {WEIGHTS_FILE} here: no run folder, or none that finished an epoch"


def _why_no_weights(name: str, file: Path) -> str:
    ending = file.suffix.lower()
    if ending in SUFFIXES or ending in VIDEO_SUFFIXES:
        return f"{name}: an image or a video, not a model; the model comes first: visus predict MODEL {name}"
    if ending != ".safetensors" and (file.parent / WEIGHTS_FILE).is_file():
        return f"{name}: part of a run, not its weights; did you mean {file.parent}?"
    return ""


def _runs() -> dict[str, str]:
    """Run folders in the working directory and in their usual place below it, by their names."""
    places = [*Path().glob(f"*/{WEIGHTS_FILE}"), *Path("runs").glob(f"*/{WEIGHTS_FILE}")]
    return {path.parent.name: str(path.parent) for path in sorted(places)}
