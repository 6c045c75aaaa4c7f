"""The contract of a data set, checked on the miniature of every entry of the catalog, and on drawn data."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from visus.catalog import DATASETS
from visus.data.augment.augment import Augment
from visus.data.feed.collate import Collate
from visus.types import VOID, ClassTarget, InstanceTarget, Sample, Schema, SemanticTarget


@pytest.fixture(scope="module", params=sorted(DATASETS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def root(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(name)
    if (write := DATASETS[name].write_fake) is not None:
        write(folder)
    return folder


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_samples_are_what_the_schema_says(name: str, root: Path, split: str) -> None:
    dataset = DATASETS[name].open(root, split, for_training=split == "train")
    count = min(len(dataset), 4)
    assert count > 0
    samples = [dataset[index] for index in range(count)]
    for index, sample in enumerate(samples):
        assert sample.input.dtype == torch.uint8
        assert tuple(sample.input.shape[1:]) == sample.target.size == tuple(dataset.size(index))
        assert sample.path == dataset.path(index)
        check(sample, dataset.schema)
    assert len({sample.target.image_id for sample in samples}) == count
    assert len({type(sample.target) for sample in samples}) == 1
    known = getattr(dataset, "labels", None)
    if known is not None:
        assert [int(sample.target.label) for sample in samples] == known[:count].tolist()


def check(sample: Sample, schema: Schema) -> None:
    target = sample.target
    if isinstance(target, SemanticTarget):
        assert target.labels.shape == sample.input.shape[1:]
        painted = target.labels[target.labels != VOID]
        assert len(painted) == 0 or int(painted.max()) < schema.num_classes
    elif isinstance(target, ClassTarget):
        assert 0 <= int(target.label) < schema.num_classes
    else:
        assert isinstance(target, InstanceTarget)
        assert ((target.labels >= 0) & (target.labels < schema.num_classes)).all()
        assert (target.masks is not None) == schema.has_masks


def test_samples_can_be_varied_and_collected(name: str, root: Path) -> None:
    dataset = DATASETS[name].open(root, "train", for_training=True)
    vary = Augment(size=(48, 64), scale=(0.8, 1.2), rotate=5, colour=0.2, keypoints=dataset.schema.keypoints)
    generator = torch.Generator().manual_seed(0)
    varied = [vary(dataset[index], generator) for index in range(min(len(dataset), 3))]
    batch = Collate()(varied)
    assert all(target.size == (48, 64) for target in batch.targets)
    assert batch.inputs.pixels.shape[-2:] == (64, 64)


def test_a_folder_without_the_data_is_named(name: str, tmp_path: Path) -> None:
    if DATASETS[name].write_fake is None:
        pytest.skip("drawn data has no folder")
    with pytest.raises((ValueError, OSError), match=r"nowhere"):
        DATASETS[name].open(tmp_path / "nowhere", "train", for_training=True)
