"""Where curves are recorded beside the files of a run: TensorBoard, Weights & Biases or MLflow, by Lightning."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from visus.training.recipe import Recipe, RecipeError, settings
from visus.training.run import RunFolder
from visus.whole_file import write_whole

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

PACKAGES = {"tensorboard": ("tensorboard",), "wandb": ("wandb",), "mlflow": ("mlflow",), "none": ()}
"""What each kind of record needs, by the values of ``fit.logger``."""

_IDENTITY = "logger.txt"


def require_logger(name: str) -> None:
    """Refuses a logger whose package is not installed, before any work is done.

    Raises:
        RecipeError: the message has the line that installs it.
    """
    for package in PACKAGES[name]:
        if find_spec(package) is None:
            raise RecipeError(
                f"fit.logger {name!r} needs the package {package}, which is not installed: pip install {package}"
            )


def make_loggers(recipe: Recipe, run: RunFolder, *, rounds: int | None) -> list[Logger]:
    """The logger that the recipe asks for, told the recipe when it begins; none where it asks for none.

    Args:
        recipe: names it, and is recorded with it.
        run: the folder; what the logger keeps on this machine lies there.
        rounds: those of the checkpoint that training goes on from, with the record that was begun; None begins one.

    Raises:
        RecipeError: its package is not installed.
    """
    require_logger(recipe.fit.logger)
    loggers = LOGGERS[recipe.fit.logger](recipe, run, rounds)
    for logger in loggers if rounds is None else ():  # MLflow refuses to have them changed
        logger.log_hyperparams({name: str(value) for name, value in settings(recipe).items()})
    return loggers


def _tensorboard(recipe: Recipe, run: RunFolder, rounds: int | None) -> list[Logger]:
    """Curves in ``run/tensorboard``; points after the checkpoint are hidden, as they will be drawn again."""
    from pytorch_lightning.loggers import TensorBoardLogger

    options: dict[str, Any] = {} if rounds is None else {"purge_step": rounds + 1}
    folder = run.tensorboard
    return [TensorBoardLogger(folder.parent, name="", version=folder.name, default_hp_metric=False, **options)]


def _wandb(recipe: Recipe, run: RunFolder, rounds: int | None) -> list[Logger]:
    """A run of Weights & Biases in the project WANDB_PROJECT, or visus; its files lie in ``run/wandb``."""
    from pytorch_lightning.loggers import WandbLogger

    identity = _identity(run, rounds) or uuid4().hex[:8]
    _keep(run, identity)
    project = os.environ.get("WANDB_PROJECT", "visus")
    return [WandbLogger(name=run.path.name, project=project, save_dir=run.path, id=identity, resume="allow")]


def _mlflow(recipe: Recipe, run: RunFolder, rounds: int | None) -> list[Logger]:
    """A run of MLflow at MLFLOW_TRACKING_URI, or in ``run/mlflow.db``."""
    from pytorch_lightning.loggers import MLFlowLogger

    logger = MLFlowLogger(
        experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", "visus"),
        run_name=run.path.name,
        tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(run.path / 'mlflow.db').resolve()}",
        run_id=_identity(run, rounds),
    )
    if isinstance(logger.run_id, str):  # helping processes record nothing
        _keep(run, logger.run_id)
    return [logger]


def _identity(run: RunFolder, rounds: int | None) -> str | None:
    """Under which name a server knows the run that is resumed."""
    file = run.path / _IDENTITY
    return file.read_text(encoding="utf-8").strip() if rounds is not None and file.is_file() else None


def _keep(run: RunFolder, identity: str) -> None:
    write_whole(run.path / _IDENTITY, f"{identity}\n")


def _nothing(recipe: Recipe, run: RunFolder, rounds: int | None) -> list[Logger]:
    return []


LOGGERS: dict[str, Callable[[Recipe, RunFolder, int | None], list[Logger]]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
    "none": _nothing,
}
"""Makes each kind of record."""
