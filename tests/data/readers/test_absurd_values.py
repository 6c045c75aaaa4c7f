"""Names of 5,000 letters and numbers of 5,000 digits where any reader takes one: an error of one short line."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from visus.data.check.folder import check_folder
from visus.data.datasets import DATASETS
from visus.errors import VisusError

NAMES = ["n" * 5000, "a\0b", "a/" * 3000, "\ufffe"]
NUMBERS = ["9" * 5000, "1e400", "-1e400", "nan", "0x10", "", "five"]
LISTED = {
    "in_shop": ("Eval/list_eval_partition.txt", 2, "{} id_1 train"),
    "sop": ("Ebay_train.txt", 1, "1 1 1 {}"),
    "cub200": ("images.txt", 0, "1 {}"),
    "camvid": ("train.txt", 0, "{}"),
    "pennfudan": ("train.txt", 0, "{}"),
    "voc_semantic": ("ImageSets/Segmentation/train.txt", 0, "{}"),
    "csv": ("labels.csv", 1, "{},circle,1,1,9,9,train"),
    "yolo": ("data.yaml", 0, "train: {}"),
}
"""The file, the line and its form where a list of each data set names an image."""
NUMBERED = {
    "sop": ("Ebay_train.txt", 1, "1 {} 1 chair_final/00001_0.jpg"),
    "cub200": ("bounding_boxes.txt", 0, "1 1 1 {} 5"),
    "csv": ("labels.csv", 1, "000.jpg,circle,1,1,{},9,train"),
    "yolo": ("labels/train/0000.txt", 0, "0 0.5 0.5 {} 0.1"),
    "mask_folder": ("classes.csv", 0, "name,id\nsky,0\nhill,1\nlake,2\nboat,{}"),
}
"""The same where it has a number."""


def refused(name: str, root: Path) -> list[str]:
    """What a reader says to its training images."""
    try:
        dataset = DATASETS[name].open(root, "train", for_training=True)
        for index in range(len(dataset)):
            dataset[index]
    except VisusError as error:
        return [str(error)]
    return []


def put(name: str, root: Path, place: tuple[str, int, str], value: str) -> None:
    write = DATASETS[name].write_fake
    assert write is not None
    write(root)
    file, line, form = place
    lines = (root / file).read_text().splitlines()
    lines[line:] = [form.format(value), *lines[line + 1 :]] if "\n" not in form else [form.format(value)]
    (root / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.parametrize("value", NAMES, ids=["long", "NUL", "deep", "no letter"])
def test_names(name: str, value: str, tmp_path: Path) -> None:
    put(name, tmp_path / "set", LISTED[name], value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = refused(name, tmp_path / "set")
        report = check_folder(tmp_path / "set", dataset=name)
    assert said
    assert len(said[0].splitlines()) == 1
    assert len(said[0]) < 7000  # a name may be said in full, once
    assert report.errors


@pytest.mark.parametrize("name", NUMBERED)
@pytest.mark.parametrize("value", NUMBERS, ids=["digits", "1e400", "-1e400", "nan", "0x10", "nothing", "word"])
def test_numbers(name: str, value: str, tmp_path: Path) -> None:
    put(name, tmp_path / "set", NUMBERED[name], value)
    said = refused(name, tmp_path / "set")
    assert said
    assert len(said[0].splitlines()) == 1
    assert len(said[0]) < 500
    assert check_folder(tmp_path / "set", dataset=name).errors
