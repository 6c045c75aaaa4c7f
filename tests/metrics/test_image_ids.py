"""What counts as an image: targets measured by hand without identifiers count one by one, repeated ones are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from two_processes import in_two_processes
from visus.metrics import ClassificationMetric, CocoMetric, Metric, RetrievalMetric, SemanticMetric, VocMetric
from visus.types import (
    Batch,
    ClassPrediction,
    ClassTarget,
    EmbeddingPrediction,
    InstancePrediction,
    InstanceTarget,
    Schema,
    SemanticPrediction,
    SemanticTarget,
)

SCHEMA = Schema(("cat", "dog"), (1, 2))
SIZE = (10, 10)
RIGHT = 3  # of five images, the one that is predicted rightly
Pairs = tuple[list[Any], list[Any]]


def classes() -> Pairs:
    found = [ClassPrediction(torch.tensor([int(i != RIGHT), int(i == RIGHT)]), torch.rand(2), SIZE) for i in range(5)]
    return found, [ClassTarget(torch.tensor(0), SIZE) for _ in found]


def pixels() -> Pairs:
    half = torch.zeros(SIZE, dtype=torch.uint8)
    half[5:] = 1
    labels = [half if i == RIGHT else 1 - half for i in range(5)]
    return [SemanticPrediction(one, torch.ones(SIZE), SIZE) for one in labels], [
        SemanticTarget(half, SIZE) for _ in labels
    ]


def objects() -> Pairs:
    box, label = torch.tensor([[1.0, 1.0, 5.0, 5.0]]), torch.tensor([0])
    found = [
        InstancePrediction(box if i == RIGHT else box + 4, label, torch.tensor([0.9 if i == RIGHT else 0.1]), SIZE)
        for i in range(5)
    ]
    return found, [InstanceTarget(box, label, torch.tensor([16.0]), torch.tensor([False]), SIZE) for _ in found]


def embeddings() -> Pairs:
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0], [1.0, 0.01]])
    found = [EmbeddingPrediction(vector, SIZE) for vector in vectors]
    return found, [ClassTarget(torch.tensor(label), SIZE) for label in (0, 0, 1, 1, 1)]


def metrics() -> dict[str, tuple[Metric, Pairs, dict[str, float]]]:
    return {
        "classification": (ClassificationMetric(schema=SCHEMA), classes(), {"top-1": 0.2}),
        "semantic": (SemanticMetric(SCHEMA), pixels(), {"mIoU": 1 / 9, "pixel accuracy": 0.2}),
        "coco": (CocoMetric(schema=SCHEMA), objects(), {"box AP": 21 / 101}),  # precision 1 at recalls 0 to 0.20
        "voc": (VocMetric(SCHEMA), objects(), {"VOC AP50": 0.2}),
        "retrieval": (RetrievalMetric(ks=(1,)), embeddings(), {"R@1": 2 / 5}),
    }


@pytest.fixture(params=metrics())
def case(request: pytest.FixtureRequest) -> tuple[Metric, Pairs, dict[str, float]]:
    return metrics()[request.param]


def test_targets_without_an_identifier_count_one_by_one(case: tuple[Metric, Pairs, dict[str, float]]) -> None:
    metric, (found, targets), expected = case
    metric.update(found[:2], Batch(None, targets[:2]))
    metric.update(found[2:], Batch(None, targets[2:]))
    numbers = metric.compute()
    assert {name: numbers[name] for name in expected} == pytest.approx(expected)
    metric.reset()
    metric.update(found, Batch(None, [replace(target, image_id=7 + i) for i, target in enumerate(targets)]))
    assert metric.compute() == pytest.approx(numbers)


def test_equal_images_without_an_identifier_all_count(case: tuple[Metric, Pairs, dict[str, float]]) -> None:
    metric, (found, targets), _ = case
    metric.update([found[0]] * 3, Batch(None, [targets[0]] * 3))
    assert len(metric.records()) == 3  # type: ignore[attr-defined]


def test_some_identifiers_are_refused(case: tuple[Metric, Pairs, dict[str, float]]) -> None:
    metric, (found, targets), _ = case
    metric.update(found[:1], Batch(None, targets[:1]))
    with pytest.raises(ValueError, match="some targets have an image_id and others have none"):
        metric.update(found[1:2], Batch(None, [replace(targets[1], image_id=1)]))


def test_one_identifier_for_all_is_refused(case: tuple[Metric, Pairs, dict[str, float]]) -> None:
    metric, (found, targets), _ = case
    with pytest.raises(ValueError, match="image_id 0"):
        metric.update(found, Batch(None, [replace(target, image_id=0) for target in targets]))


def _measure(rank: int, folder: Path) -> None:
    metric, (found, targets), expected = metrics()["classification"]
    metric.update(found[rank::2], Batch(None, targets[rank::2]))
    with pytest.raises(ValueError, match="without image_id were measured by several processes"):
        metric.compute()
    metric, _, _ = metrics()["classification"]
    if rank:  # one process alone may do without
        metric.update(found, Batch(None, targets))
    assert metric.compute().items() >= expected.items()
    (folder / f"{rank}.done").touch()


def test_several_processes_need_identifiers(tmp_path: Path) -> None:
    in_two_processes(_measure, tmp_path)
    assert (tmp_path / "1.done").exists()
