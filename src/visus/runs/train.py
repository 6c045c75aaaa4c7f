"""What `visus train` and `visus evaluate` do, as functions: from a recipe to a run, from a run to its measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from visus.data.records.given import Indexable, as_dataset
from visus.errors import VisusError
from visus.names import counted
from visus.nn.backbones import AnyBackbone, as_backbone
from visus.recipes.find import find_recipe
from visus.runs.feed import (
    as_learned,
    check_machine,
    check_recipe,
    first_batch,
    open_split,
    shortened,
    train_loader,
    val_loader,
    why_unmirrored,
)
from visus.runs.launch import as_launched, left_behind, mark, process_rank, processes_of, run_folder, unmark
from visus.runs.own import Own, OwnLoss, own_criterion, qualified, recipe_for, recorded
from visus.runs.precision import Asked, Choice
from visus.runs.readable import advice, only_readable
from visus.runs.results import measure_weights, write_results
from visus.runs.resume import resumed_recipe, run_to_resume
from visus.terminal import console as new_console
from visus.training.loggers import require_logger
from visus.training.recipe import DataRecipe, Recipe, RecipeError
from visus.training.run import RunFolder
from visus.training.settings import SHORT, changed

if TYPE_CHECKING:
    from rich.console import Console
    from torch import nn

    from visus.data.feed.loader import SampleDataset, Transform
    from visus.metrics.metric import Metric
    from visus.predict.stored import StoredWeights
    from visus.problem import Problem
    from visus.types import Batch, Schema


def train(
    recipe: Recipe | str | Path | Indexable,
    *,
    run: str | Path | None = None,
    resume: bool = False,
    init: str | Path | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
    data: Indexable | None = None,
    val: Indexable | None = None,
    loss: OwnLoss | None = None,
    augment: Transform | None = None,
    backbone: AnyBackbone | None = None,
) -> Path:
    """Trains a recipe, measures its best weights and writes the report.

    Args:
        recipe: a recipe, the name of one, a recipe.json, a run, a folder in a known layout, or data of your own.
        run: the folder of the run; ``runs/`` and the recipe's name when None, and a number where that exists.
        resume: go on in that very folder, from its checkpoint, with its recipe. A recipe that is given may differ from
            it in `visus.runs.resume.CHANGEABLE` alone; a name has to be that of the run's recipe.
        init: the folder of a run, or the name of published weights, to start from as far as they fit: all of a network
            of the same architecture but its heads where the classes are others, or the backbone of any network.
        epochs: passes over the data; this and the next four change the recipe's own numbers.
        minutes: the most that the training takes.
        batch_size: images in a batch.
        lr: the learning rate after the warm-up.
        seed: of everything random.
        settings: any other fields of the recipe by their dotted names: ``{"optim.weight_decay": 0.01}``.
        data: what to learn from in place of the recipe's: samples by number, and a schema (`visus.data.ListDataset`).
        val: what to measure on then; a fifth of ``data`` is held out when None.
        loss: in place of the recipe's: ``loss(outputs, targets)`` gives a scalar tensor or named ones.
        augment: in place of the recipe's: ``augment(sample, generator)`` gives the changed sample.
        backbone: in place of the model's: a `visus.nn.backbones.Backbone`, or a class or a function that makes one.

    Returns:
        The folder of the run: weights.safetensors, metrics.json, metrics.csv, report.html and more.

    Raises:
        VisusError: a name or a folder does not exist, the recipe does not fit the data or the run that is resumed, the
            training diverged.
    """
    if not isinstance(recipe, Recipe | str | Path):
        data, recipe = recipe, RunFolder(Path(run)).recipe() if resume and run else recipe_for(recipe)
    if resume:
        run = run_to_resume(recipe, run).path
        recipe = resumed_recipe(recipe, RunFolder(run))
    own = Own(data=data, val=val, loss=loss, augment=augment, backbone=backbone)
    short: dict[str, Any] = {"epochs": epochs, "minutes": minutes, "batch_size": batch_size, "lr": lr, "seed": seed}
    short["init"] = None if init is None else str(init)
    wanted = {SHORT[name]: value for name, value in short.items() if value is not None} | dict(settings or {})
    asked = recorded(changed(recipe if isinstance(recipe, Recipe) else find_recipe(recipe), wanted), own)
    if resume:
        resumed_recipe(asked, RunFolder(Path(run or "")))  # refuses what may not be changed
    with advice(asked):
        return _train(asked, own, run, resume)


def _train(recipe: Recipe, own: Own, run: str | Path | None, resume: bool) -> Path:
    """What `train` does, with everything that was asked for in one recipe and the parts that it cannot hold."""
    console = new_console(quiet=process_rank() > 0, markup=True)
    recipe, started = as_launched(recipe)
    wanted = Path(run) if run else Path("runs") / recipe.name
    if not resume and (before := left_behind(wanted)) is not None and before.checkpoint.is_file():
        recipe = resumed_recipe(recipe, before)
        started.append(f"torchrun has started its processes again: they go on in {before.path}.")
        wanted, resume = before.path, True
    require_logger(recipe.fit.logger)
    train_data, val_data = _splits(recipe, own, console)
    schema = train_data.schema
    import torch

    from visus import catalog
    from visus.training.fit import fit
    from visus.training.trial import refuse_monitor, settled

    problem = catalog.problem_of(recipe.model)
    check_recipe(recipe, problem, train_data, own.augment)
    check_machine(recipe)
    torch.manual_seed(recipe.fit.seed)  # the weights that training starts from
    model, weights = _first_weights(recipe, schema, own, resume)
    task = catalog.build_task(model, recipe, schema, criterion=own_criterion(own))
    of, other = f"the split {recipe.data.train!r}", f"the split {recipe.data.val!r} of {recipe.data.root}"
    val_data = as_learned(recipe, problem, model, schema, val_data, of=of, other=other)
    loaders = train_loader(recipe, train_data, model, own.augment), val_loader(recipe, val_data, model)
    batch = partial(first_batch, recipe, problem, train_data, model, own.augment)
    recipe, precision = settled(recipe, task, batch, steps=recipe.fit.epochs * len(loaders[0]))
    refuse_monitor(recipe, task, batch)
    folder = run_folder(wanted, resume, console)  # made once nothing is refused any more
    if process_rank() == 0:
        folder.create(recipe)
    mark(folder)
    _announce(recipe, schema, (len(train_data), len(val_data)), model, console)
    for line in (*_beside(recipe), *started, *weights, *precision, *own.lines(held_out=len(val_data))):
        console.print(escape(line), soft_wrap=True, highlight=False)
    done = len(folder.history()) if resume else 0
    result = fit(task, *loaders, recipe, folder, schema=schema, resume=resume)
    if not result.is_main:
        return folder.path
    if resume and len(result.history) == done >= recipe.fit.epochs:
        console.print(f"All {done} epochs were trained before; --fit.epochs asks for more.", highlight=False)
    if result.stop_reason:
        console.print(f"Stopped early: {result.stop_reason}.", highlight=False)
    measured = measure_weights(folder, recipe, problem, task.model, task.metric, val_data, console=console)
    splits = _named(recipe, train_data, val_data)
    write_results(folder, recipe, measured, splits, console, batch=batch, best_epoch=result.best_epoch)
    unmark(folder)
    return folder.path


def evaluate(
    run: str | Path,
    *,
    root: str | Path | None = None,
    split: str | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    metric: str | None = None,
    data: Indexable | None = None,
    backbone: AnyBackbone | None = None,
    precision: Choice = "plain",
    force: bool = False,
    devices: int = 1,
    nodes: int = 1,
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
        data: data of your own, as for `train`; SPLIT is then the name of its class.
        backbone: of your own, that the run was trained with, or what makes it.
        precision: the form of the network, see `visus.optimize`; int8 is calibrated with 100 training images.
        force: take int8 that loses more than half a point, too.
        devices: processes on this machine that share the images; of the plain network where ``precision`` is "auto".
        nodes: machines, on each of which torchrun starts the program.

    Raises:
        VisusError: it is no trained run, or the data does not name the categories that the run learned.
    """
    from visus.nn.device import find_device

    folder = RunFolder(Path(run))
    recipe, several = processes_of(folder.recipe(), devices=devices, nodes=nodes, device=device)
    find_device(device)  # before any work
    usual = metric in (None, "", recipe.metric)
    same_data = usual and data is None and root is None and split in (None, recipe.data.val)
    asked = replace(recipe, data=_measured_part(recipe, root, split, batch_size, data))
    asked = asked if metric is None else replace(asked, metric=metric)
    console = new_console(quiet=process_rank() > 0, markup=True)
    problem, model, measuring, dataset = _to_measure(folder, asked, data, backbone, console)
    threshold = None if same_data else folder.threshold()
    measure = partial(measure_weights, folder, asked, problem, model, measuring, dataset, threshold=threshold)
    with several() if several else nullcontext(device) as place:
        wanted = Asked("plain" if several and precision == "auto" else precision, force, place, console)
        form = wanted.form(dataset, partial(open_split, recipe, "train"))
        measured = wanted.measured(partial(measure, console=console, device=place), form)
    if process_rank() == 0:
        name = "" if same_data else f"{asked.data.val}{'' if usual else f'-{metric}'}"
        trained, batch = _learned_from(recipe, problem, model)
        write_results(folder, recipe, measured, _named(asked, trained, dataset), console, batch=batch, part=name)
    return measured.numbers


