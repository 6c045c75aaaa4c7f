"""Label Studio's exports: regions to objects, parents, images by their addresses, annotations that count, JSON-MIN."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import torch
from PIL import Image

from visus.data.annotators.label_studio import brush_runs
from visus.data.check.report import CheckReport
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.formats.label_studio_fake import write_fake
from visus.data.readers.label_studio import check_label_studio, open_label_studio, recognise_label_studio
from visus.data.recognise import layout_of
from visus.data.records.indexed import IndexedDataset

BOX = {"x": 10.0, "y": 10.0, "width": 40.0, "height": 50.0, "rotation": 0}  # [3, 2, 15, 12] of an image of 20 x 30


def region(value: dict[str, Any], label: Any = "cat", kind: str = "rectanglelabels", **more: Any) -> dict[str, Any]:
    names = label if isinstance(label, list) else [label]
    usual = {"original_width": 30, "original_height": 20, "image_rotation": 0, "from_name": "label", "to_name": "image"}
    return {**usual, "id": "r1", "type": kind, "value": {**value, kind: names}, "origin": "manual", **more}


def task(number: int, *regions: Any, address: str = "", **more: Any) -> dict[str, Any]:
    done = {"id": 10 + number, "completed_by": 1, "was_cancelled": False, "result": list(regions)}
    data = {"image": address or f"/data/upload/1/0a1b2c3d-{number}.png"}
    return {"id": number, "annotations": [done], "predictions": [], "drafts": [], "data": data, "meta": {}, **more}


def export(root: Path, *tasks: Any) -> Path:
    """An export and its images of 20 x 30, named by the numbers of the tasks."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    for number in range(1, len(tasks) + 1):
        Image.new("RGB", (30, 20), (200, 30, 30)).save(root / "images" / f"{number}.png")
    (root / "project-1.json").write_text(json.dumps(tasks))
    return root


def opened(root: Path, *regions: Any) -> IndexedDataset:
    export(root / "train", task(1, *regions))
    return open_label_studio(root, "train")


def checked(root: Path, *regions: Any) -> CheckReport:
    """The report on a task in each split, the first with ``regions``."""
    for split in ("train", "val", "test"):
        export(root / split, task(1, *(regions if split == "train" else [region(BOX)])))
    return check_label_studio(root)


@pytest.mark.parametrize("boxes", [False, True])
@pytest.mark.parametrize("short", [False, True])
def test_fake(tmp_path: Path, boxes: bool, short: bool) -> None:
    write_fake(tmp_path, boxes=boxes, short=short)
    count = 0
    for split, length in (("train", 16), ("val", 2), ("test", 2)):
        dataset = open_label_studio(tmp_path, split, for_training=True)
        assert len(dataset) == length
        assert dataset.schema.categories == ("circle", "square", "triangle")
        assert dataset.schema.has_masks == (not boxes)
        assert (dataset.schema.keypoints is not None) == (not boxes and not short)
        for sample in (dataset[index] for index in range(length)):
            count += len(sample.target)
            if sample.target.masks is None or not len(sample.target):
                continue
            left, top, right, bottom = sample.target.boxes_xyxy[0].round().int().tolist()
            dark = sample.input.float().mean(0) < 118
            inside = dark[top:bottom, left:right] & sample.target.masks[0][top:bottom, left:right]
            assert inside.sum() > 0.9 * sample.target.masks[0].sum()
    assert count == 19
    kinds = set(check_label_studio(tmp_path).counts)
    assert kinds == ({"region left out"} if short and not boxes else set())  # key points without parents
    assert layout_of(tmp_path) == "label_studio"


