"""Accuracies of shapes and IoUs of parts against closed forms."""

from __future__ import annotations

import pytest
import torch

from visus.metrics.parts import PartMetric, part_ious, parts_of
from visus.metrics.shapes import ShapeMetric
from visus.types import Batch, ClassPrediction, ClassTarget, PartPrediction, PartTarget, Schema

SCHEMA = Schema(
    categories=("chair", "table", "tree"),
    category_ids=(0, 1, 2),
    parts=(("chair", ("back", "leg", "seat")), ("table", ("leg", "top"))),
)


def test_both_accuracies_come_from_one_matrix_whatever_the_batches() -> None:
    """Of 8 chairs 6 are right, of 2 tables 1: 7 of 10, and the mean of 3/4 and 1/2."""
    pairs = [(0, 0)] * 6 + [(0, 1)] * 2 + [(1, 1), (1, 0)]
    for sizes in ((10,), (7, 3), (9, 1)):
        metric, start = ShapeMetric(schema=SCHEMA), 0
        for size in sizes:
            some = pairs[start : start + size]
            targets = [ClassTarget(torch.tensor(t), (5,), start + i) for i, (t, _) in enumerate(some)]
            found = [ClassPrediction(torch.tensor([p, 2]), torch.tensor([0.9, 0.1]), (5,)) for _, p in some]
            metric.update(found, Batch(None, targets))
            start += size
        assert metric.compute() == pytest.approx({"overall accuracy": 0.7, "mean class accuracy": 0.625})
        assert metric.confusion_matrix.tolist() == [[6, 2, 0], [1, 1, 0], [0, 0, 0]]


def test_a_part_that_is_neither_there_nor_found_counts_one() -> None:
    found, true = torch.tensor([0, 0, 2, 2]), torch.tensor([0, 2, 2, 2])
    assert part_ious(found, true, range(3)) == [0.5, 1.0, pytest.approx(2 / 3)]
    assert (parts_of(SCHEMA, 0), parts_of(SCHEMA, 1), parts_of(SCHEMA, 2)) == (range(3), range(3, 5), range(5, 5))


def test_means_over_shapes_and_over_categories() -> None:
    chair, table = torch.tensor([0, 1, 2]), torch.tensor([3, 3, 4])
    targets = [PartTarget(chair, torch.tensor(0), (3,), 0), PartTarget(chair, torch.tensor(0), (3,), 1)]
    targets.append(PartTarget(table, torch.tensor(1), (3,), 2))
    found = [chair, chair, torch.tensor([0, 0, 4])]
    metric = PartMetric(schema=SCHEMA)
    metric.update([PartPrediction(one, torch.ones(3), (3,)) for one in found], Batch(None, targets))
    assert metric.compute() == pytest.approx(
        {"instance mIoU": (1 + 1 + 0.5) / 3, "class mIoU": 0.75, "point accuracy": 7 / 9}
    )
    assert metric.details()[0].values["mIoU"] == {"chair": 1.0, "table": 0.5, "tree": -1.0}
    with pytest.raises(ValueError, match="the target in"):
        metric.update([PartPrediction(chair, torch.ones(3), (4,))], Batch(None, targets[:1]))
