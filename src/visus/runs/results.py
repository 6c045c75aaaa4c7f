"""The end of a run: its best weights are measured, printed and written down, with the report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from visus.metrics.metric import LOSS, ConfusionMatrix, Measure, PerCategory, headlines
from visus.metrics.object_confusion import ObjectConfusion
from visus.metrics.retrieval import Embedded
from visus.metrics.scene_graphs import Conventions
from visus.metrics.score_curves import ScoreCurves
from visus.names import counted
from visus.runs.feed import val_loader
from visus.runs.results_shown import print_metrics
from visus.terminal import bar
from visus.training.recipe import Recipe
from visus.training.run import THRESHOLD, RunFolder
from visus.types import Batch, row

if TYPE_CHECKING:
    from torch import nn

    from visus.data.feed.loader import SampleDataset
    from visus.metrics.metric import Metric
    from visus.problem import Problem
    from visus.report.pairs import Example
    from visus.report.report import Background

FEW_EPOCHS = 10
"""Below so many epochs, the report's curves are drawn over the steps."""

USUAL_THRESHOLD = 0.5
"""The least score of an object that counts where no score is worth anything."""

_MOST_WRITTEN = 100  # classes of a confusion matrix in metrics.json
_EXTREMES = 6  # images with the best and with the worst predictions, of each


@dataclass(frozen=True)
class Measured:
    """What weights are worth on a data set.

    Args:
        numbers: by name.
        measures: what each of them means.
        details: what the metrics found beyond numbers.
        examples: some of the best and of the worst predictions, with how good they are.
        count: how many samples were measured.
        seconds: how long that took.
        parameters: of the model.
    """

    numbers: dict[str, float]
    measures: Mapping[str, Measure]
    details: list[Any]
    examples: list[Example]
    count: int
    seconds: float = 0.0
    parameters: int = 0

    @property
    def threshold(self) -> float:
        """The least score of an object at which they are used; nan where there is none."""
        return self.numbers.get(THRESHOLD, math.nan)


def measure_weights(
    folder: RunFolder,
    recipe: Recipe,
    problem: Problem,
    model: nn.Module,
    metric: Metric,
    dataset: SampleDataset,
    *,
    console: Console,
    device: str | None = None,
    threshold: float | None = None,
    form: Callable[[nn.Module], nn.Module] | None = None,
) -> Measured:
    """Loads the run's best weights into ``model`` and measures them by all that the metric has.

    Args:
        folder: of the run.
        recipe: how it is fed.
        problem: of the model.
        model: gets the weights.
        metric: measures.
        dataset: what it is measured on.
        console: shows how far it is.
        device: such as ``cuda:1``; a GPU where there is one when None.
        threshold: the least score of an object that was chosen before, on other data; None chooses one.
        form: makes another, faster network of the model; None measures the model itself.
    """
    from visus.metrics.ranking import image_quality
    from visus.nn.weights import load_state, read_weights
    from visus.ops.processes import gathered, share_of_this_process
    from visus.training.evaluation import measure

    metric.measure_all(inputs=len(dataset), num_classes=dataset.schema.num_classes)
    examined = problem.examined(dataset.schema, threshold) if problem.examined else None
    load_state(model, read_weights(folder.weights)[0], source=str(folder.weights))
    model = form(model) if form else model
    device, precision, qualities = device or _usual_device(recipe), recipe.fit.precision, dict[int, float | None]()
    began, (_, processes) = time.monotonic(), share_of_this_process()
    with bar("measuring the best weights", len(dataset), console) as advance:
        numbers = measure(
            model,
            metric,
            val_loader(recipe, dataset, model),
            device=device,
            precision=precision,
            also=[examined] if examined else [],
            quality=None if examined else image_quality,
            qualities=qualities,
            on_batch=lambda count: advance(count * processes),
        )
    seconds, measures, details = time.monotonic() - began, dict(metric.measures), metric.details()
    if examined:
        judged = examined.qualities(_used_from(numbers))
        qualities = dict(zip(qualities, judged, strict=True))  # both in the order in which they were measured
        measures, found = {**examined.measures, **measures}, examined.details()
        details = [one for one in details if type(one) not in map(type, found)] + found
    qualities = {index: value for part in gathered(qualities) for index, value in part.items()}
    examples = _examples(model, dataset, qualities, device, precision, given=metric.given)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Measured(numbers, measures, details, examples, len(dataset), seconds, parameters)