def test_regions_become_objects(tmp_path: Path) -> None:
    mask = torch.zeros(20, 30, dtype=torch.bool)
    mask[4:9, 6:20] = True
    points = [[10.0, 10.0], [50.0, 10.0], [50.0, 60.0], [10.0, 60.0]]
    dataset = opened(
        tmp_path,
        region(BOX, "dog"),
        region({"points": points, "closed": True}, kind="polygonlabels", id="r2"),
        region({"x": 50.0, "y": 50.0, "radiusX": 20.0, "radiusY": 25.0}, kind="ellipselabels", id="r3"),
        region({"format": "rle", "rle": brush_runs(mask)}, kind="brushlabels", id="r4"),
        region({**BOX, "rotation": 90.0, "x": 60.0}, id="r5"),
    )
    assert dataset.schema.categories == ("cat", "dog")
    target = dataset.target(0)
    assert target.labels.tolist() == [1, 0, 0, 0, 0]
    assert target.masks is not None
    box, polygon, ellipse, brush, turned = target.masks
    assert torch.equal(box, polygon)
    assert box.sum() == box[2:12, 3:15].sum() == 120
    assert target.boxes_xyxy[2].tolist() == pytest.approx([9, 5, 21, 15], abs=1e-4)
    assert abs(int(ellipse.sum()) - 3.1416 * 30) < 5
    assert torch.equal(brush, mask)
    assert turned.sum() == turned[2:14, 8:18].sum() == 120  # clockwise around its upper left corner


def test_rectangles_alone_have_no_masks(tmp_path: Path) -> None:
    target = opened(tmp_path, region(BOX)).target(0)
    assert target.masks is None
    assert target.boxes_xyxy[0].tolist() == pytest.approx([3, 2, 15, 12])


def test_a_region_whose_parent_has_its_label_is_a_part_and_key_points_belong_to_the_whole(tmp_path: Path) -> None:
    dataset = opened(
        tmp_path,
        region({**BOX, "width": 10.0, "height": 10.0}, id="part", parentID="whole"),
        region({**BOX, "x": 60.0, "width": 10.0}, id="whole"),
        region({**BOX, "width": 5.0}, "dog", id="inner", parentID="whole"),
        region({"x": 50.0, "y": 25.0, "width": 0.5}, "nose", "keypointlabels", id="p1", parentID="whole"),
        region({"x": 60.0, "y": 25.0, "width": 0.5}, "tail", "keypointlabels", id="p2", parentID="part"),
    )
    target = dataset.target(0)
    assert target.labels.tolist() == [0, 1]
    assert target.boxes_xyxy[0].tolist() == pytest.approx([3, 2, 21, 12])
    assert dataset.schema.keypoints is not None
    assert dataset.schema.keypoints.names == ("nose", "tail")
    assert target.keypoints_xyv is not None
    assert target.keypoints_xyv[0].tolist() == [[15, 5, 2], [18, 5, 2]]
    assert target.keypoints_xyv[1].sum() == 0


def test_labels_that_a_separate_tag_gives(tmp_path: Path) -> None:
    shape = region(BOX, kind="rectangle")
    del shape["value"]["rectangle"]
    named = region(BOX, "dog", "labels")
    about = {**region({}, kind="choices"), "value": {**BOX, "choices": ["old"]}}
    dataset = opened(tmp_path, shape, named, about)
    assert dataset.schema.categories == ("dog",)
    assert len(dataset.target(0)) == 1
    assert check_label_studio(tmp_path).counts == {"missing split": 2, "region left out": 1}  # the choice


@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/1/0a1b2c3d-1.png",
        "/data/local-files/?d=photos/deep/1.png",
        f"/data/local-files/?d={quote('photos/ü b/1.png')}",
        "https://host.example/some/1.png?token=3",
        "s3://bucket/photos/1.png",
        "C:\\photos\\1.png",
        "1.png",
    ],
)
def test_images_are_found_by_their_addresses(tmp_path: Path, address: str) -> None:
    export(tmp_path / "train", task(1, region(BOX), address=address))
    dataset = open_label_studio(tmp_path, "train")
    assert dataset.path(0) == str(tmp_path / "train" / "images" / "1.png")
    assert dataset[0].input[0, 0, 0] == 200
    assert check_label_studio(tmp_path).errors == 0
    (tmp_path / "train" / "images" / "1.png").unlink()
    assert "missing image" in check_label_studio(tmp_path).counts


