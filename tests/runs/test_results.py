import io

import torch
from rich.console import Console

from visus.runs.results import Measured, as_json, print_metrics


def printed(metrics, *, terminal):
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal, color_system=None)
    print_metrics(metrics, console)
    return [line.split() for line in console.file.getvalue().splitlines()]


METRICS = {"box AP": 0.5, "box AP50": 0.75, "keypoint AP": -1.0, "mIoU": 0.25, "pixel accuracy": float("nan")}


def test_a_line_for_each_number_where_there_is_no_terminal():
    assert printed(METRICS, terminal=False) == [
        ["box", "AP", "0.500"],
        ["box", "AP50", "0.750"],
        ["keypoint", "AP", "-"],
        ["mIoU", "0.250"],
        ["pixel", "accuracy", "-"],
    ]


def test_cocos_measures_are_a_table_on_a_terminal():
    assert printed(METRICS, terminal=True) == [
        ["AP", "AP50"],
        ["box", "0.500", "0.750"],
        ["keypoint", "-"],
        ["mIoU", "0.250"],
        ["pixel", "accuracy", "-"],
    ]
    assert printed({"mIoU": 0.5}, terminal=True) == [["mIoU", "0.500"]]


def test_the_confusion_matrix_is_written_where_it_is_small():
    matrix = torch.tensor([[3, 1], [0, 2]])
    measured = Measured({"mIoU": 0.5}, {"IoU": {"a": 0.5}}, [], 7, matrix)
    assert as_json(measured) == {
        "mIoU": 0.5,
        "pictures": 7,
        "per category": {"IoU": {"a": 0.5}},
        "confusion matrix": [[3, 1], [0, 2]],
    }
    large = torch.zeros(101, 101, dtype=torch.int64)
    assert "confusion matrix" not in as_json(Measured({}, {}, [], 7, large))
    assert "confusion matrix" not in as_json(Measured({}, {}, [], 7))
