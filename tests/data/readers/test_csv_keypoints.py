"""Tables of keypoints: in columns of their own or a row for each, with and without boxes, labels and visibilities."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from visus.data.check.folder import check_folder
from visus.data.errors import AnnotationError
from visus.data.readers.csv import open_csv
from visus.data.recognise import layout_of, open_folder
from visus.data.records.indexed import IndexedDataset
from visus.recipes import for_folder
from visus.types import InstanceTarget

LETTERS = "abcdefghij"


def table(root: Path, head: str, *rows: str, images: str = "images") -> Path:
    """A table, and ten images of 20 x 30, called a.png to j.png."""
    (root / images).mkdir(parents=True, exist_ok=True)
    for letter in LETTERS:
        Image.new("RGB", (30, 20)).save(root / images / f"{letter}.png")
    (root / "points.csv").write_text("".join(f"{line}\n" for line in (head, *rows)), encoding="utf-8")
    return root


def every(row: str) -> list[str]:
    """The same row for each image, ``{}`` being its letter."""
    return [row.format(letter) for letter in LETTERS]


def first(root: Path) -> tuple[IndexedDataset, InstanceTarget]:
    """The training images, and what is on the first of them; all that is read the check passes."""
    data = open_folder(root, "train", for_training=True)
    assert isinstance(data, IndexedDataset)
    assert check_folder(root).errors == 0
    target = data[0].target
    assert isinstance(target, InstanceTarget)
    return data, target


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("image,x0,y0,x1,y1,x2,y2", ["keypoint 0", "keypoint 1", "keypoint 2"]),
        ("image,x1,y1,x2,y2,x3,y3", ["keypoint 1", "keypoint 2", "keypoint 3"]),
        ("filename,x_1,y_1,x_2,y_2,x_3,y_3", ["keypoint 1", "keypoint 2", "keypoint 3"]),
        ("image_name,part_0_x,part_0_y,part_1_x,part_1_y,part_2_x,part_2_y", ["part_0", "part_1", "part_2"]),
        ("image,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y", ["left_eye", "right_eye", "nose"]),
        ("image_id,lefteye.x,lefteye.y,righteye.x,righteye.y,nose.x,nose.y", ["lefteye", "righteye", "nose"]),
        ("file,leftEyeX,leftEyeY,rightEyeX,rightEyeY,noseX,noseY", ["leftEye", "rightEye", "nose"]),
    ],
)
def test_a_row_for_each_image(tmp_path: Path, head: str, names: list[str]) -> None:
    root = table(tmp_path, head, *every("{}.png,5,6,25,7.5,15,12"))
    assert layout_of(root) == "csv"
    data, target = first(root)
    meaning = data.schema.keypoints
    assert meaning is not None
    assert list(meaning.names) == names
    assert data.schema.categories == ("object",)
    assert target.boxes_xyxy.tolist() == [[4, 5, 26, 13]]
    assert target.keypoints_xyv is not None
    assert target.keypoints_xyv.tolist() == [[[5, 6, 2], [25, 7.5, 2], [15, 12, 2]]]
    assert [len(open_folder(root, split)) for split in ("train", "val", "test")] == [8, 1, 1]
    assert meaning.flip_pairs == (((0, 1),) if "left" in names[0] else None)
    assert for_folder(root).model == "maskrcnn_lite0_fpn"


def test_x_of_all_points_before_y_of_all(tmp_path: Path) -> None:
    _, target = first(table(tmp_path, "image,x_0,x_1,x_2,y_0,y_1,y_2", *every("{}.png,1,2,3,11,12,13")))
    assert target.keypoints_xyv is not None
    assert target.keypoints_xyv[0, :, :2].tolist() == [[1, 11], [2, 12], [3, 13]]


@pytest.mark.parametrize(
    ("box", "cells"),
    [
        ("x1,y1,x2,y2", "2,3,28,18"),
        ("xmin,ymin,xmax,ymax", "2,3,28,18"),
        ("left,top,right,bottom", "2,3,28,18"),
        ("min_x,min_y,max_x,max_y", "2,3,28,18"),
        ("bbox_x,bbox_y,bbox_width,bbox_height", "2,3,26,15"),
    ],
)
def test_boxes_labels_visibilities_and_several_faces_of_an_image(tmp_path: Path, box: str, cells: str) -> None:
    rows = [
        f"a.png,cat,{cells},5,6,2,,,",
        "a.png,dog,1,1,9,9,-1,-1,2,3,4,1".replace("1,1,9,9", "1,1,8,8" if "width" in box else "1,1,9,9"),
        *(f"{letter}.png,cat,{cells},9,9,0,8,8,2" for letter in LETTERS[1:]),
    ]
    root = table(tmp_path, f"image,label,{box},nose_x,nose_y,nose_v,tail_x,tail_y,tail_v", *rows)
    data, _ = first(root)
    place = next(i for i in range(len(data)) if data.path(i).endswith("a.png"))
    target = data.target(place)
    assert data.schema.categories == ("cat", "dog")
    assert target.labels.tolist() == [0, 1]
    assert target.boxes_xyxy.tolist() == [[2, 3, 28, 18], [1, 1, 9, 9]]
    assert target.keypoints_xyv is not None
    assert target.keypoints_xyv.tolist() == [[[5, 6, 2], [0, 0, 0]], [[0, 0, 0], [3, 4, 1]]]
    other = data.target(1 - place if place < 2 else 0)
    assert other.keypoints_xyv is not None
    assert other.keypoints_xyv.tolist() == [[[0, 0, 0], [8, 8, 2]]]


LONG = [f"{letter}.png,{name},{x},{y}" for letter in LETTERS for name, x, y in (("nose", 5, 6), ("tail", 25, 16))]


@pytest.mark.parametrize("head", ["image,keypoint,x,y", "filename,landmark,X,Y", "img,bodypart,x,y", "image,label,x,y"])
def test_a_row_for_each_keypoint(tmp_path: Path, head: str) -> None:
    data, target = first(table(tmp_path, head, *LONG))
    assert data.schema.keypoints is not None
    assert data.schema.keypoints.names == ("nose", "tail")
    assert data.schema.categories == ("object",)
    assert target.keypoints_xyv is not None
    assert target.keypoints_xyv.tolist() == [[[5, 6, 2], [25, 16, 2]]]
    assert target.boxes_xyxy.tolist() == [[4, 5, 26, 17]]


def test_a_row_for_each_keypoint_of_several_objects(tmp_path: Path) -> None:
    rows = [
        f"{letter}.png,{one},{kind},{name},{x},{y},{seen}"
        for letter in LETTERS
        for one, kind, name, x, y, seen in (
            (1, "cat", "nose", 5, 6, 2),
            (2, "cat", "nose", 8, 9, 1),
            (1, "cat", "tail", 20, 16, 2),
            (1, "dog", "nose", 3, 3, 2),
        )
    ]
    data, target = first(table(tmp_path, "image,object,class,keypoint,x,y,visibility", *rows))
    assert data.schema.categories == ("cat", "dog")
    assert target.labels.tolist() == [0, 0, 1]
    assert target.keypoints_xyv is not None
    assert target.keypoints_xyv[:, :, 2].tolist() == [[2, 2], [1, 0], [2, 0]]


def test_names_of_cocos_person_in_its_order(tmp_path: Path) -> None:
    from visus.data.formats.coco_names import COCO_PERSON_KEYPOINTS

    names = sorted(COCO_PERSON_KEYPOINTS.names)
    rows = [f"{letter}.png,{name},{5 + place},{6}" for letter in LETTERS for place, name in enumerate(names)]
    data, target = first(table(tmp_path, "image,keypoint,x,y", *rows))
    assert data.schema.keypoints is not None
    assert data.schema.keypoints.names == COCO_PERSON_KEYPOINTS.names
    assert data.schema.keypoints.flip_pairs == COCO_PERSON_KEYPOINTS.flip_pairs
    assert target.keypoints_xyv is not None
    assert float(target.keypoints_xyv[0, COCO_PERSON_KEYPOINTS.names.index("nose"), 0]) == 5 + names.index("nose")


def test_fractions(tmp_path: Path) -> None:
    _, target = first(table(tmp_path, "image,a_x,a_y,b_x,b_y", *every("{}.png,0.5,0.25,,")))
    assert target.keypoints_xyv is not None
    assert target.keypoints_xyv.tolist() == [[[15, 5, 2], [0, 0, 0]]]
    assert torch.allclose(target.boxes_xyxy, torch.tensor([[14.0, 4, 16, 6]]))


def test_images_without_objects(tmp_path: Path) -> None:
    root = table(tmp_path, "image,a_x,a_y,b_x,b_y", *every("{}.png,5,5,6,9")[1:], "a.png,,,,")
    data, _ = first(root)
    objects = [len(data.target(i)) for i in range(len(data))]
    assert sorted({*objects}) == [0, 1] or "a.png" not in [Path(data.path(i)).name for i in range(len(data))]
    with pytest.raises(AnnotationError, match="no object to learn from"):
        open_csv(table(tmp_path, "image,a_x,a_y", *every("{}.png,,")), "train", for_training=True)
    assert check_folder(root).errors == 1


def test_points_of_makesense(tmp_path: Path) -> None:
    rows = [
        f"{name},{x},{y},{letter}.png,30,20" for letter in LETTERS for name, x, y in (("nose", 5, 6), ("tail", 9, 9))
    ]
    data, target = first(table(tmp_path, rows[0], *rows[1:]))
    assert data.schema.keypoints is not None
    assert data.schema.keypoints.names == ("nose", "tail")
    assert target.keypoints_xyv is not None
    assert target.keypoints_xyv.tolist() == [[[5, 6, 2], [9, 9, 2]]]
    assert [len(open_folder(tmp_path, split)) for split in ("train", "val", "test")] == [8, 1, 1]


@pytest.mark.parametrize("named", [True, False])
def test_boxes_of_makesense(tmp_path: Path, named: bool) -> None:
    head = "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height"
    rows = [f"{kind},2,3,10,11,{letter}.png,30,20" for letter in LETTERS for kind in ("cat", "dog")]
    data = open_folder(table(tmp_path, *([head] if named else []), *rows), "train")
    assert layout_of(tmp_path) == "csv"
    assert data.schema.categories == ("cat", "dog")
    assert data[0].target.boxes_xyxy.tolist() == [[2, 3, 12, 14]] * 2
    assert sum(len(open_folder(tmp_path, split)) for split in ("train", "val", "test")) == 10
    assert check_folder(tmp_path).errors == 0


@pytest.mark.parametrize(
    ("head", "rows", "message"),
    [
        ("image,a_x,a_y", ["a.png,five,6"], r"line 2 has the keypoint a at 'five', '6': numbers are needed"),
        ("image,a_x,a_y", ["b.png,1,2", "a.png,5,"], r"line 3 has the keypoint a at '5', '': two numbers are needed"),
        ("image,a_x,a_y", ["a.png,inf,6"], r"line 2 has the keypoint a at 'inf', '6': two numbers are needed"),
        ("image,a_x,a_y,a_v", ["a.png,5,6,7"], r"line 2 has the keypoint a with the visibility 7"),
        ("image,a_x,a_y,a_v", ["a.png,5,6"], r"line 2 has 3 cells, too few for its keypoints"),
        ("image,a_x,a_y", [",5,6"], r"line 2 names no image"),
        ("image,keypoint,x,y", ["a.png,,5,6"], r"line 2 has no name of a keypoint"),
        (
            "image,keypoint,x,y",
            ["a.png,nose,5,6", "a.png,nose,6,7"],
            r"line 3 is a second nose of a\.png; a column called object",
        ),
        ("image,label,x,y", ["a.png,cat,5,6", "b.png,cat,5,6"], r"x and y are one point of each image, with a class"),
        ("image,keypoint,x,y,split", ["a.png,p,1,2,train", "a.png,q,1,2,val"], r"line 3 has a\.png in a second split"),
        ("image,a_x,a_y,b_x", ["a.png,1,2,3"], r"the keypoint b has only one of the columns"),
        ("image,a_x,a_y,split", ["a.png,1,2,train", "a.png,,,train"], r"line 3 has no keypoint and no box"),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, head: str, rows: list[str], message: str) -> None:
    root = table(tmp_path, head, *rows)
    with pytest.raises(AnnotationError, match=rf"points\.csv: {message}"):
        open_csv(root / "points.csv", "train")
    assert check_folder(root, dataset="csv").errors


def test_points_outside_are_warned_of(tmp_path: Path) -> None:
    root = table(tmp_path, "image,a_x,a_y,b_x,b_y", *every("{}.png,5,6,31,5"))
    report = check_folder(root)
    outside = [problem for problem in report.problems if problem.kind == "keypoint outside the image"]
    assert len(outside) == 10
    assert report.errors == 0
    assert "b at (31, 5), (h, w) = (20, 30)" in outside[0].message
