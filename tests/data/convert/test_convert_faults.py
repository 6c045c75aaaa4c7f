"""Files as people have them, converted: nothing wrong is passed on, nothing is lost without being counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from visus.data.check.folder import check_folder
from visus.data.convert.convert import ConversionError, convert
from visus.data.convert.outlines import polygons_of
from visus.data.errors import AnnotationError
from visus.data.files.images import ImageError
from visus.data.formats.coco_segments import draw_segments
from visus.data.readers import yolo
from visus.data.recognise import open_folder
from visus.errors import VisusError
from visus.ops.masks import rle_encode

SQUARE = [[2.0, 2.0, 12.0, 2.0, 12.0, 12.0, 2.0, 12.0]]
GOOD: dict[str, Any] = {"category_id": 1, "bbox": [2, 2, 10, 10], "area": 100, "iscrowd": 0, "segmentation": SQUARE}


def written(root: Path, *annotations: dict[str, Any], names: tuple[str, ...] = (), **changes: Any) -> Path:
    """Ten images of 20 x 30 in COCO's undivided layout; the first has the annotations, each other a square."""
    names = names or tuple(f"{number}.png" for number in range(1, 11))
    (root / "images").mkdir(parents=True)
    for name in names:
        if name and "/" not in name:
            Image.new("RGB", (30, 20), "gray").save(root / "images" / name, format="PNG")
    images = [{"id": i, "file_name": name, "height": 20, "width": 30} for i, name in enumerate(names, start=1)]
    objects = [{**GOOD, **annotation, "image_id": 1} for annotation in annotations]
    objects += [{**GOOD, "image_id": image["id"]} for image in images[1:]]
    content = {
        "images": images,
        "categories": [{"id": 1, "name": "bead"}],
        "annotations": [{"id": i, **thing} for i, thing in enumerate(objects, start=1)],
        **changes,
    }
    (root / "annotations.json").write_text(json.dumps(content))
    return root


def opened(root: Path) -> list[Any]:
    """All splits."""
    return [open_folder(root, split) for split in ("train", "val", "test")]


def first_target(root: Path) -> Any:
    dataset: Any = open_folder(root, "train")
    return dataset.target(0)


@pytest.mark.parametrize("to", ["voc", "yolo"])
def test_sizes_are_those_of_the_images(to: str, tmp_path: Path) -> None:
    root = written(tmp_path / "a", {})
    Image.new("RGB", (20, 30)).save(root / "images" / "4.png")
    with pytest.raises(AnnotationError, match=r"4\.png: the image has \(h, w\) = \(30, 20\), .* say \(20, 30\)"):
        convert(root, tmp_path / "b", to=to)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (30, 20)).save(root / "images" / "4.png", format="JPEG", exif=turned)
    with pytest.raises(AnnotationError, match=r"4\.png: the image has \(h, w\) = \(30, 20\)"):
        convert(root, tmp_path / "b", to=to)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("outline", "message"),
    [
        ([2, 2, 12, 2, 12, 12], "a flat list of numbers"),
        ([[[2, 2], [12, 2], [12, 12]]], "a list of points"),
        ([[{"x": 2, "y": 2}, {"x": 12, "y": 2}, {"x": 12, "y": 12}]], "a list of points"),
        ([[2, 2, 12, 2, 12, 12, 4]], "an odd number of coordinates, 7"),
        ([[2, 2, 12, 2, 12, float("nan")]], "not a list of finite numbers"),
        ([[2, 2, 12, 2, 12, "12"]], "not a list of finite numbers"),
        ([SQUARE[0], 5], "is not a list of numbers"),
        ("mask.png", "neither polygons nor run lengths"),
        ({"counts": [600]}, "'size' and 'counts'"),
    ],
)
def test_malformed_outlines_are_refused_by_all_alike(outline: Any, message: str, tmp_path: Path) -> None:
    root = written(tmp_path / "a", {"segmentation": outline}, {})
    report = check_folder(root, decode=False)
    assert [(p.kind, p.annotation_id) for p in report.problems] == [("malformed segmentation", 1)]
    assert message in report.problems[0].message
    with pytest.raises(AnnotationError, match=rf"annotations\.json: annotation 1 has an unusable .*{message}"):
        opened(root)
    with pytest.raises(AnnotationError, match=message):
        convert(root, tmp_path / "b", to="yolo")


