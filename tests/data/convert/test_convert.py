from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from visus.cli.data import main
from visus.data.convert.convert import ConversionError, convert
from visus.data.errors import DatasetNotFoundError
from visus.data.files.images import ImageError
from visus.data.files.splits import SPLITS
from visus.data.formats import voc_fake
from visus.data.readers import yolo
from visus.data.recognise import layout_of, open_folder
from visus.data.records.indexed import IndexedDataset


def opened(root: Path, split: str = "train") -> IndexedDataset:
    dataset = open_folder(root, split)
    assert isinstance(dataset, IndexedDataset)
    return dataset


def assert_same(one: Path, other: Path, *, crowds: bool = True, masks: bool = False, exact: float = 1e-4) -> None:
    """Both hold the same images with the same objects."""
    for split in ("train", "val", "test"):
        first, second = opened(one, split), opened(other, split)
        assert len(first) == len(second) > 0
        assert first.schema.categories == second.schema.categories
        for i in range(len(first)):
            a, b = first.target(i), second.target(i)
            if not crowds:
                a = a[~a.is_crowd]
            assert torch.allclose(a.boxes_xyxy, b.boxes_xyxy, atol=exact)
            assert torch.equal(a.labels, b.labels)
            assert torch.equal(a.is_crowd, b.is_crowd)
            assert a.size == b.size
            assert Path(first.path(i)).read_bytes() == Path(second.path(i)).read_bytes()
            if masks:
                assert a.masks is not None
                assert b.masks is not None
                assert torch.equal(a.masks, b.masks)
                assert torch.allclose(a.areas, b.areas, rtol=0.02)


def people(root: Path, split: str) -> list[list[float]]:
    """The keypoints in the other file of a split in COCO's layout."""
    content = json.loads((root / "annotations" / f"person_keypoints_{split}.json").read_text())
    return [thing["keypoints"] for thing in content["annotations"] if thing.get("keypoints")]


def test_voc_to_coco_and_back(tmp_path: Path) -> None:
    voc_fake.write_fake(tmp_path / "a")
    result = convert(tmp_path / "a", tmp_path / "b", to="coco")
    assert layout_of(tmp_path / "b") == "coco"
    assert (result.images, result.left_out) == (18, {"masks": 18})
    assert_same(tmp_path / "a", tmp_path / "b", exact=0)
    assert bool(opened(tmp_path / "b").target(0).is_crowd.any())
    back = convert(tmp_path / "b", tmp_path / "c", to="voc", link=True)
    assert back.objects == result.objects
    assert_same(tmp_path / "a", tmp_path / "c", exact=0)


def test_coco_to_yolo_and_back_keeps_polygons(fake_coco: Path, tmp_path: Path) -> None:
    result = convert(fake_coco, tmp_path / "y", to="yolo")
    assert layout_of(tmp_path / "y") == "yolo"
    contents = [json.loads((fake_coco / "annotations" / f"instances_{s}.json").read_text()) for s in SPLITS]
    objects = sum(len(content["annotations"]) for content in contents)
    others = {"supercategories": 3, "category ids": 3, "image ids": 24, "object ids": objects}
    others["keypoints"] = sum(len(people(fake_coco, split)) for split in SPLITS)
    # Areas are those of the ellipses, of which the polygons have 1.15 % less.
    assert result.left_out == {"crowds": 3, "areas": objects - 3, **others}
    assert_same(fake_coco, tmp_path / "y", crowds=False, masks=True, exact=0.02)  # boxes of rounded polygons
    convert(tmp_path / "y", tmp_path / "c", to="coco")
    assert_same(tmp_path / "y", tmp_path / "c", masks=True, exact=1e-4)


def test_yolo_boxes_survive_voc(tmp_path: Path) -> None:
    yolo.write_fake(tmp_path / "y")
    convert(tmp_path / "y", tmp_path / "v", to="voc")
    assert_same(tmp_path / "y", tmp_path / "v")
    convert(tmp_path / "v", tmp_path / "z", to="yolo")
    assert_same(tmp_path / "y", tmp_path / "z")
    assert (tmp_path / "z" / "labels" / "train" / "0005.txt").read_text() == ""


