from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import ImageError
from visus.data.readers.camvid import SCHEMA, open_camvid, write_fake
from visus.types import VOID, SemanticTarget

REAL = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "camvid"


def test_fake(tmp_path: Path) -> None:
    write_fake(tmp_path, images=3)
    for split in ("train", "val", "test"):
        dataset = open_camvid(tmp_path, split, for_training=split == "train")
        assert len(dataset) == 3
        samples = [dataset[index] for index in range(3)]
        assert [sample.target.image_id for sample in samples] == [1, 2, 3]
        for index, sample in enumerate(samples):
            assert isinstance(sample.target, SemanticTarget)
            assert tuple(sample.input.shape[-2:]) == dataset.size(index) == sample.target.size == (72, 96)
            assert sample.target.labels.dtype == torch.uint8
            found = set(sample.target.labels.unique().tolist())
            assert VOID in found
            assert found - {VOID} <= set(range(11))
            assert len(found) >= 4
    assert dataset.path(-1) == dataset.path(2)
    with pytest.raises(IndexError, match="image 3 of 3"):
        dataset[3]


def test_class_eleven_is_void_and_others_stay(tmp_path: Path) -> None:
    write_fake(tmp_path, images=1)
    mask = tmp_path / "trainannot" / "0000TP_006690.png"
    numbers = np.arange(72 * 96, dtype=np.uint8).reshape(72, 96) % 12
    Image.fromarray(numbers).save(mask)
    labels = open_camvid(tmp_path, "train")[0].target.labels.numpy()
    assert np.array_equal(labels, np.where(numbers == 11, VOID, numbers))


def test_lists_may_hold_both_files_of_a_pair(tmp_path: Path) -> None:
    write_fake(tmp_path, images=2)
    names = (tmp_path / "train.txt").read_text().split()
    plain = open_camvid(tmp_path, "train")[1]
    lines = [f"/SegNet/CamVid/train/{name}.png /SegNet/CamVid/trainannot/{name}.png" for name in names]
    (tmp_path / "train.txt").write_text("\r\n".join(lines) + "\r\n\r\n")
    paired = open_camvid(tmp_path, "train")
    assert len(paired) == 2
    assert paired.path(1) == plain.path
    assert torch.equal(paired[1].target.labels, plain.target.labels)


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"train\.txt"):
        open_camvid(tmp_path, "train")
    with pytest.raises(ValueError, match="'dev' is unknown"):
        open_camvid(tmp_path, "dev")
    write_fake(tmp_path, images=3)
    masks = [tmp_path / "trainannot" / f"0000TP_{number:06d}.png" for number in (6690, 6720, 6750)]
    Image.new("L", (96, 72), 12).save(masks[0])
    Image.new("L", (90, 72)).save(masks[1])
    masks[2].unlink()
    dataset = open_camvid(tmp_path, "train")
    with pytest.raises(
        AnnotationError, match=r"006690\.png.*the class ids 12, which no class has; allowed are 0-11, 255"
    ):
        dataset[0]
    with pytest.raises(AnnotationError, match=r"006720\.png.*\(72, 90\).*006720\.jpg has \(72, 96\)"):
        dataset[1]
    with pytest.raises(ImageError, match=r"006750\.png: no such file"):
        dataset[2]
    (tmp_path / "val" / "0001TP_006690.jpg").unlink()
    with pytest.raises(ImageError, match=r"val/0001TP_006690\.jpg: no such file"):
        open_camvid(tmp_path, "val")[0]


def test_names_and_colours_go_together() -> None:
    assert dict(zip(SCHEMA.categories, SCHEMA.colours, strict=True))["road"] == (128, 64, 128)
    assert len(set(SCHEMA.colours)) == SCHEMA.num_classes == 11


@pytest.mark.data
def test_real_frames() -> None:
    if not REAL.exists():
        pytest.skip("../shared/data is absent")
    counts = {split: len(open_camvid(REAL, split)) for split in ("train", "val", "test")}
    assert counts == {"train": 367, "val": 101, "test": 233}
    dataset = open_camvid(REAL, "train", for_training=True)
    sample = dataset[0]
    assert sample.target.size == dataset.size(0) == (360, 480)
    grey = sample.input.float().mean(dim=0)
    sky, road = (sample.target.labels == SCHEMA.categories.index(name) for name in ("sky", "road"))
    assert grey[sky].mean() > 1.5 * grey[road].mean()
    assert sky.nonzero()[:, 0].max() < road.nonzero()[:, 0].median()
    assert 0 < float((sample.target.labels == VOID).float().mean()) < 0.1
