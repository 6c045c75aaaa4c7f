"""The folder of a run: recipe, weights, checkpoint, history, measures, each under one name and written whole or not.

=====================  ==============================================================================
``recipe.json``        the recipe
``weights.safetensors``  the best weights (the average, where one is kept), with model and schema as metadata
``last.ckpt``          everything that ``--resume`` needs
``metrics.csv``        one row an epoch
``curves.csv``         losses and measures over the steps, a few hundred rows
``metrics.json``       what the best weights measure
``tensorboard/``       the same curves, and the losses inside an epoch
=====================  ==============================================================================
"""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from visus.dataclass_json import to_json
from visus.errors import VisusError
from visus.names import closest_path
from visus.new_folder import release_folder, take_folder
from visus.training.recipe import OwnRecipe, Recipe
from visus.whole_file import sweep_parts, write_whole

if TYPE_CHECKING:
    from jaxtyping import Shaped
    from torch import Tensor

    from visus.types import Schema


THRESHOLD = "score threshold"
"""Under which name metrics.json has the least score of an object that the validation suggests."""


class RunError(VisusError):
    """A run folder is not what the command needs; the message says what to do."""


@dataclass(frozen=True)
class RunFolder:
    """One run on disk.

    Args:
        path: the folder; made by ``create``.
    """

    path: Path

    @property
    def recipe_file(self) -> Path:
        """The recipe, as JSON."""
        return self.path / "recipe.json"

    @property
    def weights(self) -> Path:
        """The best weights."""
        return self.path / "weights.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The state that ``--resume`` goes on from."""
        return self.path / "last.ckpt"

    @property
    def history_file(self) -> Path:
        """The measures of each epoch."""
        return self.path / "metrics.csv"

    @property
    def curves_file(self) -> Path:
        """The losses and measures over the steps, in a few hundred points."""
        return self.path / "curves.csv"

    @property
    def metrics_file(self) -> Path:
        """The measures of the best weights."""
        return self.path / "metrics.json"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's records."""
        return self.path / "tensorboard"

    @property
    def go_on(self) -> str:
        """What to do to go on with the run."""
        return f"Go on with: visus train {shlex.quote(str(self.path))} --resume"

    def create(self, recipe: Recipe) -> None:
        """Makes the folder and writes the recipe into it."""
        self.path.mkdir(parents=True, exist_ok=True)
        sweep_parts(self.path)
        write_whole(self.recipe_file, recipe.to_json())
        release_folder(self.path)

    def recipe(self) -> Recipe:
        """The recipe of the run.

        Raises:
            RunError: where the folder holds no recipe.
            RecipeError: where recipe.json is damaged.
        """
        if not is_run(self.path):
            raise RunError(f"{self.path} is no run folder: it has no recipe.json. {_meant(self.path)}")
        return Recipe.from_file(self.recipe_file)

    def save_weights(
        self,
        state: dict[str, Shaped[Tensor, " ..."]],
        recipe: Recipe,
        schema: Schema,
        *,
        frozen_eps: float | None = None,
    ) -> None:
        """Writes the weights with all that rebuilds the model: name, options, schema, epsilon of frozen norms."""
        from visus import __version__
        from visus.nn.weights import save_weights

        metadata = {
            "visus": __version__,
            "model": recipe.model,
            "options": json.dumps(recipe.model_options),
            "schema": to_json(schema),
            **({} if recipe.own == OwnRecipe() else {"own": to_json(recipe.own)}),
            **({} if frozen_eps is None else {"frozen_eps": repr(frozen_eps)}),
        }
        save_weights(self.weights, state, metadata)

    def write_history(self, epochs: list[dict[str, float]], curves: list[dict[str, float]]) -> None:
        """Writes a line for each epoch, and a line for each point of the curves."""
        write_whole(self.history_file, _csv(epochs))
        write_whole(self.curves_file, _csv(curves))

    def history(self) -> list[dict[str, float]]:
        """The measures of each epoch, oldest first; empty before the first epoch ends.

        Raises:
            RunError: the file is not what was written.
        """
        return _read_csv(self.history_file)

    def curves(self) -> list[dict[str, float]]:
        """The points of the curves, by step; empty before the first epoch ends. Errors as for `history`."""
        return _read_csv(self.curves_file)

    def write_metrics(self, metrics: Mapping[str, object], file: Path | None = None) -> None:
        """Writes what the best weights measure, to ``metrics.json`` unless another file is named."""
        write_whole(file or self.metrics_file, json.dumps(metrics, indent=2) + "\n")

    def metrics(self) -> dict[str, object]:
        """What the best weights measure, as ``write_metrics`` wrote it.

        Raises:
            RunError: where the run has not been measured, or the file is not what was written.
        """
        if not self.metrics_file.is_file():
            raise RunError(
                f"{self.path} has no metrics.json: its training is not over. visus evaluate measures it now."
            )
        try:
            numbers = json.loads(self.metrics_file.read_text(encoding="utf-8"))
        except ValueError as error:  # of the encoding, or of JSON
            raise RunError(f"{self.metrics_file} is no JSON ({error}): {self._anew}") from error
        if not isinstance(numbers, dict):
            raise RunError(f"{self.metrics_file} does not hold the numbers of a run: {self._anew}")
        return numbers

    def threshold(self) -> float | None:
        """The least score of an object that the validation suggests; None where it suggests none."""
        value = self.metrics().get(THRESHOLD) if self.metrics_file.is_file() else None
        return value if isinstance(value, float) and 0 <= value <= 1 else None

    @property
    def _anew(self) -> str:
        return f"visus evaluate {shlex.quote(str(self.path))} writes it anew"