def _to_measure(
    folder: RunFolder, asked: Recipe, data: Indexable | None, backbone: AnyBackbone | None, console: Console
) -> tuple[Problem, nn.Module, Metric, SampleDataset]:
    """The problem of a run, its network, the metric and the data, whose classes are those of the run."""
    from visus import catalog

    dataset = _measured_on(asked, data, console)
    stored, problem = _stored(folder), catalog.problem_of(asked.model)
    model, schema = stored.network(None if backbone is None else as_backbone(backbone)), stored.schema
    metric = problem.metric_of(model, asked, schema)
    there = f"the split {asked.data.val!r} of {asked.data.root}" if data is None else "the data"
    dataset = as_learned(asked, problem, model, schema, dataset, of=f"the run {folder.path}", other=there)
    return problem, model, metric, dataset


def _measured_part(
    recipe: Recipe, root: str | Path | None, split: str | None, batch_size: int | None, data: Indexable | None
) -> DataRecipe:
    """What a recipe says of its data, with other data to measure on."""
    same = data is None and root is None and split in (None, recipe.data.val)
    return replace(
        recipe.data,
        root=str(root) if root is not None else recipe.data.root,
        val=split or recipe.data.val if data is None else qualified(data).rpartition(".")[2].lower(),
        val_length=recipe.data.val_length if same else None,
        batch_size=batch_size or recipe.data.batch_size,
    )


