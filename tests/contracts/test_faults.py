"""Faults that people's files have, each in every layout that can have it: what a reader refuses its check reports as
an error, and what the check passes the reader reads completely."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from visus.catalog import DATASETS
from visus.data.check.folder import check_folder
from visus.data.errors import DatasetNotFoundError
from visus.errors import VisusError

Fault = Callable[[Path], None]
Content = dict[str, Any]


def coco_files(root: Path) -> Iterator[Path]:
    yield from sorted((root / "annotations").glob("*_train.json"))


def of_coco(change: Callable[[Content], object]) -> Fault:
    """A fault in the content of the training files of COCO's miniature."""

    def apply(root: Path) -> None:
        for file in coco_files(root):
            content = json.loads(file.read_text())
            change(content)
            file.write_text(json.dumps(content))

    return apply


def of_object(**fields: Any) -> Fault:
    return of_coco(lambda content: content["annotations"][1].update(fields))


def of_image(**fields: Any) -> Fault:
    return of_coco(lambda content: content["images"][1].update(fields))


def of_text(name: str, pattern: str, text: str) -> Fault:
    """A fault in the first place of a text file that fits a pattern."""

    def apply(root: Path) -> None:
        file = root / name
        before = file.read_text()
        after = re.sub(pattern, lambda match: text, before, count=1)
        assert after != before
        file.write_text(after)

    return apply


def of_yaml(**fields: Any) -> Fault:
    def apply(root: Path) -> None:
        content = yaml.safe_load((root / "data.yaml").read_text())
        (root / "data.yaml").write_text(yaml.safe_dump({**content, **fields}))

    return apply


def first_image(root: Path) -> Path:
    files = sorted(root.rglob("*"))
    images = [path for path in files if path.suffix in (".jpg", ".png", ".pgm", ".off", ".npz", ".h5")]
    return (images or [path for path in files if path.suffix == ".txt"])[0]  # clouds of points may be text


def broken_links(root: Path) -> None:
    for file in (root / "labels" / "train").glob("*.txt"):
        file.unlink()
        file.symlink_to(root / "nowhere" / file.name)


def folder_of_labels(root: Path) -> None:
    (root / "labels" / "train" / "0000.txt").unlink()
    (root / "labels" / "train" / "0000.txt").mkdir()


def without_labels(root: Path) -> None:
    shutil.rmtree(root / "labels")


def every_crowd(content: Content) -> None:
    for annotation in content["annotations"]:
        annotation["iscrowd"] = 1


def every_difficult(root: Path) -> None:
    for file in (root / "Annotations").glob("*.xml"):
        file.write_text(file.read_text().replace("<difficult>0", "<difficult>1"))


def every_label_empty(root: Path) -> None:
    for file in (root / "labels").rglob("*.txt"):
        file.write_text("")


def wrong_pose(root: Path) -> None:
    of_yaml(kpt_shape=[3, 3])(root)
    with (root / "labels" / "train" / "0000.txt").open("a") as file:
        file.write("0 0.5 0.5 0.2 0.2 0.5 0.5 2 0.5 0.5 2\n")


def masks_of_0_and_255(root: Path) -> None:
    (root / "classes.csv").unlink()
    for file in (root / "masks").rglob("*.png"):
        with Image.open(file) as opened:
            Image.new("L", opened.size, 0).save(file)
        with Image.open(file) as opened:
            opened.paste(255, (3, 3, 20, 20))
            opened.save(file)


def left_behind(root: Path) -> None:
    """What notebooks, macOS and archivers leave in folders."""
    image = first_image(root)
    for folder in {path.parent for path in root.rglob("*") if path.suffix == image.suffix}:
        (folder / ".ipynb_checkpoints").mkdir()
        shutil.copy(image, folder / ".ipynb_checkpoints" / f"copy-checkpoint{image.suffix}")
        (folder / f"._{image.name}").write_bytes(b"\0\5\x16\7")
    (root / "__MACOSX").mkdir()
    (root / ".DS_Store").write_bytes(b"\0")


def fractions(root: Path) -> None:
    """The boxes of a table as parts of images of 64 x 80."""
    lines = [line.split(",") for line in (root / "labels.csv").read_text().splitlines()]
    for cells in lines[1:]:
        with Image.open(root / "images" / cells[0]) as image:
            sides = image.size * 2
        cells[2:6] = [str(int(cell) / side) for cell, side in zip(cells[2:6], sides, strict=True)]
    (root / "labels.csv").write_text("".join(",".join(cells) + "\n" for cells in lines))