def _meant(path: Path) -> str:
    """What to say of a folder that is no run: the one that was probably meant."""
    if path.parts[:1] == ("hf:",):  # an address, whose slashes are one as a path
        return f"`visus hub pull hf://{'/'.join(path.parts[1:])}` fetches it and prints its folder."
    in_runs = Path("runs") / path
    near = str(in_runs) if (in_runs / "recipe.json").is_file() else None if path.exists() else closest_path(path)
    return f"Did you mean {near}?" if near else "Runs lie in runs/ unless --run says else."


def _csv(rows: list[dict[str, float]]) -> str:
    """Rows as CSV with six digits; what a row lacks stays empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in rows)
    return text.getvalue()


def _read_csv(path: Path) -> list[dict[str, float]]:
    """The rows that ``_csv`` wrote; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        try:
            return [{name: float(value) for name, value in row.items() if value} for row in rows]
        except (ValueError, TypeError, csv.Error) as error:  # no number, too many cells, no text
            reason = " ".join(str(error).split())[:120]
            where = f"{path}: damaged near line {max(1, rows.line_num)} ({reason})"
            raise RunError(f"{where}; move it away to go on without what it holds") from error


def is_run(path: Path) -> bool:
    """Whether a folder is that of a run."""
    return (path / "recipe.json").is_file()


def run_of(model: Path) -> RunFolder | None:
    """The run that a folder is, or that a file of best weights lies in; None where it is neither."""
    folder = model.parent if model.name == "weights.safetensors" else model
    return RunFolder(folder) if is_run(folder) else None


def new_run(wanted: Path) -> RunFolder:
    """The first free folder of ``wanted``, ``wanted-2``, ``wanted-3`` ...; an existing one is never written over.

    An empty folder counts as free. Two commands started together never share it: ``create`` ends the claim.
    """
    return RunFolder(take_folder(wanted, numbered=True))


def resumable_run(path: Path) -> RunFolder:
    """The run at ``path``, checked to hold a checkpoint.

    Raises:
        RunError: where there is none.
    """
    run = RunFolder(path)
    if not run.checkpoint.is_file():
        raise RunError(f"Nothing to resume: {run.checkpoint} does not exist. Leave --resume out to start a new run.")
    return run
