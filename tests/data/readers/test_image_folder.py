"""Folders of classes: layouts, splits, names and what is wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.feed.loader import SampleDataset
from visus.data.readers.image_folder import open_image_folder, write_fake


def picture(path: Path, colour: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 8), (colour, 0, 0)).save(path)


def test_fake(tmp_path: Path) -> None:
    write_fake(tmp_path)
    for split in ("train", "val", "test"):
        data = open_image_folder(tmp_path, split, for_training=True)
        assert isinstance(data, SampleDataset)
        assert data.schema.categories == ("circle", "square", "triangle")
        assert data.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
        sample = data[5]
        assert sample.input.shape == (3, 64, 80)
        assert data.size(5) == sample.target.size == (64, 80)
        assert (int(sample.target.label), sample.target.image_id, sample.target.box_xyxy) == (1, 5, None)
        assert sample.path == data.path(-7) == str(tmp_path / split / "square" / "001.jpg")
        assert data.target(5).size == (64, 80)
        with pytest.raises(IndexError, match="12 of 12"):
            data[12]


def test_classes_alone_are_divided_class_by_class(tmp_path: Path) -> None:
    for name, count in (("a", 20), ("b", 10), ("train car", 4)):
        for i in range(count):
            picture(tmp_path / name / f"{i}.png")
    parts = {split: open_image_folder(tmp_path, split) for split in ("train", "val", "test")}
    counts = {split: data.labels.bincount(minlength=3).tolist() for split, data in parts.items()}
    assert counts == {"train": [16, 8, 2], "val": [2, 1, 1], "test": [2, 1, 1]}
    paths = [data.path(i) for data in parts.values() for i in range(len(data))]
    assert len(set(paths)) == len(paths) == 34
    again = open_image_folder(tmp_path, "val")
    assert [again.path(i) for i in range(len(again))] == [parts["val"].path(i) for i in range(len(again))]


def test_aliases_nested_folders_hidden_files_and_other_files(tmp_path: Path) -> None:
    for path in ("Training/cat/1.JPG", "Training/cat/more/deep/2.png", "Training/dog/a.webp", "valid/dog/b.jpg"):
        picture(tmp_path / path)
    for path in (".git/x.png", "__MACOSX/cat/1.png", "Training/cat/._1.jpg", "Training/cat/.hidden/3.jpg"):
        picture(tmp_path / path)
    (tmp_path / "Training" / "cat" / "notes.txt").write_text("x")
    (tmp_path / "README.md").write_text("x")
    train, val = open_image_folder(tmp_path, "train", for_training=True), open_image_folder(tmp_path, "val")
    assert [Path(train.path(i)).name for i in range(len(train))] == ["1.JPG", "2.png", "a.webp"]
    assert train.labels.tolist() == [0, 0, 1]
    assert val.schema.categories == ("cat", "dog")
    assert val.labels.tolist() == [1]
    with pytest.raises(DatasetNotFoundError, match=r"'test'.*train \(Training/\), val \(valid/\)"):
        open_image_folder(tmp_path, "test")


def test_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    for name in ("10", "9", "1"):
        picture(tmp_path / name / "x.png")
    assert open_image_folder(tmp_path, "train").schema.categories == ("1", "9", "10")


def test_a_class_may_be_called_test(tmp_path: Path) -> None:
    for name in ("test", "quiz"):
        picture(tmp_path / name / "x.png")
    assert open_image_folder(tmp_path, "train").schema.categories == ("quiz", "test")


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"nowhere: no such folder.*train/CLASS"):
        open_image_folder(tmp_path / "nowhere", "train")
    with pytest.raises(DatasetNotFoundError, match="no folders of classes"):
        open_image_folder(tmp_path, "train")
    with pytest.raises(ValueError, match="'dev' is unknown"):
        open_image_folder(tmp_path, "dev")
    write_fake(tmp_path, images=1)
    shutil.rmtree(tmp_path / "val" / "square")
    assert open_image_folder(tmp_path, "val").labels.tolist() == [0, 2]
    with pytest.raises(AnnotationError, match="class square without an image in the split 'val'"):
        open_image_folder(tmp_path, "val", for_training=True)
    (tmp_path / "train" / "owl").mkdir()
    with pytest.raises(AnnotationError, match=r"class owl without an image; add"):
        open_image_folder(tmp_path, "train")