def parent_class(root: Path) -> None:
    for file in (root / "annotations").glob("*.json"):
        content = json.loads(file.read_text())
        content["categories"].insert(0, {**content["categories"][0], "id": 0, "supercategory": "none"})
        file.write_text(json.dumps(content))


def renamed_category(content: Content) -> None:
    content["categories"][0]["name"] = "pedestrian"


REFUSED: dict[str, tuple[str, Fault]] = {
    "an outline that is a flat list": ("coco", of_object(segmentation=[1, 1, 9, 1, 9, 9])),
    "an outline of points": ("coco", of_object(segmentation=[[[1, 1], [9, 1], [9, 9]]])),
    "an odd number of coordinates": ("coco", of_object(segmentation=[[1, 1, 9, 1, 9, 9, 4]])),
    "an outline with NaN": ("coco", of_object(segmentation=[[1, 1, 9, 1, 9, float("nan")]])),
    "run lengths of another size": ("coco", of_object(segmentation={"size": [4, 4], "counts": [16]})),
    "run lengths beyond the image": ("coco", of_object(segmentation={"size": [96, 128], "counts": [10**30]})),
    "nothing but crowds": ("coco", of_coco(every_crowd)),
    "nothing but difficult objects": ("voc", every_difficult),
    "no object": ("yolo", every_label_empty),
    "masks of 0 and 255": ("mask_folder", masks_of_0_and_255),
    "points of another number than kpt_shape says": ("yolo", wrong_pose),
    "iscrowd as text": ("coco", of_object(iscrowd="0")),
    "a negative area": ("coco", of_object(area=-1)),
    "a visibility of 7": ("coco_keypoints", of_object(keypoints=[1, 1, 7] * 17)),
    "keypoints with NaN": ("coco_keypoints", of_object(keypoints=[1, float("nan"), 2] * 17)),
    "an identifier of 20 digits": ("coco", of_object(id=10**20)),
    "a path to somewhere else": ("coco", of_image(file_name="/etc/hosts")),
    "a path above the data set": ("coco", of_image(file_name="../../../secret.jpg")),
    "half of a character": ("coco", of_image(file_name="\ud800.jpg")),
    "another size than the image's": ("coco", of_image(height=128, width=96)),
    "a size as text": ("coco", of_image(height="96")),
    "NaN in a box": ("coco", of_object(bbox=[float("nan"), 1, 2, 3])),
    "a category that is not listed": ("coco", of_object(category_id=99)),
    "keypoints counted from 0": (
        "coco_keypoints",
        of_coco(lambda content: content["categories"][0].update(skeleton=[[0, 99]])),
    ),
    "a stray quote": ("csv", of_text("labels.csv", r"002\.jpg,", '"002.jpg,')),
    "a split that is no split": ("csv", of_text("labels.csv", ",train", ",banana")),
    "no labels": ("yolo", without_labels),
    "links to labels that lead nowhere": ("yolo", broken_links),
    "a folder in a label's place": ("yolo", folder_of_labels),
    "a class beyond the names": ("yolo", of_text("labels/train/0000.txt", r"^\d", "7")),
    "NaN in a line": ("yolo", of_text("labels/train/0000.txt", r"0\.\d+", "nan")),
    "too few names": ("yolo", of_yaml(nc=9)),
    "a list without its heading": ("sop", of_text("Ebay_train.txt", r"^.*\n", "")),
    "a list without its headings": ("in_shop", of_text("Eval/list_eval_partition.txt", r"^.*\n.*\n", "")),
    "a number that is none": ("sop", of_text("Ebay_train.txt", r"\n1 1 ", "\n1 x ")),
    "a box that is none": ("voc", of_text("Annotations/2012_000001.xml", r"<xmin>[^<]*", "<xmin>left")),
    "an object without a name": ("voc", of_text("Annotations/2012_000001.xml", r"<name>[^<]*", "<name>")),
    "XML that ends early": ("voc", of_text("Annotations/2012_000001.xml", r"</annotation>", "")),
}
"""Faults that a reader cannot read past, by name."""