def test_no_file_outside_of_the_folder_is_an_image(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "secret.png")
    for address in (f"{tmp_path}/secret.png", "../../secret.png", "/data/local-files/?d=../../secret.png"):
        export(tmp_path / "set" / "train", task(1, region(BOX), address=address))
        assert "missing image" in check_label_studio(tmp_path / "set").counts


def test_which_annotation_counts(tmp_path: Path) -> None:
    def done(number: int, label: str, **more: Any) -> dict[str, Any]:
        return {"id": number, "result": [region(BOX, label)], "updated_at": f"2026-01-0{number}", **more}

    several = [done(2, "new"), done(1, "old"), done(3, "skipped", was_cancelled=True)]
    only_predicted = task(3, predictions=[{"result": [region(BOX, "guess")]}], annotations=[])
    export(tmp_path, task(1, annotations=several), task(2, region(BOX, "new")), only_predicted, task(4))
    categories = open_label_studio(tmp_path, "train").schema.categories
    assert categories == ("new",)
    assert sum(len(open_label_studio(tmp_path, split)) for split in ("train", "val", "test")) == 3  # one is empty
    assert check_label_studio(tmp_path).counts == {
        "several annotations": 1,
        "task left out": 1,
        "image without annotations": 1,
    }
    several[1]["ground_truth"] = True
    export(tmp_path, task(1, annotations=several))
    assert open_label_studio(tmp_path, "train").schema.categories == ("old",)
    export(tmp_path, only_predicted)
    with pytest.raises(AnnotationError, match=r"project-1\.json: has no task that somebody has annotated"):
        open_label_studio(tmp_path, "train")


@pytest.mark.parametrize(
    ("thing", "kind", "severity", "message"),
    [
        (region(BOX, []), "region left out", "warning", "task 1: region 2 (rectangle) has no label"),
        (region({}, kind="choices"), "region left out", "warning", "'choices') has no shape in an image"),
        ({"type": "relation", "from_id": "a", "to_id": "b"}, "region left out", "warning", "'relation'"),
        (region({"x": 5, "y": 5}, "nose", "keypointlabels"), "region left out", "warning", "no region as its parent"),
        (region(BOX), "duplicate object", "warning", "occurs 2 times"),
        (region(BOX, ["cat", "dog"]), "malformed region", "error", "has the labels ['cat', 'dog']: one name is needed"),
        (region(BOX, 3), "malformed region", "error", "has the labels [3]"),
        (region(BOX, image_rotation=90), "malformed region", "error", "turned by 90 degrees: turn the file"),
        (region(BOX, original_width=0), "malformed region", "error", "says the original_height 20"),
        (region(BOX, original_width=31), "malformed region", "error", "others on one of (20, 30)"),
        (region({**BOX, "x": float("nan")}), "malformed region", "error", "has the x nan"),
        (region({**BOX, "rotation": "9"}), "malformed region", "error", "has the rotation '9'"),
        (region({"points": [[1, 1], [2, 2]]}, kind="polygonlabels"), "malformed region", "error", "3 or more"),
        (region({"points": [[1]]}, kind="polygonlabels"), "malformed region", "error", "pairs of finite numbers"),
        (region({"rle": [1, 2, 300]}, kind="brushlabels"), "malformed region", "error", "no list of bytes"),
        (region({"rle": [0, 0, 9, 9]}, kind="brushlabels"), "unusable mask", "error", "shape 2 has an unusable mask"),
        (region({"rle": [0] * 9}, kind="brushlabels"), "unusable mask", "error", "0 pixels in an image of 30x20"),
        (
            region({"imageDataURL": ""}, kind="bitmasklabels"),
            "malformed region",
            "error",
            "is a shape that is not read",
        ),
        (region({"vertices": []}, kind="vectorlabels"), "malformed region", "error", "a shape that is not read"),
        (5, "malformed region", "error", "region 2 is 5, which is no object"),
    ],
)
def test_what_the_check_tells(tmp_path: Path, thing: Any, kind: str, severity: str, message: str) -> None:
    report = checked(tmp_path, region(BOX), thing)
    told = [problem for problem in report.problems if problem.kind == kind]
    assert [problem.severity for problem in told] == [severity]
    assert message in told[0].message
    assert told[0].file == str(tmp_path / "train" / "project-1.json")
    if severity == "error":
        with pytest.raises(AnnotationError, match=r"train/project-1\.json: task 1: (region|shape) 2 "):
            open_label_studio(tmp_path, "train")
    else:
        assert report.errors == 0
        assert len(open_label_studio(tmp_path, "train").target(0)) >= 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (5, "is no task with its data"),
        (task(1, region(BOX), data=3), "is no task with its data"),
        (task(1, annotations={}), "its annotations are {}"),
        (task(1, annotations=[{"id": 1}]), "the result of its annotation is None"),
        (task(1, region(BOX), data={"text": "hello"}), "its data names no image"),
        (task(1, region(BOX), data={"left": "a.png", "right": "b.png"}), "has 2 images: only tasks of one are read"),
    ],
)
def test_tasks_that_cannot_be_used(tmp_path: Path, wrong: Any, message: str) -> None:
    export(tmp_path, wrong, task(2, region(BOX)))
    with pytest.raises(AnnotationError, match=r"project-1\.json: task 1: ") as raised:
        open_label_studio(tmp_path, "train")
    assert message in str(raised.value)
    assert check_label_studio(tmp_path).counts["malformed task"] == 1


