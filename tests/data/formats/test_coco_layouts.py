from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from visus.data.errors import DatasetNotFoundError
from visus.data.formats.coco_layouts import all_coco, find_coco
from visus.data.readers.coco import open_coco


def annotation_file(path: Path, images: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [{"id": i, "file_name": f"{i}.jpg", "height": 4, "width": 4} for i in range(images)]
    path.write_text(json.dumps({"images": records, "annotations": [], "categories": [{"id": 1, "name": "a"}]}))
    return path


@pytest.mark.parametrize("pictures", ["train2017", "images/train2017", "train", "images/train", "images"])
def test_official(tmp_path: Path, pictures: str) -> None:
    file = annotation_file(tmp_path / "annotations" / "instances_train2017.json")
    (tmp_path / pictures).mkdir(parents=True)
    found = find_coco(tmp_path, "train")
    assert (found.annotations, found.images, found.image_ids) == (file, tmp_path / pictures, None)


def test_keypoints_are_used_where_wanted_or_alone(tmp_path: Path) -> None:
    people = annotation_file(tmp_path / "annotations" / "person_keypoints_val2017.json")
    (tmp_path / "val2017").mkdir()
    assert find_coco(tmp_path, "val").annotations == people
    things = annotation_file(tmp_path / "annotations" / "instances_val2017.json")
    assert find_coco(tmp_path, "val").annotations == things
    assert find_coco(tmp_path, "val", keypoints=True).annotations == people
    assert {found.annotations for found in all_coco(tmp_path)} == {people, things}


@pytest.mark.parametrize(("split", "folder"), [("train", "train"), ("val", "valid"), ("val", "val"), ("test", "test")])
def test_beside_the_pictures(tmp_path: Path, split: str, folder: str) -> None:
    file = annotation_file(tmp_path / folder / "_annotations.coco.json")
    found = find_coco(tmp_path, split)
    assert (found.annotations, found.images) == (file, tmp_path / folder)


@pytest.mark.parametrize("count", [3, 10, 57])
def test_one_file_is_divided_the_same_way_every_time(tmp_path: Path, count: int) -> None:
    annotation_file(tmp_path / "annotations.json", images=count)
    (tmp_path / "images").mkdir()
    parts = [set(find_coco(tmp_path, split).image_ids or ()) for split in ("train", "val", "test")]
    assert [set(find_coco(tmp_path, split).image_ids or ()) for split in ("train", "val", "test")] == parts
    assert set.union(*parts) == set(range(count))
    assert sum(map(len, parts)) == count
    assert len(parts[1]) == len(parts[2]) == max(1, round(count / 10))


def test_division_reaches_the_reader(tmp_path: Path) -> None:
    annotation_file(tmp_path / "annotations.json", images=20)
    sizes = [len(open_coco(tmp_path, split)) for split in ("train", "val", "test")]
    assert sizes == [16, 2, 2]


def test_what_was_looked_for_is_listed(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"(?s)instances_train.*_annotations\.coco\.json.*annotations\.json"):
        find_coco(tmp_path, "train")
    annotation_file(tmp_path / "annotations" / "instances_train2017.json")
    with pytest.raises(DatasetNotFoundError, match=r"no folder of its images.*train2017"):
        find_coco(tmp_path, "train")
    with pytest.raises(ValueError, match="'dev' is unknown; the splits are train, val, test"):
        find_coco(tmp_path, "dev")
    with pytest.raises(DatasetNotFoundError, match="no such folder"):
        find_coco(tmp_path / "none", "train")


def test_every_file_of_the_fake_is_found(fake_coco: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(fake_coco, root)
    assert len(all_coco(root)) == 6
    assert all(found.images.is_dir() for found in all_coco(root))
