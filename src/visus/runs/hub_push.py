"""A run, put on the Hugging Face Hub: its weights, recipe, schema, numbers, and a page that says what they are."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from visus import __version__
from visus.dataclass_json import to_json
from visus.predict.hub import MANIFEST, RUN_FILES, HubError, asked, hub_package, sha256_of
from visus.predict.model_words import HUB
from visus.predict.stored import find_weights
from visus.runs.model_card import model_card
from visus.training.run import RunFolder
from visus.types import Schema


def push(
    run: str | Path, repository: str, *, public: bool = False, licence: str | None = None, message: str = ""
) -> str:
    """Puts a run on the Hub, in one commit; earlier ones stay in the repository's history.

    Paths of this machine that the recipe holds are left out, but for the names of their last folders.

    Args:
        run: the folder.
        repository: ``user/name``, made where it does not exist.
        public: everybody may read a repository that is made; one that exists stays as it is.
        licence: of the weights, as the Hub calls it, such as ``apache-2.0``.
        message: of the commit.

    Returns:
        The address that loads this very commit, ``hf://user/name@commit``.

    Raises:
        HubError: the Hub does not take it.
        VisusError: there is no such run.
    """
    folder, repository = RunFolder(Path(run).expanduser()), repository.removeprefix(HUB)
    schema, address = find_weights(folder.path).schema, f"{HUB}{repository}"
    folder.recipe()
    api = hub_package().HfApi(library_name="visus", library_version=__version__)
    with tempfile.TemporaryDirectory() as place:
        staged = stage(folder, schema, Path(place), address, licence=licence)
        asked(address, lambda: api.create_repo(repository, private=not public, exist_ok=True))
        done: Any = asked(
            address,
            lambda: api.upload_folder(
                repo_id=repository, folder_path=staged, commit_message=message or f"A run of visus {__version__}"
            ),
        )
    return f"{address}@{done.oid}"


def stage(run: RunFolder, schema: Schema, place: Path, address: str, *, licence: str | None = None) -> Path:
    """Writes into ``place`` what is pushed, and nothing else of the run: no checkpoint, no report, no pictures.

    Raises:
        HubError: the run has no weights.
    """
    write = {"recipe.json": _portable(run), "schema.json": to_json(schema) + "\n"}
    for name, text in write.items():
        (place / name).write_text(text, encoding="utf-8")
    for pattern in RUN_FILES:
        for file in sorted(run.path.glob(pattern)):
            inside = file.relative_to(run.path)
            if str(inside) not in write:
                (place / inside).parent.mkdir(exist_ok=True)
                shutil.copyfile(file, place / inside)
    if not (place / run.weights.name).is_file():
        raise HubError(f"{run.path}: no {run.weights.name} here: the training has not reached a validation")
    files = {file.relative_to(place).as_posix(): sha256_of(file) for file in sorted(place.rglob("*")) if file.is_file()}
    (place / MANIFEST).write_text(json.dumps({"visus": __version__, "files": files}, indent=1) + "\n")
    (place / "README.md").write_text(model_card(run, schema, address, licence=licence), encoding="utf-8")
    return place


def _portable(run: RunFolder) -> str:
    """The recipe without the paths of this machine."""
    recipe = json.loads(run.recipe().to_json())
    for holder, key in ((recipe["data"], "root"), (recipe, "init"), (recipe["optim"], "weights")):
        text = holder.get(key)
        if isinstance(text, str) and (Path(text).is_absolute() or text.startswith("~")):
            holder[key] = Path(text).name
    return json.dumps(recipe, indent=2) + "\n"
