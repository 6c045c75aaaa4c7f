from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visus.data.check.folder import check_folder
from visus.data.check.report import CheckReport
from visus.data.readers import pennfudan
from visus.data.readers.coco import check_coco

SQUARE = [[2.0, 2.0, 12.0, 2.0, 12.0, 12.0, 2.0, 12.0]]
GOOD: dict[str, Any] = {
    "image_id": 1,
    "category_id": 1,
    "bbox": [2, 2, 10, 10],
    "area": 100,
    "iscrowd": 0,
    "segmentation": SQUARE,
}
IMAGES = [{"id": i, "file_name": f"{i}.png", "height": 20, "width": 30} for i in (1, 2)]
CATEGORIES = [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat", "keypoints": ["a", "b"]}]


def checked(root: Path, annotations: list[Any], **changes: Any) -> CheckReport:
    """The report on an annotation file about two images of 20 x 30."""
    (root / "images").mkdir(exist_ok=True)
    for name in ("1.png", "2.png"):
        Image.new("RGB", (30, 20)).save(root / "images" / name)
    content = {"images": IMAGES, "categories": CATEGORIES, "annotations": annotations, **changes}
    (root / "a.json").write_text(json.dumps(content))
    return check_coco(root / "a.json")


def numbered(*annotations: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"id": i, **annotation} for i, annotation in enumerate(annotations, start=100)]


def test_good_data_has_no_problems(fake_coco: Path, tmp_path: Path) -> None:
    report = check_folder(fake_coco)
    assert report.problems == ()
    assert report.images == 48
    pennfudan.write_fake(tmp_path)
    assert check_folder(tmp_path).problems == ()


@pytest.mark.parametrize(
    ("annotation", "kind", "severity"),
    [
        ({"bbox": [3, 3, 0, 5]}, "degenerate box", "error"),
        ({"bbox": [12, 3, -5, 5]}, "negative box side", "error"),
        ({"bbox": [3, float("nan"), 4, 5]}, "NaN or infinite box", "error"),
        ({"bbox": [3, float("inf"), 4, 5]}, "NaN or infinite box", "error"),
        ({"bbox": [40, 3, 4, 5]}, "box outside the image", "error"),
        ({"bbox": [2, 2, 10, 19.5]}, "box outside the image", "warning"),
        ({"bbox": [1, 2, 3]}, "malformed bbox", "error"),
        ({"bbox": "1 2 3 4"}, "malformed bbox", "error"),
        ({"bbox": None}, "missing bbox", "error"),
        ({"category_id": 91}, "unknown category", "error"),
        ({"category_id": [1]}, "unknown category", "error"),
        ({"image_id": 9}, "unknown image", "error"),
        ({"area": None}, "missing area", "warning"),
        ({"area": float("nan")}, "malformed area", "error"),
        ({"area": -4}, "malformed area", "error"),
        ({"iscrowd": "no"}, "malformed iscrowd", "error"),
        ({"iscrowd": None}, "missing iscrowd", "warning"),
        ({"segmentation": None}, "missing segmentation", "warning"),
        ({"segmentation": {"size": [30, 20], "counts": [600]}}, "wrong run lengths", "error"),
        ({"segmentation": {"size": [20, 30], "counts": [599]}}, "wrong run lengths", "error"),
        ({"segmentation": {"size": [20, 30], "counts": "not run lengths"}}, "wrong run lengths", "error"),
        ({"segmentation": "mask.png"}, "malformed segmentation", "error"),
        ({"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "malformed segmentation", "error"),
        ({"segmentation": [[1, 2, 3, None, 5, 6]]}, "malformed segmentation", "error"),
        ({"segmentation": [[1, 2, 3, 4]]}, "polygon with fewer than 3 corners", "warning"),
        ({"category_id": 2, "keypoints": [1, 2, 2]}, "wrong number of keypoints", "error"),
        ({"category_id": 2, "keypoints": [1, 2, 2, 4, 5, 7]}, "malformed keypoints", "error"),
        ({"category_id": 2, "keypoints": [1, 2, 2, float("nan"), 5, 1]}, "malformed keypoints", "error"),
        ({"id": 100}, "duplicate annotation id", "error"),
        ({"id": None}, "missing annotation id", "warning"),
    ],
)
def test_each_problem_of_an_annotation(tmp_path: Path, annotation: dict[str, Any], kind: str, severity: str) -> None:
    report = checked(tmp_path, numbered(*[GOOD] * 12, {**GOOD, **annotation}))
    assert report.counts == {kind: 1}
    problem = report.problems[0]
    assert problem.severity == severity
    assert problem.file.endswith("a.json")
    assert problem.annotation_id == annotation.get("id", 112)
    assert report.errors == (severity == "error")


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"images": [*IMAGES, IMAGES[0]]}, "duplicate image id"),
        ({"images": [*IMAGES, {**IMAGES[0], "id": 3}]}, "duplicate image file"),
        ({"categories": [*CATEGORIES, CATEGORIES[0]]}, "duplicate category id"),
        ({"categories": [*CATEGORIES, {"id": 3, "name": "dog"}]}, "duplicate category name"),
        ({"categories": [*CATEGORIES, {"name": "cow"}]}, "malformed category"),
        ({"images": [*IMAGES, {"id": "x"}]}, "malformed image record"),
        ({"images": [*IMAGES, 7]}, "malformed image record"),
        ({"images": [IMAGES[1], {"id": 1, "file_name": "1.png"}]}, "missing image size"),
        ({"images": [{**IMAGES[0], "height": -3}, IMAGES[1]]}, "malformed image record"),
        ({"images": IMAGES[:1]}, "single image"),
        ({"images": [*IMAGES, {**IMAGES[0], "id": 3, "file_name": "3.png"}]}, "missing image"),
        ({"images": [IMAGES[0], {**IMAGES[1], "height": 30, "width": 20}]}, "wrong image size"),
    ],
)
def test_each_problem_of_a_file(tmp_path: Path, changes: dict[str, Any], kind: str) -> None:
    assert kind in checked(tmp_path, numbered(GOOD), **changes).counts


