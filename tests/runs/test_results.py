"""What the end of a run prints and writes: by the units and places that measures say, by the kinds of details."""

import io
import math

import pytest
import torch
from rich.console import Console

from visus.metrics import CocoMetric, ConfusionMatrix, Measure, PerCategory
from visus.metrics.retrieval import Embedded
from visus.runs.results import Measured, as_json, print_metrics
from visus.types import Keypoints, NoRowError, Schema

KEYPOINTS = Keypoints(names=("nose",), flip_pairs=(), sigmas=(0.1,))
COCO = CocoMetric(schema=Schema(("cat",), (1,), has_masks=True, keypoints=KEYPOINTS)).measures
MEASURES = {**COCO, "mIoU": Measure(headline=True), "pixel accuracy": Measure()}
DISTANCES = {"FID": Measure(unit="number", smaller_is_better=True, headline=True), "precision": Measure()}
NUMBERS = {"box AP": 0.5, "box AP50": 0.75, "keypoint AP": -1.0, "mIoU": 0.25, "pixel accuracy": math.nan}


def measured(numbers=None, *, measures=MEASURES, details=()):
    return Measured(dict(numbers or {}), measures, list(details), [], 7)


def printed(numbers, *, terminal, measures=MEASURES):
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal, color_system=None)
    print_metrics(measured(numbers, measures=measures), console)
    return [line.split() for line in console.file.getvalue().splitlines()]


def test_a_line_for_each_number_where_there_is_no_terminal():
    assert printed(NUMBERS, terminal=False) == [
        ["box", "AP", "0.500"],
        ["box", "AP50", "0.750"],
        ["keypoint", "AP", "-"],
        ["mIoU", "0.250"],
        ["pixel", "accuracy", "-"],
    ]


def test_cocos_measures_are_a_table_on_a_terminal():
    assert printed(NUMBERS, terminal=True) == [
        ["AP", "AP50"],
        ["box", "0.500", "0.750"],
        ["keypoint", "-"],
        ["mIoU", "0.250"],
        ["pixel", "accuracy", "-"],
    ]
    assert printed({"mIoU": 0.5}, terminal=True) == [["mIoU", "0.500"]]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_number_is_shown_as_it_is(terminal):
    found = printed({"FID": 35.25, "precision": 0.5}, terminal=terminal, measures=DISTANCES)
    assert found == [["FID", "35.25"], ["precision", "0.500"]]
    assert printed({"FID": 0.8}, terminal=terminal, measures=DISTANCES) == [["FID", "0.8"]]
    assert printed({"FID": math.nan}, terminal=terminal, measures=DISTANCES) == [["FID", "-"]]


def test_the_confusion_matrix_is_written_where_it_is_small():
    details = [PerCategory({"IoU": {"a": 0.5}}), ConfusionMatrix(torch.tensor([[3, 1], [0, 2]]))]
    assert as_json(measured({"mIoU": 0.5}, details=details)) == {
        "mIoU": 0.5,
        "pictures": 7,
        "per category": {"IoU": {"a": 0.5}},
        "confusion matrix": [[3, 1], [0, 2]],
    }
    large = ConfusionMatrix(torch.zeros(101, 101, dtype=torch.int64))
    assert "confusion matrix" not in as_json(measured(details=[large]))
    assert "confusion matrix" not in as_json(measured())


def test_embeddings_are_not_written():
    images = Embedded(torch.ones(2, 3), torch.tensor([0, 0]), [1, 2])
    assert as_json(measured({"R@1": 1.0}, details=[images])) == {"R@1": 1.0, "pictures": 7}


def test_an_unknown_kind_of_detail_is_named():
    with pytest.raises(NoRowError, match="writing what was measured knows no Measure; it knows PerCategory"):
        as_json(measured(details=[Measure()]))


@pytest.mark.parametrize("width", [80, 60, 40])
def test_a_wide_table_goes_on_below(width):
    numbers = dict.fromkeys(COCO, 0.123)
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    print_metrics(measured(numbers), console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in console.file.getvalue()
    assert console.file.getvalue().count("0.123") == len(COCO)
    heads = [name for line in lines if "0.123" not in line for name in line.split()]
    assert heads == list(dict.fromkeys(measure.column for measure in COCO.values()))


def test_a_pipe_gets_whole_lines():
    name = "a measure with a name that is longer than any terminal is wide, and then some words more " * 2
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    print_metrics(measured({name: 0.5}, measures={name: Measure()}), console)
    assert console.file.getvalue() == f"{name} 0.500\n"