def _used_from(numbers: Mapping[str, float]) -> float:
    """The score from which objects are counted."""
    at = numbers[THRESHOLD]
    return USUAL_THRESHOLD if math.isnan(at) else at


def _usual_device(recipe: Recipe) -> str:
    import torch

    return "cuda" if torch.cuda.is_available() and recipe.fit.accelerator in ("auto", "cuda") else "cpu"


def _examples(
    model: nn.Module,
    dataset: SampleDataset,
    qualities: Mapping[int, float | None],
    device: str,
    precision: str,
    *,
    given: bool,
) -> list[Example]:
    """Some of the images that the model does best and worst on, looked at once more."""
    from visus.training.evaluation import extremes, predict_samples

    chosen = extremes(qualities, _EXTREMES)
    samples = [dataset[image.index] for image in chosen]
    predictions = predict_samples(model, samples, device=device, precision=precision, given=given)
    return list(zip(samples, predictions, [image.quality for image in chosen], strict=True))


def write_results(
    folder: RunFolder,
    recipe: Recipe,
    measured: Measured,
    splits: Mapping[str, SampleDataset],
    console: Console,
    *,
    batch: Callable[[], Batch] | None = None,
    best_epoch: int | None = None,
    part: str = "",
) -> None:
    """Writes metrics.json and report.html, and prints both; what cannot be drawn is named at the end.

    Args:
        folder: of the run.
        recipe: of the run.
        measured: what its weights are worth.
        splits: the data of training, then what was measured on, by name.
        console: where to print.
        batch: makes the batch that the training began with; None where that is not known any more.
        best_epoch: the epoch whose weights they are; what the history says when None.
        part: what was measured beside the run's own validation data, such as ``test``: it goes into the files' names.
    """
    ending = f"-{part}" if part else ""
    if best_epoch is None:
        best_epoch = best_epoch_of(folder.history(), measured.measures, recipe.fit.monitor)
    said = {name: _said(measured.measures[name]) for name in measured.numbers}
    values = {**as_json(measured), "best epoch": best_epoch, "measures": said}
    file = folder.path / f"metrics{ending}.json"
    folder.write_metrics(values, file)
    print_metrics(measured, console)
    for detail in measured.details:
        if type(detail) is Conventions:
            console.print(detail.text, highlight=False, markup=False)
    _tell_threshold(measured, console, chosen=not part)
    failures: list[str] = []
    background = _background(folder, recipe, measured, splits, batch, best_epoch, failures)
    report = _write_report(folder, recipe, measured, splits, background, ending, failures)
    console.print(f"Weights  {folder.weights}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"Numbers  {file}\nReport   {report}", soft_wrap=True, highlight=False, markup=False)
    if failures:
        console.print(f"{counted(len(failures), 'drawings')} failed; the report is plain there:", highlight=False)
    for line in failures:
        console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)


def best_epoch_of(history: Sequence[Mapping[str, float]], measures: Mapping[str, Measure], monitor: str) -> int:
    """The epoch whose weights were kept, counted from 1; 0 where nothing was validated.

    Args:
        history: a row for each epoch.
        measures: what its numbers mean, but for losses.
        monitor: what the weights were chosen by; the first headline of the metric, else the loss, where it is empty.
    """
    validated = [line for line in history if "val loss" in line or measures.keys() & line.keys()]
    if not validated:
        return 0
    known = {name: measure for name, measure in measures.items() if name in validated[0]}
    usual = headlines(known)[0] if known else "val loss"
    name = next((name for name in (f"val {monitor}", monitor) if monitor and name in validated[0]), usual)
    measure = measures.get(name, LOSS)
    best = max(validated, key=lambda line: measure.merit(line.get(name, math.nan)))
    return int(best.get("epoch", 0))


