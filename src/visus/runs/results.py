"""The end of a run: its best weights are measured, printed and written down, with the report."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from visus.runs.feed import val_loader
from visus.training.recipe import Recipe
from visus.training.run import RunFolder

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics import Metric

    from visus.data.feed.loader import SampleDataset
    from visus.metrics.retrieval import Embedded
    from visus.training.evaluation import Ranked
    from visus.types import Schema

FEW_EPOCHS = 10
"""Below so many epochs, the report's curves are drawn over the steps."""

_CLUSTERED = 20_000_000  # images times classes: k-means takes seconds, not minutes
_MOST_WRITTEN = 100  # classes of a confusion matrix in metrics.json


@dataclass(frozen=True)
class Measured:
    """What weights are worth on a data set: numbers by name, and of each category; pictures; what is taken for what."""

    metrics: dict[str, float]
    per_category: dict[str, dict[str, float]]
    pictures: list[Ranked]
    count: int
    confusion_matrix: Tensor | None = None
    embeddings: Embedded | None = None


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
    """Loads the run's best weights into ``model`` and measures them, retrieval by more than recall."""
    import torch

    from visus.metrics.ranking import image_quality
    from visus.metrics.retrieval import RetrievalMetric
    from visus.nn.weights import load_state, read_weights
    from visus.training.evaluation import Extremes, measure

    if isinstance(metric, RetrievalMetric):
        metric.precision = True
        metric.clusters = len(dataset) * dataset.schema.num_classes <= _CLUSTERED
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
            # An embedding alone is neither good nor bad: there is nothing to rank.
            quality=None if isinstance(metric, RetrievalMetric) else image_quality,
            extremes=extremes,
            on_batch=lambda pictures: bar.advance(row, pictures) if bar and row is not None else None,
        )
    per_category: Any = getattr(metric, "per_category", dict)
    confusion = getattr(metric, "confusion_matrix", None)
    embeddings = metric.embeddings() if isinstance(metric, RetrievalMetric) else None
    return Measured(metrics, per_category(), extremes.chosen(), len(dataset), confusion, embeddings)


def write_results(
    folder: RunFolder, recipe: Recipe, schema: Schema, measured: Measured, dataset: SampleDataset, console: Console
) -> None:
    """Writes metrics.json and report.html, and prints both."""
    from visus.report.report import write_report

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
        confusion_matrix=measured.confusion_matrix,
        sections=_neighbours(measured, recipe.name, dataset),
    )
    print_metrics(measured.metrics, console)
    console.print(f"Weights  {folder.weights}\nReport   {report}", soft_wrap=True, highlight=False)


def _neighbours(measured: Measured, name: str, dataset: SampleDataset) -> dict[str, str]:
    """What the report of a descriptor shows: recall over K, and pictures with those that lie nearest."""
    if measured.embeddings is None:
        return {}
    from visus.report.neighbours import neighbours_html, recall_chart

    return {
        "Recall": recall_chart({name: measured.metrics}),
        "Nearest neighbours": neighbours_html(dataset, measured.embeddings),
    }


def as_json(measured: Measured) -> Mapping[str, object]:
    """What metrics.json holds: the numbers by name, the number of pictures, the numbers of each category.

    With up to 100 classes also the confusion matrix: the classes by their true name, and what each was taken for.
    """
    values = {**measured.metrics, "pictures": measured.count, "per category": measured.per_category}
    matrix = measured.confusion_matrix
    return values if matrix is None or len(matrix) > _MOST_WRITTEN else {**values, "confusion matrix": matrix.tolist()}


def print_metrics(metrics: Mapping[str, float], console: Console) -> None:
    """On a terminal COCO's measures as a table, kinds down and measures across; all others a line for each number."""
    from rich.table import Table

    tabular = {name: value for name, value in metrics.items() if console.is_terminal and _is_coco(name)}
    kinds = dict.fromkeys(name.rpartition(" ")[0] for name in tabular)
    measures = dict.fromkeys(name.rpartition(" ")[2] for name in tabular)
    table = Table("", *measures, box=None, header_style="dim", padding=(0, 1))
    for kind in kinds:
        shown = [_shown(tabular.get(f"{kind} {measure}")) for measure in measures]
        table.add_row(f"[bold]{kind}[/]", f"[bold green]{shown[0]}[/]", *shown[1:])
    if tabular:
        console.print(table)
    for name, value in metrics.items():
        if name not in tabular:
            console.print(f"{name} {_shown(value)}", highlight=False)


def _is_coco(name: str) -> bool:
    """Whether a name is a kind and one of COCO's measures, such as ``box AP50``."""
    return " " in name and name.rpartition(" ")[2].startswith(("AP", "AR"))


def _shown(value: float | None) -> str:
    """Nothing for a number that was not asked for, a dash where there was nothing to measure."""
    return "" if value is None else "-" if not value >= 0 else f"{value:.3f}"