@pytest.mark.parametrize(
    "annotation",
    [
        {"iscrowd": "0"},
        {"iscrowd": 2},
        {"iscrowd": float("nan")},
        {"area": -3},
        {"area": "9"},
        {"keypoints": [3, 3, 7]},
        {"keypoints": [3, float("nan"), 2]},
        {"keypoints": [3, 3]},
    ],
)
def test_values_are_refused_by_all_alike(annotation: dict[str, Any], tmp_path: Path) -> None:
    categories = [{"id": 1, "name": "bead", "keypoints": ["centre"]}]
    root = written(tmp_path / "a", annotation, {}, categories=categories)
    report = check_folder(root, decode=False)
    assert [(p.severity, p.annotation_id) for p in report.problems] == [("error", 1)]
    for verb in (lambda: opened(root), lambda: convert(root, tmp_path / "b", to="voc")):
        with pytest.raises(AnnotationError, match=r"annotations\.json: annotation 1 has "):
            verb()


@pytest.mark.parametrize("name", ["/etc/passwd", "../../passwd", "a/../../../b.png", "../../b/images/1.png"])
def test_files_outside_of_the_data_set_are_refused(name: str, tmp_path: Path) -> None:
    written(tmp_path / "b", {})
    names = (name, *(f"{number}.png" for number in range(2, 11)))
    root = written(tmp_path / "a", {}, names=names)
    assert "image outside the data set" in check_folder(root).counts
    for verb in (lambda: opened(root), lambda: convert(root, tmp_path / "c", to="yolo")):
        with pytest.raises(AnnotationError, match=r"annotations\.json: image 1 is .*outside of the data set"):
            verb()
    assert not (tmp_path / "c").exists()


def test_files_of_the_data_set_may_be_named_in_full(tmp_path: Path) -> None:
    names = tuple(f"{number}.png" for number in range(1, 11))
    root = written(tmp_path / "a", {}, names=names)
    file = root / "annotations.json"
    content = json.loads(file.read_text())
    content["images"][0]["file_name"] = str(root.resolve() / "images" / "1.png")
    content["images"][1]["file_name"] = "../images/2.png"
    file.write_text(json.dumps(content))
    assert check_folder(root).errors == 0
    assert len(open_folder(root, "train")) == 8


def test_what_is_lost_is_counted(tmp_path: Path) -> None:
    category = {"id": 7, "name": "bead", "supercategory": "thing", "keypoints": ["a", "b"], "skeleton": [[1, 2]]}
    thing = {**GOOD, "keypoints": [3, 3, 2, 5, 5, 1], "num_keypoints": 2, "area": 80, "attributes": {"worn": True}}
    root = written(tmp_path / "a", thing, {}, categories=[category], licenses=[{"id": 1}, {"id": 2}])
    file = root / "annotations.json"
    content = json.loads(file.read_text())
    content["images"][3]["license"] = 2
    for annotation in content["annotations"]:
        annotation["category_id"] = 7
    file.write_text(json.dumps(content))
    same = {"names of keypoints": 2, "supercategories": 1, "category ids": 1, "licenses": 6, "license of images": 1}
    same |= {"image ids": 10, "object ids": 11, "keypoints": 1, "attributes": 1, "areas": 1}
    assert convert(root, tmp_path / "b", to="yolo").left_out == same
    assert convert(root, tmp_path / "c", to="voc").left_out == {**same, "outlines": 11}


def test_what_voc_says_beyond_boxes_is_counted(tmp_path: Path) -> None:
    convert(written(tmp_path / "a", {}), tmp_path / "v", to="voc")
    file = tmp_path / "v" / "Annotations" / "1.xml"
    said = "<pose>Left</pose><truncated>1</truncated><occluded>0</occluded><part><name>head</name></part><difficult>0"
    file.write_text(file.read_text().replace("<difficult>0", said))
    other = tmp_path / "v" / "Annotations" / "2.xml"
    nothing = "<pose>Unspecified</pose><truncated>0</truncated><difficult>0"
    other.write_text(other.read_text().replace("<difficult>0", nothing))
    for to in ("coco", "yolo"):
        assert convert(tmp_path / "v", tmp_path / to, to=to).left_out == {"pose": 1, "truncated": 1, "part": 1}