def _tell_threshold(measured: Measured, console: Console, *, chosen: bool) -> None:
    """One line on the least score of an object that is worth drawing, where there are scores of objects."""
    if THRESHOLD not in measured.numbers:
        return
    at = measured.threshold
    if math.isnan(at):
        text = "No object was found at any score: no score threshold can be suggested."
    elif chosen:
        text = f"A score of {at:.2f} gives the best F1: visus predict draws objects from it on (--min-score)."
    else:
        text = f"F1, precision and recall are those from a score of {at:.2f} on, chosen on the validation data."
    console.print(text, highlight=False)


def _write_report(
    folder: RunFolder,
    recipe: Recipe,
    measured: Measured,
    splits: Mapping[str, SampleDataset],
    background: Background,
    ending: str,
    failures: list[str],
) -> Path:
    from visus.report.report import Results, write_report

    *_, dataset = splits.values()
    epochs = folder.history()
    results = Results(
        numbers=measured.numbers,
        measures=measured.measures,
        details=measured.details,
        examples=measured.examples,
        dataset=dataset,
        threshold=measured.threshold,
    )
    return write_report(
        folder.path,
        name=f"report{ending}.html",
        title=f"{recipe.name}{ending}",
        schema=dataset.schema,
        history=epochs if len(epochs) >= FEW_EPOCHS else folder.curves(),
        results=results,
        background=background,
        on_error=lambda name, error: failures.append(f"{name}: {error}"),
    )


def _background(
    folder: RunFolder,
    recipe: Recipe,
    measured: Measured,
    splits: Mapping[str, SampleDataset],
    batch: Callable[[], Batch] | None,
    best_epoch: int,
    failures: list[str],
) -> Background:
    """What the report says of the run beside its results. Of data that cannot be fed any more it has no batch."""
    from visus import catalog
    from visus.report.report import Background

    history = folder.history()
    noun = catalog.problem_of(recipe.model).noun
    facts = {noun: ", ".join(f"{len(dataset):,} {name}" for name, dataset in splits.items())}
    if history:
        facts["minutes"] = f"{history[-1].get('minutes', 0.0):.1f}"
        facts["best epoch"] = f"{best_epoch} of {len(history)}" if best_epoch else "not validated"
    facts["parameters"] = f"{measured.parameters / 1e6:.2f} M"
    facts[f"{noun} a second, measuring"] = f"{measured.count / max(measured.seconds, 1e-3):.1f}"
    try:
        begun = batch() if batch else None
    except (OSError, ValueError) as error:
        begun = None
        failures.append(f"a training batch: {error}")
    return Background(facts, splits, begun, noun)


def as_json(measured: Measured) -> Mapping[str, object]:
    """What metrics.json holds: the numbers by name, the number of samples, and the details of the metric."""
    numbers = {name: None if math.isnan(value) else value for name, value in measured.numbers.items()}
    values: dict[str, object] = {**numbers, "pictures": measured.count}
    for detail in measured.details:
        values |= row(DETAILS, detail, "writing what was measured")(detail)
    return values


def _said(measure: Measure) -> dict[str, object]:
    """What a measure says of itself, where it differs from the usual."""
    said = {one.name: getattr(measure, one.name) for one in fields(measure)}
    return {name: value for name, value in said.items() if value != getattr(_USUAL, name)}


_USUAL = Measure()


def _matrix(detail: ConfusionMatrix | ObjectConfusion) -> dict[str, object]:
    """The classes by their true name and what each was taken for; not of more than 100 classes."""
    return {"confusion matrix": detail.counts.tolist()} if len(detail.counts) <= _MOST_WRITTEN else {}


def _at_threshold(detail: ScoreCurves) -> dict[str, object]:
    """F1, precision and recall of each category at the threshold."""
    values = {
        name: {
            category: round(value, 6)
            for category, value in zip(detail.categories, line.tolist(), strict=True)
            if not math.isnan(value)
        }
        for name, line in detail.at(detail.threshold).items()
    }
    return {"per category at the score threshold": values}


DETAILS: dict[type, Callable[[Any], dict[str, object]]] = {
    PerCategory: lambda detail: {"per category": detail.values},
    ConfusionMatrix: _matrix,
    Embedded: lambda detail: {},
    ScoreCurves: _at_threshold,
    ObjectConfusion: _matrix,
    Conventions: lambda detail: {"conventions": detail.text},
}
"""What metrics.json holds of each kind of detail of a metric."""
