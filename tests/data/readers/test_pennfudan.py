from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from visus.data.errors import DatasetNotFoundError
from visus.data.files.images import ImageError
from visus.data.readers.pennfudan import open_pennfudan, read_instances, write_fake

REAL = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "pennfudan"


def test_fake(tmp_path: Path) -> None:
    write_fake(tmp_path)
    train, test = (open_pennfudan(tmp_path, split) for split in ("train", "test"))
    assert (len(train), len(test)) == (4, 2)
    for index in range(len(train)):
        sample = train[index]
        target = sample.target
        assert tuple(sample.input.shape[-2:]) == train.size(index) == target.size
        assert 1 <= len(target) <= 3
        assert target.masks is not None
        for box, mask, area in zip(target.boxes_xyxy.int().tolist(), target.masks, target.areas, strict=True):
            x1, y1, x2, y2 = box
            assert mask[y1:y2, x1:x2].sum() == mask.sum() == area
            assert mask[y1:y2, x1].any()
            assert mask[y2 - 1, x1:x2].any()
    assert train.path(-1) == train.path(3)


def test_numbers_need_not_be_consecutive(tmp_path: Path) -> None:
    numbers = np.zeros((4, 6), dtype=np.uint8)
    numbers[0, 0], numbers[2:, 3:] = 7, 200
    Image.fromarray(numbers).save(tmp_path / "m.png")
    masks = read_instances(tmp_path / "m.png")
    assert masks.sum(dim=(1, 2)).tolist() == [1, 6]
    Image.fromarray(np.zeros((4, 6), dtype=np.uint8)).save(tmp_path / "e.png")
    assert read_instances(tmp_path / "e.png").shape == (0, 4, 6)


def test_bad_masks_are_named(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "m.png")
    with pytest.raises(ImageError, match=r"m\.png.*one channel"):
        read_instances(tmp_path / "m.png")
    (tmp_path / "z.png").write_bytes(b"")
    with pytest.raises(ImageError, match=r"z\.png"):
        read_instances(tmp_path / "z.png")
    write_fake(tmp_path, images=2)
    Image.new("L", (9, 9)).save(tmp_path / "masks" / "FudanPed00001.png")
    with pytest.raises(ImageError, match=r"FudanPed00001\.jpg.*\(9, 9\)"):
        open_pennfudan(tmp_path, "train")[0]


def test_missing_lists_and_splits(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"train\.txt"):
        open_pennfudan(tmp_path, "train")
    with pytest.raises(ValueError, match="unknown"):
        open_pennfudan(tmp_path, "dev")


@pytest.mark.data
def test_real_pictures() -> None:
    if not REAL.exists():
        pytest.skip("../shared/data is absent")
    train, test = open_pennfudan(REAL, "train"), open_pennfudan(REAL, "test")
    assert (len(train), len(test)) == (128, 42)
    sample = train[0]
    assert sample.target.boxes_xyxy.tolist() == [[159, 181, 302, 431], [419, 170, 535, 486]]
    assert sample.input.dtype == torch.uint8
