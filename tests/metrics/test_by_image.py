"""ImageRecords: one record for each image, whatever the batches and the processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from two_processes import in_two_processes
from visus.metrics.by_image import ImageRecords


class Brightness(ImageRecords):
    """A mean over images; a record is (what is annotated, the value)."""

    def update(self, values: dict[int, tuple[str, float]]) -> None:
        for image_id, record in values.items():
            self.add(image_id, record)

    def compute(self) -> dict[str, Any]:
        records = self.records()
        return {"ids": list(records), "mean": sum(value for _, value in records.values()) / max(len(records), 1)}

    def same_image(self, known: tuple[str, float], record: tuple[str, float]) -> bool:
        return known[0] == record[0]


def test_records_come_in_the_order_of_the_identifiers() -> None:
    metric = Brightness()
    metric.update({9: ("a", 1.0), 2: ("b", 2.0)})
    metric.update({4: ("c", 6.0)})
    assert metric.compute() == {"ids": [2, 4, 9], "mean": 3.0}
    assert metric.records() == {2: ("b", 2.0), 4: ("c", 6.0), 9: ("a", 1.0)}


def test_an_image_added_twice_counts_once() -> None:
    metric = Brightness()
    metric.update({1: ("a", 1.0)})
    metric.update({1: ("a", 1.0)})
    assert metric.compute() == {"ids": [1], "mean": 1.0}


def test_in_one_process_another_prediction_of_the_same_identifier_is_refused() -> None:
    metric = Brightness()
    metric.update({1: ("a", 1.0)})
    with pytest.raises(ValueError, match="image_id 1 was measured twice, with different predictions"):
        metric.update({1: ("a", 1.5)})
    assert metric.compute() == {"ids": [1], "mean": 1.0}


def test_two_images_of_one_identifier_are_refused() -> None:
    metric = Brightness()
    metric.update({1: ("a", 1.0)})
    with pytest.raises(ValueError, match="two different images have image_id 1"):
        metric.update({1: ("b", 1.0)})


def test_forward_measures_the_batch_and_keeps_all() -> None:
    metric = Brightness()
    assert metric({1: ("a", 1.0)})["mean"] == 1.0
    assert metric({2: ("b", 3.0)})["mean"] == 3.0
    assert metric.compute()["mean"] == 2.0
    metric.reset()
    assert metric.records() == {}


def _measure(rank: int, folder: Path) -> None:
    metric = Brightness()
    metric.update([{5: ("a", 1.0), 1: ("b", 2.0)}, {3: ("c", 3.0), 5: ("a", 1.5)}][rank])
    torch.save((metric.compute(), list(metric.records())), folder / f"{rank}.pt")


def test_two_processes_measure_what_one_does(tmp_path: Path) -> None:
    in_two_processes(_measure, tmp_path)
    for rank in range(2):
        numbers, own = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert numbers == {"ids": [1, 3, 5], "mean": 2.0}  # image 5 counts once, as the first process saw it
        assert own == [[1, 5], [3, 5]][rank]
