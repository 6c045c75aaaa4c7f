"""The end of a run: its best weights are measured, printed and written down, with the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from visus.metrics.metric import ConfusionMatrix, Measure, PerCategory
from visus.metrics.retrieval import Embedded
from visus.runs.feed import val_loader
from visus.training.recipe import Recipe
from visus.training.run import RunFolder
from visus.types import row

if TYPE_CHECKING:
    from torch import nn

    from visus.data.feed.loader import SampleDataset
    from visus.metrics.metric import Metric
    from visus.training.evaluation import Ranked
    from visus.types import Schema

FEW_EPOCHS = 10
"""Below so many epochs, the report's curves are drawn over the steps."""

_MOST_WRITTEN = 100  # classes of a confusion matrix in metrics.json


@dataclass(frozen=True)
class Measured:
    """What weights are worth on a data set.

    Args:
        numbers: by name.
        measures: what each of them means.
        details: what the metric found beyond numbers.
        ranked: some of the best and of the worst predictions.
        count: how many samples were measured.
    """

    numbers: dict[str, float]
    measures: Mapping[str, Measure]
    details: list[Any]
    ranked: list[Ranked]
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
    """Loads the run's best weights into ``model`` and measures them by all that the metric has."""
    import torch

    from visus.metrics.ranking import image_quality
    from visus.nn.weights import load_state, read_weights
    from visus.training.evaluation import Extremes, measure

    metric.measure_all(inputs=len(dataset), num_classes=dataset.schema.num_classes)
    state, _ = read_weights(folder.weights)
    load_state(model, state, source=str(folder.weights))
    if device is None:
        device = "cuda" if torch.cuda.is_available() and recipe.fit.accelerator in ("auto", "cuda") else "cpu"
    extremes = Extremes(keep=6)
    columns = (TextColumn("[bold cyan]measuring the best weights"), BarColumn(bar_width=24), MofNCompleteColumn())
    bar = Progress(*columns, console=console, transient=True) if console.is_terminal else None
    with bar or nullcontext():
        task = bar.add_task("", total=len(dataset)) if bar else None
        numbers = measure(
            model,
            metric,
            val_loader(recipe, dataset, model),
            device=device,
            precision=recipe.fit.precision,
            quality=image_quality,
            extremes=extremes,
            on_batch=lambda count: bar.advance(task, count) if bar and task is not None else None,
        )
    return Measured(numbers, metric.measures, metric.details(), extremes.chosen(), len(dataset))


def write_results(
    folder: RunFolder, recipe: Recipe, schema: Schema, measured: Measured, dataset: SampleDataset, console: Console
) -> None:
    """Writes metrics.json and report.html, and prints both."""
    from visus.report.report import Results, write_report

    folder.write_metrics(as_json(measured), folder.metrics_file)
    epochs = folder.history()
    results = Results(
        numbers=measured.numbers,
        measures=measured.measures,
        details=measured.details,
        examples=[(dataset[p.index], p.prediction, p.quality) for p in measured.ranked],
        dataset=dataset,
    )
    report = write_report(
        folder.path,
        title=recipe.name,
        schema=schema,
        history=epochs if len(epochs) >= FEW_EPOCHS else folder.curves(),
        results=results,
    )
    print_metrics(measured, console)
    console.print(escape(f"Weights  {folder.weights}\nReport   {report}"), soft_wrap=True, highlight=False)


def as_json(measured: Measured) -> Mapping[str, object]:
    """What metrics.json holds: the numbers by name, the number of samples, and the details of the metric."""
    values: dict[str, object] = {**measured.numbers, "pictures": measured.count}
    for detail in measured.details:
        values |= row(DETAILS, detail, "writing what was measured")(detail)
    return values


def _matrix(detail: ConfusionMatrix) -> dict[str, object]:
    """The classes by their true name and what each was taken for; not of more than 100 classes."""
    return {"confusion matrix": detail.counts.tolist()} if len(detail.counts) <= _MOST_WRITTEN else {}


DETAILS: dict[type, Callable[[Any], dict[str, object]]] = {
    PerCategory: lambda detail: {"per category": detail.values},
    ConfusionMatrix: _matrix,
    Embedded: lambda detail: {},
}
"""What metrics.json holds of each kind of detail of a metric."""


def print_metrics(measured: Measured, console: Console) -> None:
    """On a terminal measures that belong to a table as one, rows down and columns across; others a line each."""
    from rich.table import Table

    measures = {name: measured.measures[name] for name in measured.numbers}
    tabular = {name: measure for name, measure in measures.items() if measure.row and console.is_terminal}
    columns = dict.fromkeys(measure.column for measure in tabular.values())
    table = Table("", *columns, box=None, header_style="dim", padding=(0, 1))
    for kind in dict.fromkeys(measure.row for measure in tabular.values()):
        cells = {m.column: _cell(m, measured.numbers[name]) for name, m in tabular.items() if m.row == kind}
        table.add_row(f"[bold]{escape(kind)}[/]", *(cells.get(column, "") for column in columns))
    if tabular:
        console.print(table)
    for name, measure in measures.items():
        if name not in tabular:
            console.print(escape(f"{name} {_shown(measure, measured.numbers[name])}"), highlight=False)


def _cell(measure: Measure, value: float) -> str:
    text = _shown(measure, value)
    return f"[bold green]{text}[/]" if measure.headline else text


def _shown(measure: Measure, value: float) -> str:
    """A dash where there was nothing to measure."""
    return "-" if not measure.known(value) else f"{value:.3f}" if measure.unit == "share" else f"{value:.4g}"
