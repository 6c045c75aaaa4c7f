"""The trainings behind a results table of metric learning: one row, one seed, by one protocol."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from visus.errors import VisusError
from visus.recipes.metric_table import Row
from visus.runs.feed import open_split, val_loader
from visus.runs.train import train
from visus.terminal import bar, console
from visus.training.recipe import Recipe, differences
from visus.training.run import RunFolder

if TYPE_CHECKING:
    from torch import nn

    from visus.metrics.retrieval import Embedded

Numbers = dict[str, float]


def measure_frozen(row: Row) -> Numbers:
    """Recall of an ImageNet backbone's features, of which nothing was trained, with their mean taken away."""
    from visus import catalog

    recipe = row.recipe
    dataset = open_split(recipe, "val")
    model = catalog.build_model(recipe.model, dataset.schema, recipe.model_options)
    _headline(f"{row.title}: {len(dataset):,} images, nothing is trained")
    images = embedded(recipe, model)
    centred = replace(images, vectors=images.vectors - images.vectors.mean(0))
    return _numbers(centred)


def _headline(text: str) -> None:
    """What comes next: between rules on a terminal, a line elsewhere."""
    terminal = console(markup=True)
    if terminal.is_terminal:
        terminal.rule(escape(text))
    else:
        terminal.print(escape(text), soft_wrap=True)


def measure_row(row: Row, folder: Path, name: str, protocol: tuple[int, int]) -> Numbers:
    """Recall of one method with one seed on the test classes; a run that was finished before is read, not trained.

    Args:
        row: the method, with the seed in its recipe.
        folder: of the whole table.
        name: of the row.
        protocol: the folds of the training classes, 0 for none, and the epochs between validations.
    """
    folds, val_every = protocol
    recipe = replace(row.recipe, fit=replace(row.recipe.fit, val_every_epochs=val_every))
    place = folder / "rows" / f"{name}-seed{recipe.fit.seed}"
    if not folds:
        metrics = trained(recipe, place).metrics()
        return {key: value for key, value in metrics.items() if "@" in key and isinstance(value, float)}
    return _cross_validated(recipe, place, folds)


def trained(recipe: Recipe, place: Path) -> RunFolder:
    """Trains into ``place``, unless that is done already; what broke off before is moved aside by its number.

    Raises:
        VisusError: what is done there was trained in another way.
    """
    if RunFolder(place).metrics_file.is_file():
        changed = differences(RunFolder(place).recipe(), recipe) - {"data.root"}
        if changed:
            raise VisusError(
                f"{place} was trained with another {', '.join(sorted(changed))}: name another folder with --run"
            )
    else:
        _headline(f"{place.name}: {recipe.model} {recipe.loss}")
        path = train(recipe, run=place)
        if path != place:
            place.rename(place.with_name(f"{place.name}-unfinished"))
            path.rename(place)
    return RunFolder(place)


def _cross_validated(recipe: Recipe, place: Path, folds: int) -> Numbers:
    """The mean over the folds' networks, and under ``... joined`` the recall of their embeddings laid side by side."""
    import torch

    from visus import catalog
    from visus.nn.weights import load_state, read_weights
    from visus.systems.metric_learning import KS
    from visus.types import Schema

    parts: list[Embedded] = []
    for fold in range(folds):
        data = replace(recipe.data, train=f"train:fold{fold}of{folds}", val=f"val:fold{fold}of{folds}")
        chosen = replace(recipe, data=data, fit=replace(recipe.fit, monitor="MAP@R"))
        run = trained(chosen, place / f"fold{fold}")
        state, metadata = read_weights(run.weights)
        model = catalog.build_model(recipe.model, Schema.from_json(metadata["schema"]), recipe.model_options)
        load_state(model, state, source=str(run.weights))
        parts.append(embedded(recipe, model))
    each = [_numbers(part) for part in parts]
    whole = torch.cat([torch.nn.functional.normalize(part.vectors, dim=1) for part in parts], dim=1)
    joined = replace(parts[0], vectors=whole).recall(KS)
    mean = {name: sum(numbers[name] for numbers in each) / folds for name in each[0]}
    return mean | {f"R@{k} joined": value for k, value in joined.items()}


def _numbers(images: Embedded) -> Numbers:
    """Recall and MAP@R."""
    from visus.metrics.retrieval import precision_at_r
    from visus.systems.metric_learning import KS

    (vectors, labels), gallery = images.sides()
    recall = {f"R@{k}": value for k, value in images.recall(KS).items()}
    return recall | {"MAP@R": precision_at_r(vectors, labels, gallery=gallery)["MAP@R"]}


def embedded(recipe: Recipe, model: nn.Module) -> Embedded:
    """The embeddings of the recipe's validation split, the test classes."""
    from visus.metrics.retrieval import RetrievalMetric
    from visus.training.evaluation import measure

    dataset = open_split(recipe, "val")
    metric = RetrievalMetric(ks=(1,))
    with bar("embedding", len(dataset)) as advance:
        measure(model, metric, val_loader(recipe, dataset, model), on_batch=advance)
    return metric.embeddings()
