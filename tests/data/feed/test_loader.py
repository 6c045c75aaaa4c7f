from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
import torch

from rectangles import MIRROR, rectangles
from visus.data.augment.augment import Augment
from visus.data.feed.collate import Collate
from visus.data.feed.loader import Transformed, generator_for, make_loader
from visus.data.feed.samplers import EpochBatches
from visus.data.readers.coco import open_coco
from visus.types import Batch, Sample, Schema


class Rectangles:
    """Ten samples whose images lie in memory."""

    schema = Schema(categories=("a", "b", "c"), category_ids=(1, 2, 3), has_masks=True)

    def __init__(self, count: int = 10) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        sample = rectangles((48, 64), [(4, 4, 20, 20), (30, 10, 60, 40)])
        return dataclasses.replace(sample, target=dataclasses.replace(sample.target, image_id=index), path=str(index))

    def size(self, index: int) -> tuple[int, int]:
        return (48, 64) if index % 2 else (64, 48)

    def path(self, index: int) -> str:
        return str(index)


def augmented(seed: int = 0) -> Transformed:
    augment = Augment(size=(32, 32), scale=(0.5, 2.0), colour=0.5, translate=0.1, mirror=MIRROR)
    return Transformed(Rectangles(), augment, seed=seed)


def epochs(workers: int, numbers: tuple[int, ...], seed: int = 0) -> list[list[Batch]]:
    loader = make_loader(augmented(seed), collate=Collate(), batch_size=4, shuffle=True, workers=workers, seed=seed)
    result = []
    for number in numbers:
        assert isinstance(loader.batch_sampler, EpochBatches)
        loader.batch_sampler.set_epoch(number)
        result.append(list(loader))
    return result


def same(one: list[Batch], other: list[Batch]) -> bool:
    return [b.paths for b in one] == [b.paths for b in other] and all(
        torch.equal(a.inputs.pixels, b.inputs.pixels)
        and all(
            torch.equal(s.boxes_xyxy, t.boxes_xyxy) and torch.equal(s.masks, t.masks)
            for s, t in zip(a.targets, b.targets, strict=True)
            if s.masks is not None and t.masks is not None
        )
        for a, b in zip(one, other, strict=True)
    )


def test_stream_depends_on_seed_and_epoch_only() -> None:
    alone = epochs(0, (0, 1, 2))
    shared = epochs(2, (0, 1, 2))  # persistent workers see the epoch change
    for one, other in zip(alone, shared, strict=True):
        assert same(one, other)
    resumed = epochs(1, (2,))
    assert same(resumed[0], alone[2])
    assert not same(alone[1], alone[2])
    assert not same(epochs(0, (0,), seed=1)[0], alone[0])


def test_samples_differ_within_an_epoch() -> None:
    data = augmented()
    assert not torch.equal(data[0].input, data[1].input)
    first = data[0].input
    data.set_epoch(1)
    assert not torch.equal(data[0].input, first)
    data.set_epoch(0)
    assert torch.equal(data[0].input, first)


def test_generators_of_different_keys_differ() -> None:
    keys = [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, 0), (-1, 0, 0)]
    drawn = {float(torch.rand((), generator=generator_for(*key), dtype=torch.float64)) for key in keys}
    assert len(drawn) == len(keys)


def test_aspect_ratio_groups_use_the_sizes() -> None:
    loader = make_loader(
        Rectangles(16), collate=Collate(), batch_size=4, shuffle=True, workers=0, aspect_ratio_factor=3
    )
    for batch in loader:
        assert len({int(path) % 2 for path in batch.paths}) == 1


def test_every_image_once() -> None:
    loader = make_loader(Rectangles(), collate=Collate(), batch_size=4, workers=0)
    assert [target.image_id for batch in loader for target in batch.targets] == list(range(10))
    assert len(loader) == 3


def test_empty_and_too_small_data_sets_are_refused() -> None:
    with pytest.raises(ValueError, match="no image"):
        make_loader(Rectangles(0), collate=Collate(), batch_size=2, workers=0)
    with pytest.raises(ValueError, match="cannot fill a batch of 16"):
        make_loader(Rectangles(), collate=Collate(), batch_size=16, drop_last=True, workers=0)


def test_one_image_is_enough() -> None:
    assert len(list(make_loader(Rectangles(1), collate=Collate(), batch_size=8, workers=0))) == 1


def test_batches_of_workers_do_not_use_up_file_descriptors() -> None:
    loader = make_loader(Rectangles(40), collate=Collate(), batch_size=2, workers=1)
    batches = iter(loader)
    kept = [next(batches)]
    before = len(os.listdir("/proc/self/fd"))
    kept += list(batches)
    assert len(kept) == 20
    assert len(os.listdir("/proc/self/fd")) <= before + 20  # one for each batch, not for each of its tensors


def test_real_files_through_workers(fake_coco: Path) -> None:
    data = Transformed(open_coco(fake_coco, "train", for_training=True), Augment(size=(64, 64)), seed=3)
    batches = list(make_loader(data, collate=Collate(), batch_size=3, shuffle=True, workers=2))
    assert sum(len(batch) for batch in batches) == len(data)
    assert all(batch.inputs.pixels.shape[1:] == (3, 64, 64) for batch in batches)
