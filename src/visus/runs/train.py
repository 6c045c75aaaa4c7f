"""What `visus train` and `visus evaluate` do, as functions: from a recipe to a run, from a run to its measures."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from visus.errors import VisusError
from visus.names import suggestion
from visus.runs.feed import as_learned, check_machine, check_recipe, open_split, train_loader, val_loader
from visus.runs.results import measure_weights, write_results
from visus.training.loggers import require_logger
from visus.training.recipe import Recipe, RecipeError, differences
from visus.training.run import RunFolder, is_run, new_run, resumable_run

if TYPE_CHECKING:
    from torch import nn

    from visus.data.feed.loader import SampleDataset
    from visus.types import Schema

SHARED_RUN = "VISUS_RUN_FOLDER"
"""Tells the processes that a training starts on this machine which folder the first one chose."""


def train(recipe: Recipe | str | Path, *, run: str | Path | None = None, resume: bool = False) -> Path:
    """Trains a recipe, measures its best weights and writes the report.

    Args:
        recipe: a recipe, the name of one, a recipe.json, a run, or a folder in a layout that is known.
        run: the folder of the run; ``runs/`` and the recipe's name when None. One that exists is never written over:
            the next free number is added.
        resume: go on in that very folder, from its checkpoint, with its recipe. A recipe that is given may differ from
            it in `CHANGEABLE` alone; a name has to be that of the run's recipe.

    Returns:
        The folder of the run: weights.safetensors, metrics.json, metrics.csv, report.html and more.

    Raises:
        VisusError: a name or a folder does not exist, the recipe does not fit the data or the run that is resumed, the
            training diverged.
    """
    if resume:
        run = run_to_resume(recipe, run).path
        recipe = resumed_recipe(recipe, RunFolder(run))
    if not isinstance(recipe, Recipe):
        recipe = find_recipe(recipe)
    console = Console(quiet=process_rank() > 0)
    wanted = Path(run) if run else Path("runs") / recipe.name
    require_logger(recipe.fit.logger)
    train_data, val_data = open_split(recipe, "train"), open_split(recipe, "val")
    schema = train_data.schema
    import torch

    from visus import catalog
    from visus.training.fit import fit

    problem = catalog.problem_of(recipe.model)
    check_recipe(recipe, problem, train_data)
    check_machine(recipe)
    torch.manual_seed(recipe.fit.seed)  # the weights that training starts from
    model = catalog.build_model(recipe.model, schema, recipe.model_options)
    task = catalog.build_task(model, recipe, schema)
    of, other = f"the split {recipe.data.train!r}", f"the split {recipe.data.val!r} of {recipe.data.root}"
    val_data = as_learned(recipe, problem, model, schema, val_data, of=of, other=other)
    loaders = train_loader(recipe, train_data, model), val_loader(recipe, val_data, model)
    folder = _run_folder(wanted, resume, console)  # made once nothing is refused any more
    if process_rank() == 0:
        folder.create(recipe)
    _announce(recipe, schema, (len(train_data), len(val_data)), model, console)
    done = len(folder.history()) if resume else 0
    result = fit(task, *loaders, recipe, folder, schema=schema, resume=resume)
    if not result.is_main:
        return folder.path
    if resume and len(result.history) == done >= recipe.fit.epochs:
        console.print(f"All {done} epochs were trained before; --fit.epochs asks for more.", highlight=False)
    if result.stop_reason:
        console.print(f"Stopped early: {result.stop_reason}.", soft_wrap=True, highlight=False)
    measured = measure_weights(folder, recipe, problem, task.model, task.metric, val_data, console=console)
    splits = _named(recipe, train_data, val_data)
    write_results(folder, recipe, problem, task.model, measured, splits, console, best_epoch=result.best_epoch)
    return folder.path


def evaluate(
    run: str | Path,
    *,
    root: str | Path | None = None,
    split: str | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    metric: str | None = None,
) -> dict[str, float]:
    """Measures the weights of a run.

    On the run's own validation data the numbers and the report are written anew; other data and other metrics have
    files of their own, ``metrics-SPLIT.json`` and ``report-SPLIT.html``, or ``metrics-SPLIT-METRIC.json`` and so on.
    There, objects are counted from the score on that the run's own validation suggested.

    Args:
        run: the folder of the run.
        root: another folder of data in the layout of the run's own.
        split: another split.
        device: such as ``cuda:1``; a GPU where there is one when None.
        batch_size: images at a time.
        metric: another metric of the problem, such as ``voc`` for a detector.

    Raises:
        VisusError: the folder holds no trained run, or the data does not name the categories that the run learned.
    """
    from visus.nn.device import find_device

    folder = RunFolder(Path(run))
    recipe = folder.recipe()
    if device is not None:
        find_device(device)  # before any work
    usual = metric in (None, "", recipe.metric)
    own = usual and root is None and split in (None, recipe.data.val)
    data = replace(
        recipe.data,
        root=str(root) if root is not None else recipe.data.root,
        val=split or recipe.data.val,
        val_length=recipe.data.val_length if root is None and split in (None, recipe.data.val) else None,
        batch_size=batch_size or recipe.data.batch_size,
    )
    asked = replace(recipe, data=data, metric=recipe.metric if metric is None else metric)
    dataset = open_split(asked, "val")
    schema = _learned_schema(folder)
    from visus import catalog

    model = catalog.build_model(recipe.model, schema, recipe.model_options)
    problem = catalog.problem_of(recipe.model)
    measuring = problem.metric_of(model, asked, schema)
    there = f"the split {data.val!r} of {data.root}"
    dataset = as_learned(asked, problem, model, schema, dataset, of=f"the run {folder.path}", other=there)
    console = Console()
    threshold = None if own else folder.threshold()
    measured = measure_weights(
        folder, asked, problem, model, measuring, dataset, console=console, device=device, threshold=threshold
    )
    part = "" if own else f"{data.val}{'' if usual else f'-{metric}'}"
    splits = _with_training(recipe, asked, dataset)
    write_results(folder, asked, problem, model, measured, splits, console, part=part)
    return measured.numbers


CHANGEABLE = frozenset(
    {f"fit.{name}" for name in ("epochs", "max_steps", "max_minutes", "early_stop_patience", "val_every_epochs")}
    | {f"fit.{name}" for name in ("logger", "log_every_steps", "save_every_minutes", "accelerator", "devices", "nodes")}
    | {"data.root", "data.workers", "optim.lr", "optim.clip_norm"}
)
"""What may be another when a run goes on: how long, where, and what helps a training that diverged."""


def run_to_resume(recipe: Recipe | str | Path, run: str | Path | None) -> RunFolder:
    """The run to go on with: ``run``, or ``recipe`` where that is a run, or the folder of its name.

    Raises:
        VisusError: there is no such run, or it has no checkpoint.
    """
    if run is not None:
        return resumable_run(Path(run))
    if isinstance(recipe, Recipe):
        return resumable_run(Path("runs") / recipe.name)
    folder = Path(recipe).parent if Path(recipe).name == "recipe.json" else Path(recipe)
    return resumable_run(folder if is_run(folder) else Path("runs") / find_recipe(recipe).name)


def resumed_recipe(recipe: Recipe | str | Path, run: RunFolder) -> Recipe:
    """The recipe to go on with in ``run``: its own, with what ``recipe`` changes of it.

    Raises:
        RecipeError: that is another recipe.
    """
    own = run.recipe()
    if isinstance(recipe, Recipe):
        other = sorted(differences(own, recipe) - CHANGEABLE)
    elif Path(recipe).resolve() in (run.path.resolve(), run.recipe_file.resolve()):
        return own
    else:
        other = ["name"] if find_recipe(recipe).name != own.name else []
    if other:
        raise RecipeError(
            f"{run.path} was trained with the recipe {own.name!r} and another {', '.join(other)}: leave --resume out "
            f"for a run of its own. Going on may change {', '.join(sorted(CHANGEABLE))}"
        )
    return recipe if isinstance(recipe, Recipe) else own


def find_recipe(name: str | Path) -> Recipe:
    """The recipe called ``name``, that of a JSON file or of a run, or the one that suits the folder ``name``.

    Raises:
        VisusError: neither exists; the message lists the recipes.
    """
    from visus.recipes import RECIPES, for_folder

    if str(name) in RECIPES:
        return RECIPES[str(name)]()
    if is_run(Path(name)):
        return RunFolder(Path(name)).recipe()
    if Path(name).is_dir():
        return for_folder(Path(name))
    if Path(name).is_file():
        return read_recipe(Path(name))
    raise VisusError(
        f"{str(name)!r} is neither a recipe nor a recipe.json nor a folder of data{suggestion(str(name), RECIPES)}"
    )


def read_recipe(file: Path) -> Recipe:
    """The recipe in a JSON file, such as the ``recipe.json`` of a run.

    Raises:
        RecipeError: the file is no recipe; the message names it.
    """
    try:
        return Recipe.from_json(file.read_text(encoding="utf-8"))
    except (RecipeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{file}: {error}") from error


def process_rank() -> int:
    """The number of this process among those of a distributed run, 0 for the first and for a run alone."""
    for name in ("RANK", "SLURM_PROCID"):
        if name in os.environ:
            return int(os.environ[name])
    return int(os.environ.get("LOCAL_RANK", "0")) + int(os.environ.get("NODE_RANK", "0"))


def _with_training(recipe: Recipe, asked: Recipe, dataset: SampleDataset) -> dict[str, SampleDataset]:
    """What is measured, after the run's training data where that is still to be had."""
    try:
        return _named(asked, open_split(recipe, "train"), dataset)
    except (VisusError, OSError, ValueError):
        return {asked.data.val: dataset}


