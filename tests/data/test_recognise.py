from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visus.cli.data import main
from visus.data.check.folder import check_folder
from visus.data.datasets import DATASETS
from visus.data.errors import DatasetNotFoundError
from visus.data.recognise import layout_of, open_folder
from visus.types import InstanceTarget, SemanticTarget


def fake(name: str, root: Path, **options: int) -> None:
    """The miniature of a data set."""
    write: Any = DATASETS[name].write_fake
    write(root, **options)


@pytest.mark.parametrize("name", ["coco", "yolo", "voc", "camvid", "mask_folder", "pennfudan", "labelme"])
def test_miniatures_are_opened_and_without_problems(tmp_path: Path, name: str) -> None:
    fake(name, tmp_path)
    dataset = open_folder(tmp_path, "val", for_training=True)
    kind = SemanticTarget if name in ("camvid", "mask_folder") else InstanceTarget
    assert isinstance(dataset[0].target, kind)
    report = check_folder(tmp_path)
    assert [p for p in report.problems if p.kind != "unused class"] == []
    assert report.images > 0
    assert report.objects > 0
    assert report.unit == ("masks" if kind is SemanticTarget else "objects")


def test_retrieval_sets_are_no_folder_of_classes(tmp_path: Path) -> None:
    """What has lists of its own, or names of its own, is not a classifier's folder although it has folders."""
    for name in ("sop", "cub200", "in_shop", "orl_faces", "coil20"):
        fake(name, tmp_path / name)
        assert layout_of(tmp_path / name) == name
        assert DATASETS[name].unseen_classes
    (tmp_path / "cars").mkdir()
    (tmp_path / "cars" / "cars_annos.mat").write_bytes(b"")
    assert layout_of(tmp_path / "cars") == "cars196"
    assert check_folder(tmp_path / "cars").errors == 1
    fake("class_folder", tmp_path / "plain")
    assert layout_of(tmp_path / "plain") == "image_folder"
    fake("class_folder", tmp_path / "one", classes=1)
    with pytest.raises(DatasetNotFoundError, match="a folder for each of two classes"):
        layout_of(tmp_path / "one")
    (tmp_path / "orl_faces" / "other").mkdir()
    assert layout_of(tmp_path / "orl_faces") == "image_folder"


def test_masks_alone_make_voc_semantic(tmp_path: Path) -> None:
    fake("voc", tmp_path)
    shutil.rmtree(tmp_path / "Annotations")
    assert layout_of(tmp_path) == "voc_semantic"
    assert isinstance(open_folder(tmp_path, "val")[0].target, SemanticTarget)
    assert {p.kind for p in check_folder(tmp_path).problems} == {"unused class"}


def test_what_is_no_data_set_is_told_with_all_layouts(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="no such folder"):
        layout_of(tmp_path / "absent")
    with pytest.raises(DatasetNotFoundError) as caught:
        open_folder(tmp_path, "train")
    assert all(f"{name}: {entry.mark}" in str(caught.value) for name, entry in DATASETS.items() if entry.recognise)
    assert check_folder(tmp_path).counts == {"no data set": 1}


@pytest.mark.parametrize("name", ["voc", "camvid", "mask_folder", "yolo", "labelme", "sop"])
def test_show_draws_every_layout(tmp_path: Path, name: str) -> None:
    fake(name, tmp_path / "d")
    assert main(["show", str(tmp_path / "d"), "--out", str(tmp_path / "o"), "--count", "2"]) == 0
    assert len(list((tmp_path / "o").iterdir())) == 3