PASSED: dict[str, tuple[str, Fault]] = {
    "file names that go through the folder itself": ("coco", of_image(file_name="../train/000007.jpg")),
    "iscrowd as a truth value": ("coco", of_object(iscrowd=False)),
    "no area and no iscrowd": ("coco", of_object(area=None, iscrowd=None)),
    "a polygon of two corners": ("coco", of_object(segmentation=[[1, 1, 9, 9], [1, 1, 9, 1, 9, 9]])),
    "a skeleton counted from 0": (
        "coco_keypoints",
        of_coco(lambda content: [c.update(skeleton=[[0, 1], [1, 16]]) for c in content["categories"] if len(c) > 3]),
    ),
    "a parent class of the same name": ("coco", parent_class),
    "a name in other letters": ("coco", of_image(file_name="000007.JPG")),
    "a name with another machine's folder": ("coco", of_image(file_name="C:\\data\\train\\000007.jpg")),
    "boxes as fractions": ("csv", fractions),
    "names that YAML takes for truth values": ("yolo", of_yaml(names=["yes", "no"])),
    "quoted cells": ("csv", of_text("labels.csv", r"002\.jpg,", '"002.jpg",')),
    "a split without images": ("yolo", of_yaml(test="images/nowhere")),
}
"""What looks odd and is right."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            write = DATASETS[name].write_fake
            assert write is not None
            write(made[name])
        return made[name]

    return make


def refusals(name: str, root: Path) -> list[str]:
    """What the reader says to any split or image that it refuses."""
    found = []
    for split in ("train", "val", "test"):
        try:
            dataset = DATASETS[name].open(root, split, for_training=split == "train")
            for index in range(len(dataset)):
                dataset[index]
        except DatasetNotFoundError as error:
            if split == "train":
                found.append(str(error))
        except VisusError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize("fault", REFUSED)
def test_what_the_reader_refuses_is_an_error(fault: str, whole: Callable[[str], Path], tmp_path: Path) -> None:
    name, apply = REFUSED[fault]
    root = tmp_path / "data"
    shutil.copytree(whole(name), root)
    apply(root)
    found = refusals(name, root)
    assert found, "the reader reads it"
    assert all(str(root) in message for message in found)
    report = check_folder(root, dataset=name)
    errors = [problem for problem in report.problems if problem.severity == "error"]
    assert errors, "the check passes it"
    assert all(str(root) in problem.file for problem in errors)


@pytest.mark.parametrize("fault", PASSED)
def test_what_the_check_passes_is_read(fault: str, whole: Callable[[str], Path], tmp_path: Path) -> None:
    name, apply = PASSED[fault]
    root = tmp_path / "data"
    shutil.copytree(whole(name), root)
    apply(root)
    assert check_folder(root, dataset=name).errors == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert refusals(name, root) == []


@pytest.mark.parametrize("name", sorted(name for name, entry in DATASETS.items() if entry.write_fake))
@pytest.mark.parametrize("content", [b"", b"no image", None], ids=["empty", "text", "cut"])
def test_damaged_images_are_refused_and_reported(
    name: str, content: bytes | None, whole: Callable[[str], Path], tmp_path: Path
) -> None:
    root = tmp_path / "data"
    shutil.copytree(whole(name), root)
    file = Path(DATASETS[name].open(root, "train").path(0))
    file.write_bytes(file.read_bytes()[:60] if content is None else content)
    assert any(file.name in message for message in refusals(name, root))
    problems = check_folder(root, dataset=name).problems
    assert any(file.name in f"{problem.file}: {problem.message}" for problem in problems)


@pytest.mark.parametrize("name", sorted(name for name, entry in DATASETS.items() if entry.write_fake))
def test_what_programs_leave_behind_is_no_data(name: str, whole: Callable[[str], Path], tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(whole(name), root)
    before = {split: len(DATASETS[name].open(root, split)) for split in ("train", "val", "test")}
    left_behind(root)
    assert {split: len(DATASETS[name].open(root, split)) for split in before} == before
    assert check_folder(root).problems == ()


@pytest.mark.parametrize("name", sorted(name for name, entry in DATASETS.items() if entry.write_fake))
def test_a_link_to_the_folder_itself_adds_nothing(name: str, whole: Callable[[str], Path], tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(whole(name), root)
    before = {split: len(DATASETS[name].open(root, split)) for split in ("train", "val", "test")}
    folder = first_image(root).parent
    (folder / "again").symlink_to(".", target_is_directory=True)
    if folder.parent != root:
        (folder / "above").symlink_to("..", target_is_directory=True)
    assert {split: len(DATASETS[name].open(root, split)) for split in before} == before
    assert check_folder(root, dataset=name).errors == 0


def test_categories_of_splits_that_do_not_fit(whole: Callable[[str], Path], tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(whole("coco"), root)
    of_coco(renamed_category)(root)
    report = check_folder(root)
    assert set(report.counts) == {"different categories"}
    assert report.errors == 2  # val and test
    assert Image.open(first_image(root)).size == (128, 96)
