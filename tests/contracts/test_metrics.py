"""The contract of a metric, checked on every entry of the catalog, as it is built by default and with all it can do."""

from __future__ import annotations

import inspect
import math
import pickle
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from contracts.fakes import SCHEMA, as_batch, example, kind_measured
from two_processes import in_two_processes
from visus import catalog
from visus.metrics.metric import Metric, headlines
from visus.report.report import SECTIONS, Results
from visus.runs.results import DETAILS
from visus.types import row

IMAGES = range(6)
Numbers = dict[str, float]


@dataclass(frozen=True)
class Case:
    """A metric of the catalog.

    Args:
        name: of the entry.
        everything: whether all its options that can be turned on are.
        asked: whether `Metric.measure_all` was called.
    """

    name: str
    everything: bool = False
    asked: bool = False

    def __str__(self) -> str:
        return f"{self.name}{'-everything' * self.everything}{'-asked' * self.asked}"

    def build(self) -> Metric:
        builder = catalog.METRICS[self.name]
        known = inspect.signature(builder).parameters
        options = {name: True for name, one in known.items() if self.everything and isinstance(one.default, bool)}
        metric = builder(**({"schema": SCHEMA} if "schema" in known else {}), **options)
        if self.asked:
            metric.measure_all(inputs=len(IMAGES), num_classes=SCHEMA.num_classes)
        return metric

    @property
    def kind(self) -> type:
        """The kind of prediction that the metric takes."""
        return kind_measured(self.build())

    def update(self, metric: Metric, images: Sequence[int] = IMAGES, *, right: Sequence[int] = IMAGES) -> Metric:
        """Gives the metric images in one batch, of which those of ``right`` are predicted rightly."""
        pairs = [example(self.kind, index, right=index in right) for index in images]
        metric.update([prediction for prediction, _ in pairs], as_batch([target for _, target in pairs]))
        return metric

    def measured(self, **images: Sequence[int]) -> Numbers:
        """The numbers of a new metric."""
        return numbers_of(self.update(self.build(), **images))


def numbers_of(metric: Metric) -> Numbers:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The ``compute`` method of metric")  # before any update
        return {name: float(value) for name, value in metric.compute().items()}


CASES = [
    Case(name, everything, asked) for name in catalog.METRICS for everything in (False, True) for asked in (False, True)
]


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    case: Case = request.param
    return case


def assert_measured(metric: Metric, numbers: Mapping[str, float]) -> None:
    """Numbers are those declared, and shares from 0 to 1, or exactly -1."""
    assert list(numbers) == list(metric.measures)
    for name, value in numbers.items():
        share = metric.measures[name].unit == "share"
        assert not share or value == -1 or 0 <= value <= 1, (name, value)
        assert metric.measures[name].known(value) or value == -1 or math.isnan(value), (name, value)


def assert_nothing(metric: Metric) -> None:
    """There is nothing to measure, and every number says so."""
    numbers = numbers_of(metric)
    assert_measured(metric, numbers)
    assert not any(metric.measures[name].known(value) for name, value in numbers.items()), numbers


# --- what the numbers mean ---


def test_numbers_are_those_declared_and_in_range(case: Case) -> None:
    for right in (IMAGES, (), (0, 1, 4)):
        metric = case.update(case.build(), right=right)
        assert_measured(metric, numbers_of(metric))


def test_asking_for_everything_after_measuring_adds_to_what_was_there(case: Case) -> None:
    metric = case.update(replace(case, asked=False).build())
    before = numbers_of(metric)
    metric.measure_all(inputs=len(IMAGES), num_classes=SCHEMA.num_classes)
    after = numbers_of(metric)
    assert_measured(metric, after)
    assert before.items() <= after.items()


def test_the_direction_is_the_declared_one(case: Case) -> None:
    """All right is at least as good as all wrong by every measure, and better by the first headline."""
    measures, best, worst = case.build().measures, case.measured(), case.measured(right=())
    for name, measure in measures.items():
        assert measure.merit(best[name]) >= measure.merit(worst[name]), name
    first = headlines(measures)[0]
    assert measures[first].headline
    assert measures[first].merit(best[first]) > measures[first].merit(worst[first]), first


# --- what is remembered ---


def test_nothing_to_measure_is_no_error(case: Case) -> None:
    metric = case.build()
    assert_nothing(metric)
    assert_details_have_rows(metric)


def test_resetting_forgets_everything(case: Case) -> None:
    metric = case.update(case.build())
    numbers_of(metric)
    metric.reset()
    assert_nothing(metric)
    case.update(metric, [2, 3, 4, 5], right=(2, 3))
    assert numbers_of(metric) == case.measured(images=[2, 3, 4, 5], right=(2, 3))


def test_batches_may_be_of_any_size_and_order(case: Case) -> None:
    metric = case.build()
    for images in ([5, 3], [0], [4, 2, 1]):
        case.update(metric, images, right=(0, 1, 4))
    assert numbers_of(metric) == case.measured(right=(0, 1, 4))


def test_repeated_images_count_once(case: Case) -> None:
    metric = case.update(case.build(), right=(0, 1, 4))
    case.update(metric, [1, 4, 4, 1], right=(0, 1, 4))
    assert numbers_of(metric) == case.measured(right=(0, 1, 4))


def test_a_copy_by_pickle_goes_on_where_the_metric_was(case: Case) -> None:
    metric = case.update(case.build(), [0, 1, 2], right=(0, 1))
    numbers = numbers_of(metric)
    twin = pickle.loads(pickle.dumps(metric))
    assert numbers_of(twin) == numbers
    assert numbers_of(case.update(twin, [3, 4, 5], right=(4,))) == case.measured(right=(0, 1, 4))
    assert numbers_of(metric) == numbers


# --- several processes ---

PARTS = {"halves": ([0, 3, 1], [4, 2, 5]), "a repeated image": ([0, 2, 4], [1, 3, 5, 0]), "all in one": ([*IMAGES], [])}
"""By what is tried: the images that each of two processes measures."""


def _measure(rank: int, folder: Path) -> None:
    found = {}
    for case in CASES:
        for title, parts in PARTS.items():
            metric = case.build()
            if parts[rank]:
                case.update(metric, parts[rank], right=(0, 1, 4))
            found[str(case), title] = numbers_of(metric)
    torch.save(found, folder / f"{rank}.pt")


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> list[dict[tuple[str, str], Numbers]]:
    """What each of two processes measures, by case and partition."""
    folder = tmp_path_factory.mktemp("processes")
    in_two_processes(_measure, folder)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("parts", PARTS)
def test_two_processes_measure_what_one_does(
    case: Case, parts: str, merged: list[dict[tuple[str, str], Numbers]]
) -> None:
    alone = case.measured(right=(0, 1, 4))
    for found in merged:
        assert found[str(case), parts] == alone


# --- what is known beyond numbers ---


def assert_details_have_rows(metric: Metric) -> list[Any]:
    """The report and metrics.json know what to do with every detail."""
    numbers = numbers_of(metric)
    details = metric.details()
    for detail in details:
        sections = row(SECTIONS, detail, "the report")(detail, "run", SCHEMA, Results(numbers, metric.measures))
        assert all(heading and isinstance(html, str) for heading, html, _ in sections)
        assert isinstance(row(DETAILS, detail, "metrics.json")(detail), dict)
    return details


def test_details_have_rows_wherever_they_are_shown(case: Case) -> None:
    metric = case.update(case.build(), right=(0, 1, 4))
    assert assert_details_have_rows(metric) or type(metric).details is Metric.details
