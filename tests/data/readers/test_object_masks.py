"""A folder of masks for each image: instances."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from visus.data.check.folder import check_folder
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.readers.object_masks import open_object_masks, write_fake
from visus.data.recognise import layout_of, open_folder


def sample(image: Path, masks: Path, boxes: list[tuple[int, int, int, int]]) -> None:
    """An image of 20 x 30 and a mask for each box, 255 within."""
    image.parent.mkdir(parents=True, exist_ok=True)
    masks.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (30, 20)).save(image)
    for number, box in enumerate(boxes):
        mask = Image.new("L", (30, 20))
        mask.paste(255, box)
        mask.save(masks / f"{number}.png")


@pytest.mark.parametrize("by_sample", [False, True])
@pytest.mark.parametrize("base", ["", "train"])
def test_both_layouts(tmp_path: Path, by_sample: bool, base: str) -> None:
    for name in "abcdefghij":
        folder = tmp_path / base / name if by_sample else tmp_path / base
        masks = folder / "masks" if by_sample else folder / "masks" / name
        sample(folder / "images" / f"{name}.png", masks, [(2, 3, 10, 9), (12, 5, 30, 20)])
    assert layout_of(tmp_path) == "object_masks"
    dataset = open_folder(tmp_path, "train", for_training=True)
    assert len(dataset) == (10 if base else 8)
    target = dataset[0].target
    assert target.boxes_xyxy.tolist() == [[2, 3, 10, 9], [12, 5, 30, 20]]
    assert target.areas.tolist() == [48, 270]
    assert dataset.schema.categories == ("object",)
    assert target.masks is not None
    assert torch.equal(target.masks.sum((1, 2)), torch.tensor([48, 270]))
    assert check_folder(tmp_path).errors == 0
    if base:
        with pytest.raises(DatasetNotFoundError, match="has no split 'val'; it has train"):
            open_folder(tmp_path, "val")


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    write_fake(tmp_path)
    masks = tmp_path / "train" / "masks"
    Image.new("L", (9, 9), 255).save(masks / "000" / "1.png")
    Image.new("L", (80, 64)).save(masks / "001" / "1.png")
    (masks / "002" / "1.png").write_bytes(b"")
    shutil.rmtree(masks / "003")
    report = check_folder(tmp_path)
    assert report.counts == {
        "mask of another size": 1,
        "empty mask": 1,
        "unreadable mask": 1,
        "image without masks": 1,
    }
    with pytest.raises(AnnotationError, match=r"1\.png: the mask has \(h, w\) = \(9, 9\), but its image"):
        open_object_masks(tmp_path, "train")


def test_no_object_is_refused_for_training(tmp_path: Path) -> None:
    sample(tmp_path / "train" / "images" / "a.png", tmp_path / "train" / "masks" / "a", [(0, 0, 0, 0)])
    assert len(open_object_masks(tmp_path, "train")) == 1
    with pytest.raises(AnnotationError, match="no object to learn from"):
        open_object_masks(tmp_path, "train", for_training=True)
    assert check_folder(tmp_path).counts["no annotations"] == 1