def test_what_is_lost_is_counted(fake_coco: Path, tmp_path: Path) -> None:
    result = convert(fake_coco, tmp_path / "v", to="voc", splits=["val"])
    content = json.loads((fake_coco / "annotations" / "instances_val.json").read_text())
    count = len(content["annotations"])
    others = {"supercategories": 3, "category ids": 3, "image ids": 8, "object ids": count}
    others["keypoints"] = len(people(fake_coco, "val"))
    assert result.left_out == {"outlines": count, "areas": count - 1, **others}  # the crowd's is that of its box
    assert result.images == 8
    crowds = [int(opened(tmp_path / "v", "val").target(i).is_crowd.sum()) for i in range(8)]
    assert crowds == [1, 0, 0, 0, 0, 0, 0, 0]


def test_pictures_of_the_same_name_stay_apart(tmp_path: Path) -> None:
    yolo.write_fake(tmp_path / "y", images=2)  # 0000 and 0001 in every split, which VOC puts into one folder
    convert(tmp_path / "y", tmp_path / "v", to="voc")
    names = sorted(path.name for path in (tmp_path / "v" / "JPEGImages").iterdir())
    assert names == ["0000.jpg", "0001.jpg", "test_0000.jpg", "test_0001.jpg", "val_0000.jpg", "val_0001.jpg"]
    for split in ("train", "val", "test"):
        first, second = opened(tmp_path / "y", split), opened(tmp_path / "v", split)
        assert torch.allclose(first.target(0).boxes_xyxy, second.target(0).boxes_xyxy, atol=1e-4)
        assert torch.equal(first[0].input, second[0].input)


def test_links_share_the_file(tmp_path: Path) -> None:
    yolo.write_fake(tmp_path / "y", images=2)
    convert(tmp_path / "y", tmp_path / "c", to="coco", link=True)
    assert Path(opened(tmp_path / "c").path(0)).samefile(opened(tmp_path / "y").path(0))


def test_refusals(tmp_path: Path) -> None:
    yolo.write_fake(tmp_path / "y", images=2)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    with pytest.raises(ConversionError, match=r"full: exists already"):
        convert(tmp_path / "y", tmp_path / "full", to="coco")
    with pytest.raises(ConversionError, match="is in the format yolo already"):
        convert(tmp_path / "y", tmp_path / "t", to="yolo")
    with pytest.raises(ConversionError, match="'kitti' is no format; there are coco, voc, yolo"):
        convert(tmp_path / "y", tmp_path / "t", to="kitti")
    with pytest.raises(DatasetNotFoundError, match="no such folder"):
        convert(tmp_path / "absent", tmp_path / "t", to="coco")
    with pytest.raises(ValueError, match="'dev' is unknown"):
        convert(tmp_path / "y", tmp_path / "t", to="coco", splits=["dev"])
    voc_fake.write_fake(tmp_path / "v")
    (tmp_path / "v" / "JPEGImages" / "2012_000001.jpg").unlink()
    with pytest.raises(ImageError, match=r"2012_000001\.jpg: no such file"):
        convert(tmp_path / "v", tmp_path / "t", to="coco")
    assert not (tmp_path / "t").exists()


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    voc_fake.write_fake(tmp_path / "v")
    command = ["convert", str(tmp_path / "v"), str(tmp_path / "y"), "--to", "yolo", "--split", "val"]
    assert main(command) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "6 images" in text
    assert "left out, as yolo cannot say it: 1 crowds" in text
    assert len(opened(tmp_path / "y", "val")) == 6
    assert main(["check", str(tmp_path / "y")]) == 0


def test_relative_paths_are_those_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yolo.write_fake(tmp_path / "y")
    monkeypatch.chdir(tmp_path)
    convert(Path("y"), Path("c"), to="coco")
    assert_same(Path("y"), Path("c"), exact=0.01)
