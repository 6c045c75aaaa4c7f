"""The end of a run: its best weights are measured, printed and written down, with the report."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from visus.cli.feeding import val_loader
from visus.training.recipe import Recipe
from visus.training.run import RunFolder

if TYPE_CHECKING:
    from torch import nn
    from torchmetrics import Metric

    from visus.data.loader import SampleDataset
    from visus.training.evaluation import Ranked
    from visus.types import Schema

FEW_EPOCHS = 10
"""Below so many epochs, the report's curves are drawn over the steps."""


@dataclass(frozen=True)
class Measured:
    """What weights are worth on a data set: numbers by name, the average precision of each category, pictures."""

    metrics: dict[str, float]
    per_category: dict[str, dict[str, float]]
    pictures: list[Ranked]
    count: int


def measure_weights(
    folder: RunFolder,
    recipe: Recipe,
    model: nn.Module,
    metric: Metric,
    dataset: SampleDataset,
    *,
    console: Console,
    device: str | None = None,
) -> Measured:
    """Loads the run's best weights into ``model`` and measures them."""
    import torch

    from visus.metrics.ranking import image_quality
    from visus.nn.weights import load_state, read_weights
    from visus.training.evaluation import Extremes, measure

    state, _ = read_weights(folder.weights)
    load_state(model, state, source=str(folder.weights))
    if device is None:
        device = "cuda" if torch.cuda.is_available() and recipe.fit.accelerator in ("auto", "cuda") else "cpu"
    extremes = Extremes(keep=6)
    columns = (TextColumn("[bold cyan]measuring the best weights"), BarColumn(bar_width=24), MofNCompleteColumn())
    bar = Progress(*columns, console=console, transient=True) if console.is_terminal else None
    with bar or nullcontext():
        row = bar.add_task("", total=len(dataset)) if bar else None
        metrics = measure(
            model,
            metric,
            val_loader(recipe, dataset, model),
            device=device,
            precision=recipe.fit.precision,
            quality=image_quality,
            extremes=extremes,
            on_batch=lambda pictures: bar.advance(row, pictures) if bar and row is not None else None,
        )
    kinds: Any = getattr(metric, "kinds", ())
    per_category: Any = getattr(metric, "per_category", None)
    return Measured(metrics, {f"{kind} AP": per_category(kind) for kind in kinds}, extremes.chosen(), len(dataset))


def write_results(
    folder: RunFolder, recipe: Recipe, schema: Schema, measured: Measured, dataset: SampleDataset, console: Console
) -> None:
    """Writes metrics.json and report.html, and prints both."""
    from visus.serve.report import write_report

    folder.write_metrics(as_json(measured), folder.metrics_file)
    epochs = folder.history()
    report = write_report(
        folder.path,
        title=recipe.name,
        schema=schema,
        history=epochs if len(epochs) >= FEW_EPOCHS else folder.curves(),
        metrics=measured.metrics,
        per_category=measured.per_category,
        examples=[(dataset[p.index], p.prediction, p.quality) for p in measured.pictures],
    )
    print_metrics(measured.metrics, console)
    console.print(f"Weights  {folder.weights}\nReport   {report}", soft_wrap=True, highlight=False)


def as_json(measured: Measured) -> Mapping[str, object]:
    """What metrics.json holds: the numbers by name, the number of pictures, the numbers of each category."""
    return {**measured.metrics, "pictures": measured.count, "per category": measured.per_category}


def print_metrics(metrics: Mapping[str, float], console: Console) -> None:
    """A table on a terminal: kinds down, measures across; else a line for each number."""
    from rich.table import Table

    if not console.is_terminal:
        for name, value in metrics.items():
            console.print(f"{name} {'-' if value < 0 else f'{value:.3f}'}", highlight=False)
        return
    kinds = dict.fromkeys(name.rpartition(" ")[0] for name in metrics)
    measures = dict.fromkeys(name.rpartition(" ")[2] for name in metrics)
    table = Table("", *measures, box=None, header_style="dim", padding=(0, 1))
    for kind in kinds:
        values = [metrics.get(f"{kind} {measure}".strip()) for measure in measures]
        shown = ["" if value is None else "-" if value < 0 else f"{value:.3f}" for value in values]
        table.add_row(f"[bold]{kind}[/]", f"[bold green]{shown[0]}[/]", *shown[1:])
    console.print(table)