def test_annotations_that_are_no_records(tmp_path: Path) -> None:
    assert checked(tmp_path, [*numbered(GOOD), 5, None]).counts == {"malformed annotation": 2}


def test_empty_data_sets(tmp_path: Path) -> None:
    assert set(checked(tmp_path, [], images=[]).counts) == {"empty data set", "no annotations"}
    assert checked(tmp_path, [], categories=[]).counts == {"no categories": 1, "no annotations": 1}
    assert check_folder(tmp_path / "none").counts == {"no data set": 1}
    (tmp_path / "bare").mkdir()
    assert check_folder(tmp_path / "bare").errors == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": []}', "\x00\x01"])
def test_unreadable_annotations(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    report = check_coco(tmp_path / "a.json")
    assert report.counts == {"unreadable annotations": 1}
    assert report.errors == 1


def test_corners_given_as_sizes_are_noticed(tmp_path: Path) -> None:
    corners = [[2, 2, 12, 12], [20, 10, 28, 18], [15, 9, 29, 19], [1, 1, 5, 5]]
    report = checked(tmp_path, numbered(*({**GOOD, "bbox": box} for box in corners)))
    assert report.counts["xyxy instead of xywh"] == 1
    assert "xyxy instead of xywh" not in checked(tmp_path, numbered(*[GOOD] * 4)).counts


def test_boxes_alone_are_worth_one_warning(tmp_path: Path) -> None:
    bare = {key: value for key, value in GOOD.items() if key != "segmentation"}
    assert checked(tmp_path, numbered(*[bare] * 5)).counts == {"missing segmentation": 1}


def test_pictures(tmp_path: Path) -> None:
    names = ["good.jpg", "zero.jpg", "text.jpg", "cut.jpg", "damaged.jpg", "dot.png", "strip.png"]
    sizes = [(64, 64)] * 5 + [(1, 1), (200, 8000)]
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(noise).save(folder / "good.jpg")
    data = (folder / "good.jpg").read_bytes()
    (folder / "zero.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("not an image")
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    (folder / "damaged.jpg").write_bytes(data[:-200] + b"\xff\xd0" * 25 + data[-150:])
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    Image.new("RGB", (8000, 200)).save(folder / "strip.png")
    images = [
        {"id": i, "file_name": name, "height": h, "width": w}
        for i, (name, (h, w)) in enumerate(zip(names, sizes, strict=True), start=1)
    ]
    content = {"images": images, "categories": CATEGORIES, "annotations": numbered(GOOD)}
    (tmp_path / "a.json").write_text(json.dumps(content))
    report = check_coco(tmp_path / "a.json")
    assert report.counts == {
        "corrupt image": 2,
        "extreme image size": 2,
        "empty image file": 1,
        "damaged JPEG": 1,
    }
    assert report.errors == 3
    heads = check_coco(tmp_path / "a.json", decode=False)
    assert heads.counts == {"extreme image size": 2, "empty image file": 1, "corrupt image": 1}


def test_everything_is_reported_at_once(tmp_path: Path) -> None:
    broken = [
        {**GOOD, "bbox": [1, 1, -2, 3]},
        {**GOOD, "category_id": 7},
        {**GOOD, "segmentation": {"size": [1, 1], "counts": [1]}},
    ]
    report = checked(tmp_path, numbered(*broken, *broken), images=[*IMAGES, {"id": 3, "file_name": "3.png"}])
    assert report.counts == {
        "negative box side": 2,
        "unknown category": 2,
        "wrong run lengths": 2,
        "missing image": 1,
        "missing image size": 1,
    }
    assert report.errors == 7


def test_pictures_that_are_nowhere(tmp_path: Path) -> None:
    checked(tmp_path, numbered(GOOD))
    shutil.rmtree(tmp_path / "images")
    assert check_coco(tmp_path / "a.json").counts == {"missing image folder": 1}
    assert check_coco(tmp_path / "a.json", tmp_path).counts == {"missing image": 2}


def test_penn_fudan(tmp_path: Path) -> None:
    pennfudan.write_fake(tmp_path, images=6)
    names = [f"FudanPed{number:05d}" for number in range(1, 7)]
    (tmp_path / "masks" / f"{names[0]}.png").unlink()
    (tmp_path / "masks" / f"{names[1]}.png").write_bytes(b"")
    (tmp_path / "images" / f"{names[2]}.jpg").write_bytes(b"")
    Image.new("L", (9, 9)).save(tmp_path / "masks" / f"{names[3]}.png")
    (tmp_path / "test.txt").write_text(f"{names[4]}\n{names[4]}\n")
    assert check_folder(tmp_path).counts == {
        "missing mask": 1,
        "unreadable mask": 1,
        "empty image file": 1,
        "wrong image size": 1,
        "empty mask": 1,
        "duplicate image": 1,
    }
    (tmp_path / "test.txt").unlink()
    assert "missing list" in check_folder(tmp_path).counts