def _named(recipe: Recipe, train_data: SampleDataset, other: SampleDataset) -> dict[str, SampleDataset]:
    """The data of a run by their splits, those of training first."""
    name = recipe.data.val if recipe.data.val != recipe.data.train else f"{recipe.data.val} again"
    return {recipe.data.train: train_data, name: other}


def _run_folder(wanted: Path, resume: bool, console: Console) -> RunFolder:
    """The folder to train in: a new one, or the very one that is resumed; helping processes take the first one's."""
    if resume:
        return resumable_run(wanted)
    if process_rank() > 0:  # only the first process writes
        return RunFolder(Path(os.environ.get(SHARED_RUN, wanted)))
    folder = new_run(wanted)
    os.environ[SHARED_RUN] = str(folder.path)
    if folder.path != wanted:
        go_on = f"`visus train {shlex.quote(str(wanted))} --resume` would go on there"
        note = f"{wanted} exists already; this run goes to {folder.path} ({go_on})."
        console.print(note, soft_wrap=True, highlight=False)
    return folder


def _learned_schema(folder: RunFolder) -> Schema:
    """What the labels of the run's weights mean."""
    from visus.nn.weights import read_weights
    from visus.types import Schema

    if not folder.weights.is_file():
        raise VisusError(f"{folder.path} holds no weights.safetensors yet: its training has not reached a validation.")
    return Schema.from_json(read_weights(folder.weights)[1]["schema"])


def _announce(recipe: Recipe, schema: Schema, lengths: tuple[int, int], model: nn.Module, console: Console) -> None:
    """One line on what is about to be trained on what."""
    numbers = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    fit = recipe.fit
    limit = f", at most {fit.max_minutes:g} min" if fit.max_minutes else ""
    console.print(
        f"[bold]{recipe.name}[/]  {recipe.model}, {numbers / 1e6:.1f} M trainable parameters, on "
        f"{recipe.data.dataset}: {lengths[0]} training and {lengths[1]} validation images, "
        f"{schema.num_classes} categories; "
        f"{fit.epochs} epoch{'s' * (fit.epochs > 1)}{limit}",
        soft_wrap=True,
        highlight=False,
    )