def test_rows_of_json_min(tmp_path: Path) -> None:
    value = {**BOX, "rectanglelabels": ["cat"], "original_width": 30, "original_height": 20}
    usual = {"annotator": 1, "lead_time": 2.0, "created_at": "2026-01-01"}
    rows = [
        {"image": "/data/upload/1/0a1b2c3d-1.png", "id": 1, "label": [value], "annotation_id": 7, **usual},
        {"image": "/data/upload/1/0a1b2c3d-2.png", "id": 2, "annotation_id": 8, **usual},
        {
            "image": "/data/upload/1/0a1b2c3d-3.png",
            "id": 3,
            "label": [value],
            "choice": "old",
            "annotation_id": 9,
            **usual,
        },
        {"image": "/data/upload/1/0a1b2c3d-3.png", "id": 3, "label": [value, value], "annotation_id": 10, **usual},
    ]
    export(tmp_path, *rows)
    (tmp_path / "images" / "4.png").unlink()
    assert recognise_label_studio(tmp_path)
    splits = [open_label_studio(tmp_path, split) for split in ("train", "val", "test")]
    assert {Path(one.path(0)).stem: len(one.target(0)) for one in splits} == {"1": 1, "2": 0, "3": 2}
    assert check_label_studio(tmp_path).counts == {"several annotations": 1, "duplicate object": 1}


def test_what_is_no_export(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="no such folder"):
        open_label_studio(tmp_path / "none", "train")
    coco: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    for content in (coco, [{"a": 1}], [], 3, [{"annotations": 1}]):
        (tmp_path / "a.json").write_text(json.dumps(content))
        assert not recognise_label_studio(tmp_path)
    with pytest.raises(DatasetNotFoundError, match="no JSON file of Label Studio"):
        open_label_studio(tmp_path, "train")
    export(tmp_path / "set", task(1, region(BOX)), task(2, region(BOX)), task(3, region(BOX)))
    assert recognise_label_studio(tmp_path)
    assert check_label_studio(tmp_path).counts == {"other JSON": 1}
    (tmp_path / "set" / "project-1.json").write_text('[{"annotations"')
    assert not recognise_label_studio(tmp_path)
    assert check_label_studio(tmp_path).counts == {"unreadable annotations": 1, "other JSON": 1, "no data set": 1}