def test_check_of_masks(tmp_path: Path) -> None:
    fake("mask_folder", tmp_path)
    masks = tmp_path / "masks" / "train"
    Image.new("L", (80, 64), 255).save(masks / "0000.png")
    Image.new("L", (80, 64), 9).save(masks / "0001.png")
    Image.new("L", (8, 64)).save(masks / "0002.png")
    (masks / "0003.png").unlink()
    (masks / "0004.png").write_bytes(b"")
    (tmp_path / "images" / "val" / "0000.jpg").write_bytes(b"")
    report = check_folder(tmp_path)
    severity = {p.kind: p.severity for p in report.problems}
    assert report.counts == dict.fromkeys(severity, 1)
    assert severity == {
        "mask without classes": "warning",
        "unknown class": "error",
        "mask of another size": "error",
        "missing mask": "error",
        "unreadable mask": "error",
        "empty image file": "error",
    }
    assert {Path(p.file).name for p in report.problems if p.kind == "unknown class"} == {"0001.png"}
    (tmp_path / "classes.csv").write_text("name\nsky\nsky\n")
    assert check_folder(tmp_path).counts == {"unusable list of classes": 1}


def test_check_of_masks_without_some_class_or_split(tmp_path: Path) -> None:
    fake("camvid", tmp_path, images=2)
    for file in tmp_path.glob("*annot/*.png"):
        numbers = np.asarray(Image.open(file)).copy()
        numbers[numbers == 3] = 11
        Image.fromarray(numbers).save(file)
    (tmp_path / "test.txt").unlink()
    names = (tmp_path / "train.txt").read_text()
    (tmp_path / "train.txt").write_text(names + names.split()[0] + "\n")
    report = check_folder(tmp_path)
    assert "no mask has road" in [p.message for p in report.problems if p.kind == "unused class"]
    counts = {kind: count for kind, count in report.counts.items() if kind != "unused class"}
    assert counts == {"missing split": 1, "duplicate image": 1}


def test_check_of_voc(tmp_path: Path) -> None:
    fake("voc", tmp_path)
    boxes = "<xmin>5</xmin><ymin>5</ymin><xmax>{}</xmax><ymax>9</ymax>"
    objects = "".join(
        f"<object><name>dog</name><bndbox>{boxes.format(right)}</bndbox></object>" for right in ("3", "200", "nan", "9")
    )
    size = "<size><width>128</width><height>90</height></size>"
    folder = tmp_path / "Annotations"
    (folder / "2012_000001.xml").write_text(f"<annotation>{size}{objects}<object/></annotation>")
    (folder / "2012_000002.xml").write_text("<annotation>")
    (folder / "2012_000003.xml").unlink()
    (tmp_path / "JPEGImages" / "2012_000004.jpg").unlink()
    with (tmp_path / "ImageSets" / "Main" / "val.txt").open("a") as listing:
        listing.write("2012_000001\n")
    report = check_folder(tmp_path)
    assert report.counts == {
        "malformed object": 2,
        "negative box side": 1,
        "box outside the image": 1,
        "wrong image size": 1,
        "unreadable annotations": 1,
        "missing annotation": 1,
        "image without annotations": 1,
        "missing image": 2,
        "duplicate image": 1,
    }
    numbers = {p.kind: p.annotation_id for p in report.problems if p.annotation_id}
    assert numbers["negative box side"] == 1
    assert numbers["box outside the image"] == 2


def test_check_of_yolo(tmp_path: Path) -> None:
    fake("yolo", tmp_path)
    labels = tmp_path / "labels" / "train"
    (labels / "0000.txt").write_text("0 0.5 0.5 0.1 0.1\n7 0.5 0.5 0.1 0.1\n0 0.5 0.5\n0 0.5 0.5 0.1 0.1\n")
    (labels / "0001.txt").write_text("0 0.9 0.5 0.6 0.1\n0 0.5 0.5 0 0.1\n")
    (labels / "stray.txt").write_text("")
    (labels / "0002.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "images" / "train" / "0003.jpg").write_bytes(b"")
    report = check_folder(tmp_path)
    assert report.counts == {
        "malformed line": 2,
        "box outside the image": 1,
        "degenerate box": 1,
        "duplicate object": 1,
        "labels without an image": 1,
        "unreadable annotations": 1,
        "empty image file": 1,
    }
    messages = [p.message for p in report.problems if p.kind == "malformed line"]
    assert messages[0].startswith("line 2: the class is 7")
    (tmp_path / "data.yaml").write_text("names: 3\n")
    assert check_folder(tmp_path).counts == {"unusable data.yaml": 1}