def _measured_on(recipe: Recipe, data: Indexable | None, console: Console) -> SampleDataset:
    """The data to measure on: of the program, or the validation split of the recipe."""
    if data is not None:
        return as_dataset(data)
    if recipe.own.data:
        raise RecipeError(f"this run learned from {recipe.own.data}, data of a program: give data=... in Python")
    dataset = open_split(recipe, "val")
    return only_readable(dataset, console, what="images") if recipe.data.skip_bad else dataset


def _splits(recipe: Recipe, own: Own, console: Console) -> tuple[SampleDataset, SampleDataset]:
    """What is learned from and what is measured on: of the program, or of the recipe."""
    if own.data is None:
        train_data, val_data = open_split(recipe, "train"), open_split(recipe, "val")
    else:
        given, held_out = own.splits()
        train_data = shortened(given, recipe.data.train_length)
        val_data = shortened(held_out, recipe.data.val_length)
    if not recipe.data.skip_bad:
        return train_data, val_data
    return (
        only_readable(train_data, console, what="training images"),
        only_readable(val_data, console, what="validation images"),
    )


def _beside(recipe: Recipe) -> list[str]:
    """Annotations of the data set that lie beside those that are read."""
    from visus.data.datasets import DATASETS

    entry = DATASETS.get(recipe.data.dataset)
    note = entry.beside(Path(recipe.data.root).expanduser(), recipe.data.train) if entry else ""
    return [note] if note else []


def _first_weights(recipe: Recipe, schema: Schema, own: Own, resume: bool) -> tuple[nn.Module, list[str]]:
    """The model with the weights that training starts from, and what to say of them."""
    from visus import catalog
    from visus.nn.backbones import without_pretrained
    from visus.runs.initial import build_started

    if recipe.init and not resume:
        model, started = build_started(recipe, schema, own)
        return model, [str(started)]
    with without_pretrained() if resume else nullcontext():  # the checkpoint brings all weights
        return catalog.build_model(recipe.model, schema, recipe.model_options, body=own.body()), []


def _learned_from(
    recipe: Recipe, problem: Problem, model: nn.Module
) -> tuple[SampleDataset | None, Callable[[], Batch] | None]:
    """What a run learned from and what makes its first batch, for the report; None for what is not at hand any more."""
    if recipe.own.data:
        return None, None
    try:
        trained = open_split(recipe, "train")
    except (VisusError, OSError, ValueError):
        return None, None
    if recipe.own.augment or recipe.data.skip_bad:  # bad images are not looked for again
        return trained, None
    return trained, partial(first_batch, recipe, problem, trained, model)


def _named(recipe: Recipe, trained: SampleDataset | None, other: SampleDataset) -> dict[str, SampleDataset]:
    """The data of a run by their splits, those of training first."""
    if trained is None:
        return {recipe.data.val: other}
    name = recipe.data.val if recipe.data.val != recipe.data.train else f"{recipe.data.val} again"
    return {recipe.data.train: trained, name: other}


def _stored(folder: RunFolder) -> StoredWeights:
    """The best weights of a run, with what rebuilds their network."""
    from visus.predict.stored import find_weights

    if not folder.weights.is_file():
        raise VisusError(f"{folder.path} holds no weights.safetensors yet: its training has not reached a validation.")
    return find_weights(folder.path)


def _announce(recipe: Recipe, schema: Schema, lengths: tuple[int, int], model: nn.Module, console: Console) -> None:
    """One line on what is about to be trained on what."""
    from visus import catalog

    noun = catalog.problem_of(recipe.model).noun
    numbers = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    fit = recipe.fit
    limit = f", at most {fit.max_minutes:g} min" if fit.max_minutes else ""
    console.print(
        f"[bold]{escape(recipe.name)}[/]  {recipe.model}, {numbers / 1e6:.1f} M trainable parameters, on "
        f"{recipe.data.dataset}: {lengths[0]} training and {lengths[1]} validation {noun}, "
        f"{counted(schema.num_classes, 'categories')}; {counted(fit.epochs, 'epochs')}{limit}",
        highlight=False,
    )
    if recipe.about:
        console.print(f"Chosen for this data: {recipe.about}", highlight=False, markup=False)
    if unmirrored := why_unmirrored(recipe, schema):
        console.print(unmirrored, highlight=False, markup=False)
