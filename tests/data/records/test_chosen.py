"""Some samples of a data set, with their labels where those are known, and those that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from visus.data.errors import ImageError
from visus.data.readers import coco, sop
from visus.data.records.chosen import chosen, first_readable, unreadable


def test_the_samples_at_some_places(tmp_path: Path) -> None:
    coco.write_fake(tmp_path)
    dataset = coco.open_coco(tmp_path, "train")
    some = chosen(dataset, [3, 1])
    assert len(some) == 2
    assert [sample.path for sample in some] == [dataset.path(3), dataset.path(1)]
    assert (some.schema, some.size(1), some.path(0)) == (dataset.schema, dataset.size(1), dataset.path(3))
    assert torch.equal(some[1].input, dataset[1].input)
    for outside in (2, -1):
        with pytest.raises(IndexError, match=f"sample {outside} of 2"):
            some[outside]
    assert not hasattr(some, "labels")


def test_labels_stay_with_their_samples(tmp_path: Path) -> None:
    sop.write_fake(tmp_path, classes=6, views=4, seed=0)
    dataset = sop.ENTRY.open(tmp_path, "train", for_training=True)
    some = chosen(dataset, [5, 0, 2])
    assert some.labels.tolist() == [int(dataset.labels[place]) for place in (5, 0, 2)]
    assert some.labels.tolist() == [int(sample.target.label) for sample in some]
    assert some.super_labels.tolist() == [int(dataset.super_labels[place]) for place in (5, 0, 2)]


def test_what_cannot_be_read_and_the_first_that_can(tmp_path: Path) -> None:
    coco.write_fake(tmp_path)
    dataset = coco.open_coco(tmp_path, "train")
    assert unreadable(dataset) == {}
    for place in (0, 2):
        Path(dataset.path(place)).write_bytes(b"no image")
    seen = []
    bad = unreadable(dataset, lambda: seen.append(1))
    assert list(bad) == [0, 2]
    assert len(seen) == len(dataset)
    assert all(dataset.path(place) in message and "\n" not in message for place, message in bad.items())
    assert first_readable(dataset).path == dataset.path(1)
    for place in range(len(dataset)):
        Path(dataset.path(place)).write_bytes(b"no image")
    with pytest.raises(ImageError, match=dataset.path(0)):
        first_readable(dataset)
