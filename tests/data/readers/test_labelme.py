"""Folders of labelme's files: splits, names, keypoints, what the check tells, and what is recognised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from data.labelme_files import SQUARE, checked, file, opened, shape
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.feed.loader import SampleDataset
from visus.data.formats.coco_names import COCO_PERSON_KEYPOINTS
from visus.data.readers.labelme import check_labelme, open_labelme, recognise_labelme, write_fake
from visus.data.recognise import layout_of


@pytest.mark.parametrize("boxes", [False, True])
def test_fake(tmp_path: Path, boxes: bool) -> None:
    write_fake(tmp_path, boxes=boxes)
    for split in ("train", "val", "test"):
        dataset = open_labelme(tmp_path, split, for_training=True)
        assert isinstance(dataset, SampleDataset)
        assert dataset.schema.categories == ("circle", "square", "triangle")
        assert dataset.schema.has_masks == (not boxes)
        assert [len(dataset.target(index)) for index in range(6)] == [1, 1, 1, 1, 1, 0]
        for index in range(5):
            sample = dataset[index]
            assert tuple(sample.input.shape[-2:]) == dataset.size(index) == (64, 80)
            left, top, right, bottom = sample.target.boxes_xyxy[0].round().int().tolist()
            background = sample.input.float().mean(0)
            background[top:bottom, left:right] = 255
            inside = sample.input.float().mean(0)[(top + bottom) // 2, (left + right) // 2]
            assert inside < 120 < background.median()
            if sample.target.masks is not None:
                drawn = sample.input.float().mean(0) < 118
                inner = drawn[top:bottom, left:right] & sample.target.masks[0][top:bottom, left:right]
                assert inner.sum() > 0.9 * sample.target.masks[0].sum()
    assert Path(open_labelme(tmp_path, "val").path(0)).suffix == ".json"
    assert check_labelme(tmp_path).problems == ()


def test_points_are_keypoints_of_the_object_of_their_group(tmp_path: Path) -> None:
    shapes = [
        shape("nose", [[5, 4]], "point", group_id=1),
        shape("cat", [[2, 3], [12, 13]], "rectangle", group_id=1),
        shape("right ear", [[6, 3]], "point", group_id=1, flags={"occluded": True}),
        shape("left ear", [[7, 3]], "point", group_id=1, flags={"hidden": False}),
        shape("car", [[15, 5], [25, 15]], "rectangle"),
        shape("cat", [[0, 0], [5, 5]], "rectangle", group_id="two"),
        shape("nose", [[1, 1]], "point", group_id="two"),
    ]
    dataset = opened(tmp_path, shapes)
    keypoints = dataset.schema.keypoints
    assert keypoints is not None
    assert keypoints.names == ("left ear", "nose", "right ear")
    assert keypoints.flip_pairs == ((0, 2),)
    assert dataset.schema.categories == ("car", "cat")
    assert keypoints.labels == (1,)
    target = dataset.target(0)
    assert target.keypoints_xyv is not None
    assert target.labels.tolist() == [1, 0, 1]
    assert target.keypoints_xyv[0].tolist() == [[7, 3, 2], [5, 4, 2], [6, 3, 1]]
    assert target.keypoints_xyv[1].abs().sum() == 0
    assert target.keypoints_xyv[2].tolist() == [[0, 0, 0], [1, 1, 2], [0, 0, 0]]
    (tmp_path / "labels.txt").write_text("__ignore__\n_background_\ncat\nnose\nright ear\nleft ear\ncar\n")
    schema = open_labelme(tmp_path, "train").schema
    assert schema.categories == ("cat", "car")
    assert schema.keypoints is not None
    assert schema.keypoints.names == ("nose", "right ear", "left ear")


def test_the_keypoints_of_cocos_person_are_known(tmp_path: Path) -> None:
    points = [shape(name, [[5, 5]], "point", group_id=0) for name in sorted(COCO_PERSON_KEYPOINTS.names)]
    dataset = opened(tmp_path, [shape("person", [[2, 3], [12, 13]], "rectangle", group_id=0), *points])
    assert dataset.schema.keypoints == COCO_PERSON_KEYPOINTS


@pytest.mark.parametrize("kind", ["folders", "aliases", "lists", "nested"])
def test_splits(tmp_path: Path, kind: str) -> None:
    for number in range(6):
        split = ("train", "train", "train", "train", "val", "test")[number]
        folder = {
            "folders": tmp_path / split,
            "aliases": tmp_path / {"train": "Training", "val": "valid", "test": "Testing"}[split] / "cats",
            "lists": tmp_path / "x",
            "nested": tmp_path / "data" / split,
        }[kind]
        file(folder, f"{number}", [shape(f"c{number}", SQUARE)])
    if kind == "lists":
        (tmp_path / "train.txt").write_text("x/3.png\n2.json\n\n./x/1\n0\n0\n")
        (tmp_path / "valid.txt").write_text("images\\4.jpg\r\n")
        (tmp_path / "test.txt").write_text("/elsewhere/x/5.png\n")
    read = {split: open_labelme(tmp_path, split) for split in ("train", "val", "test")}
    names = {split: [Path(dataset.path(i)).stem for i in range(len(dataset))] for split, dataset in read.items()}
    assert names == {"train": ["0", "1", "2", "3"], "val": ["4"], "test": ["5"]}
    assert read["train"].schema == read["val"].schema == read["test"].schema  # whatever occurs in a split
    assert [read["train"].target(i).labels.item() for i in range(4)] == [0, 1, 2, 3]
    assert check_labelme(tmp_path).problems == ()
    with pytest.raises(ValueError, match="'all' is unknown"):
        open_labelme(tmp_path, "all")


def test_the_division_is_the_same_every_time(tmp_path: Path) -> None:
    for number in range(20):
        file(tmp_path, f"{number:02d}", [shape("cat", SQUARE)] if number % 2 else [])
    splits = ("train", "val", "test")
    parts, again = ([open_labelme(tmp_path, split) for split in splits] for _ in range(2))
    names = [[dataset.path(i) for i in range(len(dataset))] for dataset in parts]
    assert [len(part) for part in parts] == [16, 2, 2]
    assert len({name for part in names for name in part}) == 20
    assert names == [[dataset.path(i) for i in range(len(dataset))] for dataset in again]
    assert len({len(parts[0].target(i)) for i in range(16)}) == 2  # images without objects stay


def test_problems_of_splits(tmp_path: Path) -> None:
    for name in "abc":
        file(tmp_path, name, [shape("cat", SQUARE)])
    (tmp_path / "train.txt").write_text("a\nb\n")
    (tmp_path / "val.txt").write_text("b\nz.png\n")
    report = check_labelme(tmp_path)
    assert report.counts == {"missing annotation": 1, "duplicate image": 1, "missing split": 1}
    with pytest.raises(AnnotationError, match=r"val.txt: names z.png, which nobody has annotated"):
        open_labelme(tmp_path, "train")
    (tmp_path / "val.txt").write_bytes(b"\xff\xff")
    assert check_labelme(tmp_path).counts["unreadable annotations"] == 1
    (tmp_path / "val.txt").unlink()
    with pytest.raises(DatasetNotFoundError, match=r"no image of the split 'val'.*it has train"):
        open_labelme(tmp_path, "val")
    (tmp_path / "train.txt").unlink()
    file(tmp_path / "train", "d", [])
    assert check_labelme(tmp_path).counts == {"outside of the splits": 3, "missing split": 2}


def test_labels(tmp_path: Path) -> None:
    file(tmp_path / "train", "a", [shape(" dog ", SQUARE), shape("cat", SQUARE), shape("__ignore__", SQUARE)])
    file(tmp_path / "val", "a", [shape("ant", SQUARE), shape("_background_", SQUARE)])
    dataset = open_labelme(tmp_path, "train")
    assert dataset.schema.categories == ("ant", "cat", "dog")
    assert dataset.target(0).labels.tolist() == [2, 1]
    (tmp_path / "labels.txt").write_text("__ignore__\n_background_\ndog\nowl\ncat\n")
    with pytest.raises(AnnotationError, match=r"val/a.json: the label 'ant' is not in .*labels.txt"):
        open_labelme(tmp_path, "train")
    assert check_labelme(tmp_path).counts == {"shape left out": 2, "unknown category": 1, "missing split": 1}
    (tmp_path / "labels.txt").write_text("dog\nowl\ncat\nant\n")
    assert open_labelme(tmp_path, "val").schema.categories == ("dog", "owl", "cat", "ant")


def test_annotations_apart_from_their_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d" / "images").mkdir(parents=True)
    for name in "abc":
        Image.new("RGB", (30, 20)).save(tmp_path / "d" / "images" / f"{name}.png")
        file(tmp_path / "d" / "json", name, [shape("cat", SQUARE)], image=False, imagePath=f"..\\images\\{name}.png")
    assert check_labelme(tmp_path / "d").problems == ()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "d")
    (tmp_path / "d" / "again").symlink_to(tmp_path)  # leads back to where we are
    for root in (Path("d"), Path("link/"), tmp_path / "link", Path("d/json/..")):
        dataset = open_labelme(root, "train")
        assert len(dataset) == 1
        assert tuple(dataset[0].input.shape) == (3, 20, 30)
        assert check_labelme(root).problems == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = file(tmp_path / "train", "a", [shape("Hündin 犬", SQUARE)])
    path.write_text(json.dumps(json.loads(path.read_text()), ensure_ascii=False), encoding=encoding)
    assert open_labelme(tmp_path, "train").schema.categories == ("Hündin 犬",)
    assert recognise_labelme(tmp_path)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe\x00", b'{"shapes": [}', b"[" * 100_000])
def test_files_that_are_no_json(tmp_path: Path, text: bytes) -> None:
    file(tmp_path / "train", "a", [shape("cat", SQUARE)])
    (tmp_path / "train" / "b.json").write_bytes(text)
    with pytest.raises(AnnotationError, match=r"b\.json: (not valid JSON|the file is empty)"):
        open_labelme(tmp_path, "train")
    assert check_labelme(tmp_path).counts == {"missing split": 2, "unreadable annotations": 1}


@pytest.mark.parametrize(
    ("things", "kind", "severity"),
    [
        ([shape("road", SQUARE[:2], "line")], "shape left out", "warning"),
        ([shape("road", SQUARE, "linestrip")], "shape left out", "warning"),
        ([shape("dots", SQUARE, "points")], "shape left out", "warning"),
        ([shape("nose", [[1, 1]], "point")], "shape left out", "warning"),
        ([shape("nose", [[1, 1]], "point", group_id=7)], "shape left out", "warning"),
        ([shape("cat", SQUARE)], "duplicate object", "warning"),
        ([shape("cat", [[1, 1], [1, 9]], "rectangle")], "degenerate box", "error"),
        ([shape("cat", [[1, 1], [90, 9]], "rectangle")], "box outside the image", "error"),
        ([shape("cat", [[1, 1], [9, 9]], "rectangle")], "missing segmentation", "warning"),
        ([shape("cat", [[1, 1], [4, 4]], "mask", mask="?")], "unusable mask", "error"),
        ([shape("cat", [[1, 1], [4, 4]], "mask")], "unusable mask", "error"),
        (
            [shape("dog", SQUARE, group_id=1), shape("nose", [[90, 1]], "point", group_id=1)],
            "keypoint outside the image",
            "warning",
        ),
        (
            [shape("dog", SQUARE, group_id=1), *[shape("nose", [[9, 1]], "point", group_id=1)] * 2],
            "ambiguous keypoint",
            "error",
        ),
        (
            [*(shape(x, SQUARE, group_id=1) for x in ("dog", "owl")), shape("nose", [[9, 1]], "point", group_id=1)],
            "ambiguous keypoint",
            "error",
        ),
    ],
)
def test_what_the_check_tells(tmp_path: Path, things: list[Any], kind: str, severity: str) -> None:
    report = checked(tmp_path, [shape("cat", SQUARE), *things])
    assert kind in report.counts
    assert {p.severity for p in report.problems if p.kind == kind} == {severity}
    if kind in ("unusable mask", "ambiguous keypoint"):
        with pytest.raises(AnnotationError, match=r"train/a\.json"):
            open_labelme(tmp_path, "train")
    elif severity == "warning":
        assert report.errors == 0
        assert len(open_labelme(tmp_path, "train").target(0)) >= 1


def test_more_that_the_check_tells(tmp_path: Path) -> None:
    assert checked(tmp_path, [], flags={"night": True, "rain": False}).counts == {"flags left out": 1}
    assert checked(tmp_path, [], imageHeight=None).counts == {"missing image size": 1}
    assert checked(tmp_path, [], imageHeight=-2).counts == {"malformed image size": 1}
    assert checked(tmp_path, [], imageHeight=21).counts == {"wrong image size": 1}
    report = checked(tmp_path, [shape("cat", SQUARE)], imagePath="elsewhere/a.png")
    assert report.problems == ()
    assert (report.images, report.objects) == (3, 3)
    (tmp_path / "train" / "a.png").rename(tmp_path / "train" / "z.png")
    (tmp_path / "train" / "config.json").write_text("{}")
    report = check_labelme(tmp_path)
    assert report.counts == {"other JSON": 1, "missing image": 1, "image without annotations": 1}
    assert [p.file for p in report.problems if p.kind == "missing image"] == [str(tmp_path / "train/elsewhere/a.png")]
    file(tmp_path / "train", "c", [], image=False, imagePath="z.png")
    file(tmp_path / "train", "d", [], image=False, imagePath="z.png")
    assert check_labelme(tmp_path).counts == {"other JSON": 1, "missing image": 1, "duplicate image": 1}


def test_without_objects_there_is_nothing_to_learn(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="no image has a rectangle"):
        opened(tmp_path, [shape("nose", [[1, 1]], "point")])
    with pytest.raises(DatasetNotFoundError, match="no such folder"):
        open_labelme(tmp_path / "none", "train")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DatasetNotFoundError, match="no JSON file of labelme"):
        open_labelme(tmp_path / "bare", "train")
    assert check_labelme(tmp_path / "bare").counts == {"no data set": 1}


def test_only_labelme_is_recognised(tmp_path: Path) -> None:
    others = {
        "coco": {"images": [], "annotations": [], "categories": []},
        "via": {"a.png100": {"filename": "a.png", "regions": [], "size": 100}},
        "supervisely": {"size": {"height": 20, "width": 30}, "objects": []},
        "shapes": {"shapes": []},
    }
    for name, content in others.items():
        folder = tmp_path / name / "cats"
        folder.mkdir(parents=True)
        Image.new("RGB", (30, 20)).save(folder / "a.png")
        (folder / "a.json").write_text(json.dumps(content))
        (folder / "cut.json").write_text("{")
        (tmp_path / name / "dogs").mkdir()
        Image.new("RGB", (30, 20)).save(tmp_path / name / "dogs" / "a.png")
        assert not recognise_labelme(tmp_path / name)
        with pytest.raises(DatasetNotFoundError, match=r"no image_folder: .*cats, dogs, but it holds cats/a\.json"):
            layout_of(tmp_path / name)
        file(folder, "b", [])
        assert layout_of(tmp_path / name) == "labelme"
    assert not recognise_labelme(tmp_path / "none")
