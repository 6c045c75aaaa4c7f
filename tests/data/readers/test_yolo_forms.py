"""The YOLO format as other programs write it, keypoints in it, and names that YAML would turn into something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from visus.data.check.folder import check_folder
from visus.data.convert.convert import convert
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.formats.coco_names import COCO_PERSON_KEYPOINTS
from visus.data.formats.yolo_yaml import labels_of
from visus.data.readers.yolo import open_yolo
from visus.data.recognise import find_dataset, layout_of, open_folder

BOX = "0 0.5 0.5 0.25 0.5"  # (15, 5, 25, 15) in an image of 20 x 40


def image(path: Path, line: str | None = None, labels: Path | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 20)).save(path, format="PNG")
    if line is not None:
        place = labels or path.with_suffix(".txt")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(line + "\n")


def whole(root: Path, line: str, yaml: str) -> Path:
    for split in ("train", "val"):
        image(root / "images" / split / "a.png", line, root / "labels" / split / "a.txt")
    (root / "data.yaml").write_text(f"train: images/train\nval: images/val\n{yaml}\n")
    return root


def points(root: Path) -> list[list[list[float]]]:
    found = open_yolo(root, "train", for_training=True).target(0).keypoints_xyv
    assert found is not None
    numbers: list[list[list[float]]] = found.tolist()
    return numbers


def test_keypoints_with_visibility(tmp_path: Path) -> None:
    root = whole(tmp_path, f"{BOX} 0.25 0.5 2 0.5 0.75 1 0 0 0", "names: [cat]\nkpt_shape: [3, 3]\nflip_idx: [1, 0, 2]")
    dataset = open_yolo(root, "train", for_training=True)
    assert points(root) == [[[10, 10, 2], [20, 15, 1], [0, 0, 0]]]
    assert dataset.target(0).boxes_xyxy.tolist() == [[15, 5, 25, 15]]
    assert not dataset.schema.has_masks
    assert dataset.schema.keypoints is not None
    assert dataset.schema.keypoints.flip_pairs == ((0, 1),)
    assert dataset.schema.keypoints.names == ("keypoint 1", "keypoint 2", "keypoint 3")
    assert layout_of(root) == "yolo"
    assert check_folder(root).errors == 0


@pytest.mark.parametrize("flip", ["[1, 0, 2]", "[0, 1, 2]", ""])
def test_what_changes_in_a_mirror_survives_in_cocos_format(tmp_path: Path, flip: str) -> None:
    yaml = "names: [cat]\nkpt_shape: [3, 3]\nkpt_names: {0: [left ear, right ear, tail]}\n"
    root = whole(tmp_path / "yolo", f"{BOX} 0.25 0.5 2 0.5 0.75 1 0 0 0", yaml + (f"flip_idx: {flip}" if flip else ""))
    left_out = convert(root, tmp_path / "coco", to="coco").left_out
    assert left_out == {}
    again, before = open_folder(tmp_path / "coco", "train").schema, open_yolo(root, "train").schema
    assert again.keypoints is not None
    assert before.keypoints is not None
    assert again.keypoints.flip_pairs == before.keypoints.flip_pairs == (((0, 1),) if flip != "[0, 1, 2]" else ())
    assert again.keypoints.names == before.keypoints.names
    assert check_folder(tmp_path / "coco").errors == 0
    assert convert(root, tmp_path / "voc", to="voc").left_out["flip_idx of categories"] == 1


@pytest.mark.parametrize("flip", [[1, 0], [1, 2, 0], [0, 0, 1], "left", {"a": 1}, [0.5, 1, 2], None])
def test_a_mirror_that_is_none_is_refused_by_reader_and_check(tmp_path: Path, flip: object) -> None:
    root = whole(tmp_path / "yolo", f"{BOX} 0.25 0.5 2 0.5 0.75 1 0 0 0", "names: [cat]\nkpt_shape: [3, 3]")
    convert(root, tmp_path / "coco", to="coco")
    for file in (tmp_path / "coco" / "annotations").iterdir():
        content = json.loads(file.read_text())
        content["categories"][0]["flip_idx"] = flip
        file.write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match=r"instances_train\.json: category 1 needs .* 'flip_idx'"):
        open_folder(tmp_path / "coco", "train")
    assert check_folder(tmp_path / "coco").counts["malformed category"] == 2
    if flip is not None:
        (root / "data.yaml").write_text(
            f"train: images/train\nval: images/val\nnames: [cat]\nkpt_shape: [3, 3]\nflip_idx: {flip}"
        )
        with pytest.raises(AnnotationError, match=r"data\.yaml: flip_idx is"):
            open_yolo(root, "train")


def test_keypoints_without_visibility_and_boxes_without_keypoints(tmp_path: Path) -> None:
    yaml = "names: [cat]\nkpt_shape: [2, 2]\nkpt_names: {0: [left_ear, right_ear]}"
    root = whole(tmp_path, f"{BOX} 0.25 0.5 0 0\n{BOX}", yaml)
    assert points(root) == [[[10, 10, 2], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]
    meaning = open_yolo(root, "train").schema.keypoints
    assert meaning is not None
    assert (meaning.names, meaning.flip_pairs) == (("left_ear", "right_ear"), ((0, 1),))


def test_keypoints_of_people_are_cocos(tmp_path: Path) -> None:
    flip = "[0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]"
    root = whole(tmp_path, BOX + " 0.5 0.5 2" * 17, f"names: [person]\nkpt_shape: [17, 3]\nflip_idx: {flip}")
    meaning = open_yolo(root, "train").schema.keypoints
    assert meaning is not None
    assert meaning.names == COCO_PERSON_KEYPOINTS.names
    assert meaning.sigmas == COCO_PERSON_KEYPOINTS.sigmas
    assert meaning.flip_pairs == COCO_PERSON_KEYPOINTS.flip_pairs


@pytest.mark.parametrize(
    ("line", "yaml", "message"),
    [
        (f"{BOX} 0.5 0.5 2", "kpt_shape: [2, 3]", r"a\.txt: line 1: 8 numbers; with kpt_shape \[2, 3\] a line has 11"),
        (f"{BOX} 0.5 0.5 3", "kpt_shape: [1, 3]", "visibility 3 is none"),
        (f"{BOX} 1.5 0.5 2", "kpt_shape: [1, 3]", r"keypoint \(1\.5, 0\.5\) lies outside"),
        (BOX, "kpt_shape: [2]", "kpt_shape is"),
        (BOX, "kpt_shape: [2, 4]", "kpt_shape is"),
        (BOX, "kpt_shape: [2, 3]\nflip_idx: [0, 0]", "flip_idx is"),
        (BOX, "kpt_shape: [2, 3]\nkpt_names: [a]", "kpt_names is"),
    ],
)
def test_unusable_keypoints_are_refused_by_reader_and_check(tmp_path: Path, line: str, yaml: str, message: str) -> None:
    root = whole(tmp_path, line, f"names: [cat]\n{yaml}")
    with pytest.raises(AnnotationError, match=message):
        open_yolo(root, "train")
    assert check_folder(root).errors


@pytest.mark.parametrize("names", ["[yes, no]", "{0: yes, 1: no}", '["yes", "no"]'])
def test_names_are_text(tmp_path: Path, names: str) -> None:
    assert open_yolo(whole(tmp_path, BOX, f"names: {names}"), "train").schema.categories == ("yes", "no")


def test_names_that_look_like_numbers_and_dates(tmp_path: Path) -> None:
    root = whole(tmp_path, BOX, "names: [010, 1e3, 2024-01-01, null, on]\nnc: 5\ntest:")
    assert open_yolo(root, "train").schema.categories == ("010", "1e3", "2024-01-01", "null", "on")
    (root / "data.yaml").write_text("a: &a [x, x]\nnames: *a\ntrain: images/train\n")
    with pytest.raises(AnnotationError, match=r"data\.yaml: not valid YAML .*aliases"):
        open_yolo(root, "train")
    (root / "data.yaml").write_text("[" * 5000)
    with pytest.raises(AnnotationError, match=r"data\.yaml: not valid YAML"):
        open_yolo(root, "train")


def test_a_missing_val_split_and_an_absent_test_folder(tmp_path: Path) -> None:
    root = whole(tmp_path, BOX, "names: [cat]\ntest: images/absent")
    assert {p.kind: p.severity for p in check_folder(root).problems}.get("missing split") == "warning"
    assert check_folder(root).errors == 0
    (root / "data.yaml").write_text("train: images/train\ntest: images/val\nnames: [cat]\n")
    with pytest.raises(DatasetNotFoundError, match=r"has no split 'val'; it has train, test; `--data\.val test`"):
        open_yolo(root, "val")


def test_darknet_and_cvat(tmp_path: Path) -> None:
    for number in range(10):
        image(tmp_path / "obj_train_data" / f"{number}.png", BOX)
    (tmp_path / "obj.names").write_text("cat\ndog\n")
    (tmp_path / "train.txt").write_text("".join(f"data/obj_train_data/{n}.png\n" for n in range(10)))
    (tmp_path / "obj.data").write_text(
        "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n"
    )
    assert layout_of(tmp_path) == "yolo"
    parts = {split: open_yolo(tmp_path, split) for split in ("train", "val", "test")}
    assert [len(part) for part in parts.values()] == [8, 1, 1]
    assert parts["train"].schema.categories == ("cat", "dog")
    assert parts["train"].target(0).boxes_xyxy.tolist() == [[15, 5, 25, 15]]
    assert check_folder(tmp_path).errors == 0
    (tmp_path / "valid.txt").write_text("data/obj_train_data/9.png\n")
    with (tmp_path / "obj.data").open("a") as file:
        file.write("valid = data/valid.txt\n")
    assert len(open_yolo(tmp_path, "train")) == 10
    assert [Path(open_yolo(tmp_path, "val").path(0)).name] == ["9.png"]


@pytest.mark.parametrize("beside", [False, True])
def test_a_list_of_classes_and_no_description(tmp_path: Path, beside: bool) -> None:
    for number in range(10):
        folder = tmp_path if beside else tmp_path / "images"
        image(folder / f"{number}.png", BOX, (tmp_path if beside else tmp_path / "labels") / f"{number}.txt")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "notes.json").write_text("{}")
    assert layout_of(tmp_path) == "yolo"
    parts = [open_yolo(tmp_path, split) for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [8, 1, 1]
    assert all(part.target(0).boxes_xyxy.tolist() == [[15, 5, 25, 15]] for part in parts)
    assert check_folder(tmp_path).errors == 0


def test_a_list_of_classes_beside_the_labels_or_in_the_folders_of_splits(tmp_path: Path) -> None:
    beside, split = tmp_path / "beside", tmp_path / "split"
    for number in range(10):
        image(beside / "images" / f"{number}.png", BOX, beside / "labels" / f"{number}.txt")
        image(split / "train" / f"{number}.png", BOX)
        image(split / "val" / f"{number}.png", BOX)
    for folder in (beside / "labels", split / "train", split / "val"):
        (folder / "classes.txt").write_text("cat\ndog\n")
    assert [len(open_yolo(beside, part)) for part in ("train", "val", "test")] == [8, 1, 1]
    assert [len(open_yolo(split, part)) for part in ("train", "val")] == [10, 10]
    for root in (beside, split):
        assert layout_of(root) == "yolo"
        assert open_yolo(root, "train", for_training=True).target(0).boxes_xyxy.tolist() == [[15, 5, 25, 15]]
        assert check_folder(root).counts.keys() <= {"missing split"}


def test_text_files_without_a_list_of_classes_are_refused_with_the_reason(tmp_path: Path) -> None:
    image(tmp_path / "images" / "a.png", BOX, tmp_path / "labels" / "a.txt")
    with pytest.raises(DatasetNotFoundError, match=r"no yolo: beside images are text files .*nothing names the class"):
        layout_of(tmp_path)


def test_lists_of_another_machine_are_found_with_one_warning(tmp_path: Path) -> None:
    root = whole(tmp_path, BOX, "names: [cat]")
    for line in ("/mnt/me/set/images/train/a.png", "images\\train\\a.png", "images/train/A.PNG"):
        (root / "train.txt").write_text(f"{line}\n")
        (root / "data.yaml").write_text("train: train.txt\nnames: [cat]\n")
        with pytest.warns(UserWarning, match=r"data\.yaml: 1 image is not where it says"):
            dataset = open_yolo(root, "train")
        assert torch.equal(dataset.target(0).boxes_xyxy, torch.tensor([[15.0, 5, 25, 15]]))


def test_a_folder_called_images_above_the_set(tmp_path: Path) -> None:
    root = tmp_path / "images" / "set"
    for name in ("a", "b"):
        image(root / "train" / f"{name}.png", BOX)
    (root / "data.yaml").write_text("train: train\nnames: [cat]\n")
    assert len(open_yolo(root, "train").target(1)) == 1
    assert labels_of(root / "train" / "a.png", (root,)) == root / "train" / "a.txt"
    assert labels_of(root / "images" / "a.png", (root,)) == root / "labels" / "a.txt"


def test_left_behind_files_are_no_images(tmp_path: Path) -> None:
    root = whole(tmp_path, BOX, "names: [cat]")
    image(root / "images" / "train" / ".ipynb_checkpoints" / "a-checkpoint.png")
    image(root / "images" / "train" / "._a.png")
    assert len(open_yolo(root, "train")) == 1
    assert check_folder(root).errors == 0


def test_no_object_is_refused_for_training_and_by_the_check(tmp_path: Path) -> None:
    root = whole(tmp_path, "", "names: [cat]")
    assert len(open_yolo(root, "train")) == 1
    with pytest.raises(AnnotationError, match=r"data\.yaml: no object to learn from on 1 images"):
        open_yolo(root, "train", for_training=True)
    assert check_folder(root).counts["no annotations"] == 1


def test_a_yaml_that_describes_nothing_is_no_data_set(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name in ("a", "b"):
            image(tmp_path / split / name / "1.png")
    (tmp_path / "config.yaml").write_text("lr: 0.1\n")
    assert find_dataset(tmp_path) == ("image_folder", tmp_path)