def test_run_lengths_become_polygons(tmp_path: Path) -> None:
    mask = torch.zeros(20, 30, dtype=torch.bool)
    mask[3:9, 4:12] = True
    mask[5:7, 6:8] = False  # a hole
    mask[12:15, 20:25] = True  # a second part
    runs = dict(rle_encode(mask))
    root = written(tmp_path / "a", {"segmentation": runs, "bbox": [4, 3, 21, 12], "area": int(mask.sum())})
    result = convert(root, tmp_path / "y", to="yolo")
    assert "run-length outlines" not in result.left_out
    assert torch.equal(first_target(tmp_path / "y").masks[0], mask)
    assert torch.equal(first_target(root).masks[0], mask)


@pytest.mark.parametrize("seed", range(20))
def test_polygons_enclose_the_mask(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    height, width = (int(side) for side in torch.randint(3, 40, (2,), generator=generator))
    mask = torch.rand(height, width, generator=generator) > 0.4
    line = yolo.write_label({"segmentation": polygons_of(mask)}, 0, (height, width))
    again = yolo.parse_label(line, 1, (height, width))["segmentation"]
    assert torch.equal(draw_segments([again], (height, width))[0], mask)


def test_an_empty_mask_is_counted(tmp_path: Path) -> None:
    root = written(tmp_path / "a", {"segmentation": {"size": [20, 30], "counts": [600]}})
    assert polygons_of(torch.zeros(4, 5, dtype=torch.bool)) == []
    assert convert(root, tmp_path / "y", to="yolo").left_out["run-length outlines"] == 1
    root = written(tmp_path / "b", {"segmentation": {"size": [20, 30], "counts": [599]}})
    with pytest.raises(AnnotationError, match=r"1\.png: annotation 1 has an unusable outline"):
        convert(root, tmp_path / "z", to="yolo")


def test_categories_are_matched_by_name(tmp_path: Path) -> None:
    for split, numbers in (("train", (1, 2)), ("val", (2, 1))):
        categories = [{"id": number, "name": name} for number, name in zip(numbers, ("cat", "dog"), strict=True)]
        written(tmp_path / split, {"category_id": numbers[1]}, categories=categories)
        (tmp_path / "a" / split).mkdir(parents=True)
        for file in (tmp_path / split / "images").iterdir():
            file.rename(tmp_path / "a" / split / file.name)
        (tmp_path / split / "annotations.json").rename(tmp_path / "a" / split / "_annotations.coco.json")
    convert(tmp_path / "a", tmp_path / "y", to="yolo")
    for split in ("train", "val"):
        dataset: Any = open_folder(tmp_path / "y", split)
        assert dataset.schema.categories == ("cat", "dog")
        assert dataset.target(0).labels.tolist() == [1]


@pytest.mark.parametrize("to", ["coco", "voc", "yolo"])
def test_images_without_an_ending_get_one(to: str, tmp_path: Path) -> None:
    names = ("one", "two.jfif", "three.data", " four.png", "fi\nve.png", *(f"{number}.png" for number in range(5)))
    root = written(tmp_path / "a", {}, names=names)
    if to == "coco":
        convert(root, tmp_path / "v", to="voc")
        root = tmp_path / "v"
    convert(root, tmp_path / "b", to=to)
    assert sum(len(open_folder(tmp_path / "b", split)) for split in ("train", "val", "test")) == 10
    assert check_folder(tmp_path / "b").errors == 0


@pytest.mark.parametrize("name", ["", " ", "a\x01b", "two\nlines", "bead ", "a\u2028b", "a\x85b"])
def test_names_that_voc_cannot_have_are_refused(name: str, tmp_path: Path) -> None:
    root = written(tmp_path / "a", {}, categories=[{"id": 1, "name": name}])
    with pytest.raises(ConversionError, match="VOC cannot have a class called"):
        convert(root, tmp_path / "b", to="voc")
    assert not (tmp_path / "b").exists()
    if name.strip() and "\x85" not in name:
        convert(root, tmp_path / "y", to="yolo")
        assert open_folder(tmp_path / "y", "train").schema.categories == (name,)
    else:
        with pytest.raises(ConversionError, match="YOLO cannot have a class called"):
            convert(root, tmp_path / "y", to="yolo")


def test_what_is_no_image_is_not_copied(tmp_path: Path) -> None:
    root = written(tmp_path / "a", {})
    (root / "images" / "3.png").write_text("secret")
    with pytest.raises(ImageError, match=r"3\.png"):
        convert(root, tmp_path / "b", to="yolo")
    (root / "images" / "3.png").unlink()
    (root / "images" / "3.png").mkdir()
    with pytest.raises(VisusError, match=r"3\.png"):
        convert(root, tmp_path / "b", to="yolo")
