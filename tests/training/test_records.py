"""What is monitored: the number that a metric says to look at, in the direction in which it is better."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch import Tensor, nn

from visus.errors import VisusError
from visus.metrics.metric import LOSS, Measure, Metric
from visus.nn.weights import read_weights
from visus.training.fit import FitResult, fit
from visus.training.records import metric_headlines, monitored
from visus.training.run import RunFolder
from visus.types import Batch

FID = Measure(unit="number", smaller_is_better=True, headline=True)
MEASURES = {"val loss": LOSS, "val box": LOSS, "box AP50": Measure(), "box AP": Measure(headline=True), "FID": FID}


class Scripted(Metric):
    """Says what a script says, one number a validation, and notes the weights that it said it of.

    Args:
        values: the numbers, in the order of the validations.
        measure: what they mean.
        layer: whose weights are noted.
    """

    def __init__(self, values: list[float], measure: Measure, layer: nn.Linear) -> None:
        super().__init__()
        self.values, self.measure = values, measure
        self.layers = [layer]  # in a list: no part of the metric
        self.weights: list[Tensor] = []

    @property
    def measures(self) -> dict[str, Measure]:
        return {"score": self.measure}

    def update(self, predictions: object, batch: Batch) -> None:
        pass

    def compute(self) -> dict[str, float]:
        self.weights.append(self.layers[0].weight.detach().clone())
        return {"score": self.values[len(self.weights) - 1]}


def run_scripted(
    squares: SimpleNamespace, folder: Path, values: list[float], measure: Measure, **fit_options: object
) -> tuple[FitResult, list[bool]]:
    """Trains the small problem while the metric says ``values``; and whether those of each epoch are the weights."""
    from visus.training.task import Task

    recipe = squares.recipe(**{"epochs": len(values), **fit_options})
    run = RunFolder(folder)
    run.create(recipe)
    model = squares.finder()
    metric = Scripted(values, measure, model.head)
    task = Task(model=model, criterion=squares.criterion, metric=metric, recipe=recipe)
    result = fit(task, *squares.loaders(recipe, 16, 8), recipe, run, schema=squares.schema, loggers=[])
    saved = read_weights(run.weights)[0]["head.weight"]
    return result, [saved.equal(weights) for weights in metric.weights]


def test_a_share_grows_and_an_error_shrinks() -> None:
    numbers = {"val loss": 3.0, "val box": 1.0, "box AP": 0.25, "FID": 12.0}
    assert monitored(numbers, MEASURES, "box AP") == 0.25
    assert monitored(numbers, MEASURES, "FID") == -12
    assert monitored(numbers, MEASURES, "FID") > monitored(numbers | {"FID": 35.0}, MEASURES, "FID")


@pytest.mark.parametrize(("monitor", "value"), [("loss", -3.0), ("val loss", -3.0), ("box", -1.0), ("val box", -1.0)])
def test_losses_shrink_by_either_name(monitor: str, value: float) -> None:
    assert monitored({"val loss": 3.0, "val box": 1.0, "box AP": 0.25}, MEASURES, monitor) == value


def test_without_a_name_the_first_headline_is_monitored() -> None:
    assert monitored({"val loss": 3.0, "box AP50": 0.75, "box AP": 0.25, "FID": 12.0}, MEASURES, "") == 0.25
    assert monitored({"val loss": 3.0, "FID": 12.0}, MEASURES, "") == -12


def test_without_a_headline_it_is_the_first_number_of_the_metric_before_any_loss() -> None:
    assert monitored({"val loss": 3.0, "val box": 1.0, "box AP50": 0.75}, MEASURES, "") == 0.75
    assert monitored({"val loss": 3.0, "val box": 1.0}, MEASURES, "") == -3
    assert metric_headlines({"val loss": 3.0}, MEASURES) == []


@pytest.mark.parametrize(
    ("name", "value"), [("box AP", -1.0), ("box AP", math.nan), ("FID", math.nan), ("val loss", math.nan)]
)
def test_what_was_not_measured_never_wins(name: str, value: float) -> None:
    assert monitored({name: value}, MEASURES, name) == -math.inf


def test_minus_one_is_a_value_of_a_number_that_is_no_share() -> None:
    assert monitored({"gain": -1.0}, {"gain": Measure(unit="number")}, "gain") == -1


@pytest.mark.parametrize("monitor", ["mask AP", "gloss", "val"])
def test_an_unknown_name_lists_what_was_measured(monitor: str) -> None:
    with pytest.raises(VisusError, match=rf"fit\.monitor must be one of val loss, box AP, not '{monitor}'"):
        monitored({"val loss": 1.0, "box AP": 0.5}, MEASURES, monitor)


@pytest.mark.parametrize(
    ("values", "measure", "best"),
    [
        ([35.0, 12.0, 40.0], FID, 2),  # 35 is no better than 12
        ([12.0, 35.0, 40.0], FID, 1),
        ([math.nan, 35.0, 12.0], FID, 3),
        ([35.0, math.nan, 50.0], FID, 1),
        ([1.0, 2.0, 0.5], replace(FID, smaller_is_better=False), 2),
        ([0.2, 0.6, 0.4], Measure(headline=True), 2),
        ([-1.0, 0.1, math.nan], Measure(headline=True), 2),
        ([0.6, 0.2, -1.0], replace(FID, unit="share"), 2),  # -1: nothing to measure, not the smallest error
        ([math.nan, math.nan, math.nan], FID, 1),  # some weights are kept in any case
    ],
)
def test_the_best_weights_are_those_of_the_best_number(
    squares: SimpleNamespace, tmp_path: Path, values: list[float], measure: Measure, best: int
) -> None:
    result, saved = run_scripted(squares, tmp_path, values, measure)
    assert result.best_epoch == best
    assert saved == [epoch == best for epoch in range(1, len(values) + 1)]
    assert result.best_measures["score"] == pytest.approx(values[best - 1], nan_ok=True)
    assert "val loss" in result.best_measures


@pytest.mark.parametrize(
    ("values", "measure", "epochs", "best"),
    [
        ([30.0, 20.0, 25.0, 21.0, 1.0], FID, 4, 2),
        ([30.0, 20.0, math.nan, math.nan, 1.0], FID, 4, 2),
        ([0.5, 0.6, -1.0, 0.6, 0.9], Measure(headline=True), 4, 2),  # as good is no improvement
        ([5.0, 4.0, 3.0, 2.0, 1.0], FID, 5, 5),
    ],
)
def test_early_stopping_waits_in_the_direction_of_the_measure(
    squares: SimpleNamespace, tmp_path: Path, values: list[float], measure: Measure, epochs: int, best: int
) -> None:
    result, _ = run_scripted(squares, tmp_path, values, measure, early_stop_patience=2)
    assert (len(result.history), result.best_epoch) == (epochs, best)
    assert bool(result.stop_reason) == (epochs < len(values))
