"""What programs and people write is taken for what it is: never annotations for classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from visus.cli.data import main
from visus.data.check.folder import check_folder
from visus.data.datasets import DATASETS
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.readers.image_folder import open_image_folder
from visus.data.recognise import find_dataset, layout_of, open_folder

COUNT = 10


def images(folder: Path, count: int = COUNT, suffix: str = ".png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (30, 20), (9 * number, 0, 0)).save(folder / f"{number}{suffix}")


def coco(file: Path, names: str = "{}.png", ids: range = range(COUNT), crowd: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    records = [{"id": i, "file_name": names.format(i), "height": 20, "width": 30} for i in ids]
    box = {"category_id": 1, "bbox": [2, 3, 10, 10], "area": 100, "iscrowd": crowd, "segmentation": []}
    content = {"annotations": [{**box, "id": i + 1, "image_id": i} for i in ids], "images": records}
    file.write_text(json.dumps({**content, "categories": [{"id": 1, "name": "bead"}]}))


def boxes(root: Path, split: str = "train") -> list[list[float]]:
    """The boxes of the first image of a split, with the image read."""
    found: list[list[float]] = open_folder(root, split, for_training=True)[0].target.boxes_xyxy.tolist()
    return found


@pytest.mark.parametrize("folder", ["images", "train", "data", "."])
@pytest.mark.parametrize("place", [".", "annotations"])
def test_coco_files_called_as_their_splits(tmp_path: Path, folder: str, place: str) -> None:
    images(tmp_path / folder)
    coco(tmp_path / place / "train.json", ids=range(7))
    coco(tmp_path / place / "val.json", ids=range(7, 10))
    assert layout_of(tmp_path) == "coco"
    assert [len(open_folder(tmp_path, split)) for split in ("train", "val")] == [7, 3]
    assert boxes(tmp_path) == boxes(tmp_path, "val") == [[2, 3, 12, 13]]
    assert check_folder(tmp_path).errors == 0
    with pytest.raises(DatasetNotFoundError, match="has no split 'test'; it has train, val"):
        open_folder(tmp_path, "test")


@pytest.mark.parametrize(
    ("file", "folder", "names"),
    [
        ("result.json", "images", "images\\{}.png"),
        ("labels.json", "data", "{}.png"),
        ("annotations/instances_default.json", "images", "{}.png"),
        ("annotations/instances_default.json", "images/default", "{}.png"),
        ("labels_my-project_2024-01-01.json", "images", "{}.png"),
        ("annotations/annotations.json", "images", "images/{}.png"),
        ("_annotations.coco.json", ".", "{}.png"),
    ],
)
def test_one_coco_file_of_a_program(tmp_path: Path, file: str, folder: str, names: str) -> None:
    images(tmp_path / folder)
    coco(tmp_path / file, names)
    assert layout_of(tmp_path) == "coco"
    assert [len(open_folder(tmp_path, split)) for split in ("train", "val", "test")] == [8, 1, 1]
    assert boxes(tmp_path) == [[2, 3, 12, 13]]
    assert check_folder(tmp_path).errors == 0


def test_coco_files_in_the_folders_of_splits(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        images(tmp_path / split / "data")
        coco(tmp_path / split / "labels.json")
    assert [len(open_folder(tmp_path, split)) for split in ("train", "val")] == [10, 10]
    assert boxes(tmp_path) == [[2, 3, 12, 13]]


def test_which_of_several_coco_files_is_asked(tmp_path: Path) -> None:
    images(tmp_path / "images")
    coco(tmp_path / "first.json")
    coco(tmp_path / "second.json")
    with pytest.raises(DatasetNotFoundError, match=r"which of first\.json, second\.json is meant\?"):
        open_folder(tmp_path, "train")


def test_test_instead_of_val_is_said(tmp_path: Path) -> None:
    for split in ("train", "test"):
        images(tmp_path / split)
        coco(tmp_path / split / "_annotations.coco.json")
    with pytest.raises(DatasetNotFoundError, match=r"has no split 'val'; it has train, test; `--data\.val test`"):
        open_folder(tmp_path, "val")


@pytest.mark.parametrize("names", ["C:\\set\\images\\{}.png", "/mnt/me/set/{}.png", "{}.PNG"])
def test_names_of_another_machine_are_found_with_one_warning(tmp_path: Path, names: str) -> None:
    images(tmp_path / "images")
    coco(tmp_path / "annotations.json", names)
    with pytest.warns(UserWarning, match=r"annotations\.json: 10 images .* found by their names") as caught:
        dataset = open_folder(tmp_path, "train", for_training=True)
    assert len(caught) == 1
    assert dataset[0].target.boxes_xyxy.tolist() == [[2, 3, 12, 13]]
    report = check_folder(tmp_path)
    assert report.errors == 0
    assert report.counts["image found by its name"] == 10


def test_only_crowds_are_refused_for_training_and_by_the_check(tmp_path: Path) -> None:
    images(tmp_path / "images")
    coco(tmp_path / "annotations.json", crowd=1)
    with pytest.raises(AnnotationError, match=r"annotations\.json: no object to learn from .*crowds.*iscrowd"):
        open_folder(tmp_path, "train", for_training=True)
    assert len(open_folder(tmp_path, "val")) == 1
    assert check_folder(tmp_path).errors == 1


XML = (
    "<annotation><filename>{}</filename><object><name>bead</name><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>12</xmax>"
    "<ymax>13</ymax></bndbox></object></annotation>"
)


@pytest.mark.parametrize("place", ["annotations", "annots", "xmls", "Annotations", "labels", "images", "."])
@pytest.mark.parametrize("folder", ["images", "."])
def test_any_folder_of_voc_xml(tmp_path: Path, place: str, folder: str) -> None:
    images(tmp_path / folder)
    (tmp_path / place).mkdir(exist_ok=True)
    for number in range(COUNT):
        (tmp_path / place / f"{number}.xml").write_text(XML.format(f"{number}.png"))
    assert layout_of(tmp_path) == "voc"
    assert [len(open_folder(tmp_path, split)) for split in ("train", "val", "test")] == [8, 1, 1]
    assert boxes(tmp_path) == [[2, 3, 12, 13]]
    assert check_folder(tmp_path).errors == 0


def test_voc_xml_with_names_of_its_own_finds_images_by_filename(tmp_path: Path) -> None:
    images(tmp_path / "images")
    (tmp_path / "annots").mkdir()
    for number in range(COUNT):
        (tmp_path / "annots" / f"task_{number}.xml").write_text(XML.format(f"C:\\photos\\{number}.png"))
    dataset = open_folder(tmp_path, "train", for_training=True)
    assert {Path(dataset.path(i)).parent for i in range(len(dataset))} == {tmp_path / "images"}
    assert check_folder(tmp_path).errors == 0


def test_voc_xml_in_the_folders_of_splits(tmp_path: Path) -> None:
    for split, count in (("train", 6), ("valid", 3)):
        images(tmp_path / split, count)
        for number in range(count):
            (tmp_path / split / f"{number}.xml").write_text(XML.format(f"{number}.png"))
    assert [len(open_folder(tmp_path, split)) for split in ("train", "val")] == [6, 3]
    dataset = open_folder(tmp_path, "val")
    assert {Path(dataset.path(i)).parent.name for i in range(3)} == {"valid"}
    with pytest.raises(DatasetNotFoundError, match="has no split 'test'; it has train, val"):
        open_folder(tmp_path, "test")


@pytest.mark.parametrize("line", ["{}", "{}.png", "{}.xml", "images/{}.png", "JPEGImages\\{}.png"])
def test_lists_of_voc_in_any_form(tmp_path: Path, line: str) -> None:
    images(tmp_path / "JPEGImages")
    (tmp_path / "Annotations").mkdir()
    for number in range(COUNT):
        (tmp_path / "Annotations" / f"{number}.xml").write_text(XML.format(f"{number}.png"))
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "default.txt").write_text("".join(f"{line.format(n)}\n" for n in range(COUNT)))
    assert [len(open_folder(tmp_path, split)) for split in ("train", "val", "test")] == [8, 1, 1]
    assert check_folder(tmp_path).errors == 0


def test_listed_images_without_xml_are_left_out_with_one_warning(tmp_path: Path) -> None:
    images(tmp_path / "JPEGImages")
    (tmp_path / "Annotations").mkdir()
    for number in range(2, COUNT):
        (tmp_path / "Annotations" / f"{number}.xml").write_text(XML.format(f"{number}.png"))
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_text("".join(f"{n}\n" for n in range(COUNT)))
    with pytest.warns(UserWarning, match="2 listed images have no annotation file and are left out: 0, 1"):
        assert len(open_folder(tmp_path, "train")) == 8
    report = check_folder(tmp_path)
    assert report.errors == 0
    assert report.counts["missing annotation"] == report.counts["image without annotations"] == 2


def no_class_folder(root: Path, reason: str) -> None:
    """No layout is recognised, the reason is said, and nothing is said of taking anything away."""
    with pytest.raises(DatasetNotFoundError) as caught:
        layout_of(root)
    message = str(caught.value)
    assert reason in message
    assert "Found\n" in message
    assert "Looked for\n" in message
    assert "remove" not in message
    assert "delete" not in message
    assert check_folder(root).counts == {"no data set": 1}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a/0.json", '{"size": {"height": 20}, "objects": []}'),
        ("labels.json", '[{"image": "a/0.png", "annotations": [], "bbox": []}]'),
        ("a/0.txt", "0 0.5 0.5 0.2 0.2\n"),
        ("a/list.txt", "a/0.png 0\na/1.png 0\n"),
        ("gallery.txt", "a/0.png\n"),
    ],
)
def test_annotations_beside_folders_of_images_are_seen(tmp_path: Path, name: str, content: str) -> None:
    for folder in ("a", "b"):
        images(tmp_path / folder, 3)
    assert layout_of(tmp_path) == "image_folder"
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    no_class_folder(tmp_path, f"no image_folder: it has images in folders a, b, but it holds {name}")
    assert len(open_image_folder(tmp_path, "train")) == 2  # for who says that they are classes


@pytest.mark.parametrize("names", [("images", "labels"), ("images", "masks"), ("bounding_box_train", "query")])
def test_parts_of_a_data_set_are_no_classes(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        images(tmp_path / name, 3)
    no_class_folder(tmp_path, "are parts of a data set and no classes")


def test_a_class_may_be_called_mask(tmp_path: Path) -> None:
    for name in ("mask", "no mask"):
        images(tmp_path / name, 3)
    assert layout_of(tmp_path) == "image_folder"


def test_folders_of_folders_are_no_classes(tmp_path: Path) -> None:
    for alphabet in ("Greek", "Latin"):
        for character in ("1", "2"):
            images(tmp_path / alphabet / character, 2)
    no_class_folder(tmp_path, "no image_folder: it has images in folders Greek, Latin that hold folders again")
    assert layout_of(tmp_path / "Greek") == "image_folder"


def test_one_class_is_refused(tmp_path: Path) -> None:
    images(tmp_path / "cats", 3)
    no_class_folder(tmp_path, "no image_folder: it has images in folder cats, and two classes or more are needed")
    with pytest.raises(AnnotationError, match="class cats alone is nothing to tell apart"):
        open_image_folder(tmp_path, "train")
    assert check_folder(tmp_path, dataset="image_folder").counts["single class"] == 1


def test_tables_that_may_be_meant_in_two_ways_are_refused_with_the_reason(tmp_path: Path) -> None:
    images(tmp_path / "images", 3)
    (tmp_path / "points.csv").write_text("image,label,x,y,width,height\n0.png,cat,1,2,3,4\n")
    no_class_folder(tmp_path, "no csv: points.csv: x, y, width, height may be a box by its centre or its corner")
    (tmp_path / "points.csv").write_text("image,x,y\n0.png,1,2\n")
    no_class_folder(tmp_path, "no csv: points.csv: x and y are points without a column for their names (keypoint,")
    (tmp_path / "points.csv").write_text("image,x0,y0,x1,y1\n0.png,1,2,3,4\n")
    no_class_folder(tmp_path, "no csv: points.csv: x0, y0, x1, y1 may be a box or two keypoints")
    (tmp_path / "points.csv").write_text("image,nose_x,nose_y,tail_x\n0.png,1,2,3\n")
    no_class_folder(tmp_path, "no csv: points.csv: the keypoint tail has only one of the columns for x and y")


def test_masks_without_a_list_of_classes_are_refused_with_the_reason(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        images(tmp_path / name, 3)
    no_class_folder(tmp_path, "no mask_folder: masks/ beside images looks like masks, but no list says")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("via.json", '{"a.png1": {"regions": [{"shape_attributes": {}}]}}', "VIA's own JSON: export COCO instead"),
        ("ann.json", '{"objects": [{"classTitle": "a"}]}', "Supervisely's own JSON: export COCO, VOC or YOLO instead"),
        (
            "c.json",
            '[{"image": "a", "annotations": [{"coordinates": {}}]}]',
            "CreateML's JSON: export COCO, VOC or",
        ),
        ("labels.json", '{"classes": ["a"], "labels": {"a": []}}', "FiftyOne's own JSON: export COCO, VOC or YOLO"),
        ("x.json", '{"objects": [], "bbox": []}', "annotations in JSON): in no format or place that is read"),
    ],
)
def test_annotations_in_a_format_that_is_not_read_are_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    images(tmp_path / "images", 3)
    (tmp_path / name).write_text(content)
    no_class_folder(tmp_path, f"{name} ({said}" if not said.startswith("annotations") else said)
    images(tmp_path / "other", 3)
    no_class_folder(tmp_path, f"{name} (")


@pytest.mark.parametrize("name", ["coco", "yolo", "voc", "mask_folder", "csv", "image_folder", "cub200", "labelme"])
def test_a_data_set_one_folder_down(tmp_path: Path, name: str) -> None:
    write: Any = DATASETS[name].write_fake
    write(tmp_path / "archive" / "set")
    (tmp_path / "README.md").write_text("x")
    images(tmp_path / "__MACOSX", 1)
    (tmp_path / "empty").mkdir()
    # labelme's files may lie anywhere below.
    assert find_dataset(tmp_path) == (name, tmp_path if name == "labelme" else tmp_path / "archive" / "set")
    assert len(open_folder(tmp_path, "train")) > 0
    assert check_folder(tmp_path).errors == 0
    assert main(["show", str(tmp_path), "--out", str(tmp_path / "out"), "--count", "1"]) == 0


def test_home_is_known_to_every_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write: Any = DATASETS["yolo"].write_fake
    write(tmp_path / "set")
    assert layout_of(Path("~/set")) == "yolo"
    assert len(DATASETS["yolo"].open(Path("~/set"), "train")) == 6
    assert check_folder(Path("~/set")).errors == 0
    assert main(["check", "~/set"]) == 0
    assert main(["show", "~/set", "--out", str(tmp_path / "out"), "--count", "1"]) == 0
    assert main(["convert", "~/set", str(tmp_path / "coco"), "--to", "coco"]) == 0


def test_left_behind_files_change_nothing(tmp_path: Path) -> None:
    for name in ("image_folder", "class_folder", "mask_folder", "voc", "csv", "labelme", "camvid"):
        root = tmp_path / name
        write: Any = DATASETS[name].write_fake
        write(root)
        before = [len(DATASETS[name].open(root, split)) for split in ("train", "val", "test")]
        for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
            images(folder / ".ipynb_checkpoints", 1)
            (folder / "._0.png").write_bytes(b"\0\5\26\7")
            (folder / "._0.json").write_bytes(b"\0\5\26\7")
            (folder / "._0.xml").write_bytes(b"\0\5\26\7")
        assert [len(DATASETS[name].open(root, split)) for split in ("train", "val", "test")] == before
        assert check_folder(root, dataset=name).errors == 0
