"""VG150: boxes at the scale of the image, splits, attributes, and tables that do not fit together."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import pytest

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.readers.vg150 import check_vg150, open_vg150, recognise_vg150, write_fake
from visus.errors import VisusError

H5 = "VG-SGG-with-attri.h5"


def changed(root: Path, name: str, place: Any, value: int) -> None:
    write_fake(root)
    with h5py.File(root / H5, "r+") as file:
        file[name][place] = value


def test_boxes_attributes_and_relationships_are_those_that_were_written(tmp_path: Path) -> None:
    write_fake(tmp_path)
    dataset = open_vg150(tmp_path, "train")
    assert [len(open_vg150(tmp_path, split)) for split in ("train", "val", "test")] == [5, 1, 3]
    assert dataset.schema.categories == ("circle", "square", "triangle")
    assert dataset.schema.attributes == ("tall", "small")
    for index in range(len(dataset)):
        target = dataset[index].target
        assert target.size == (64, 160)
        assert target.relationships.tolist() == [[0, 0, 1], [1, 1, 0]]
        assert target.boxes_xyxy[0, 2] <= 81
        assert target.boxes_xyxy[1, 0] >= 79
        tall = (target.boxes_xyxy[:, 3] - target.boxes_xyxy[:, 1]) > 32.5
        assert target.attributes.any(1).all()
        assert target.attributes[tall, 0].all()
    with h5py.File(tmp_path / H5) as file:
        x, y, width, height = (value * 160 / 1024 for value in file["boxes_1024"][2].tolist())
    expected = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    assert dataset[0].target.boxes_xyxy[0].tolist() == pytest.approx(expected, abs=1e-3)


def test_the_h5_without_attributes_is_read(tmp_path: Path) -> None:
    write_fake(tmp_path)
    (tmp_path / H5).rename(tmp_path / "VG-SGG.h5")
    assert recognise_vg150(tmp_path)
    dataset = open_vg150(tmp_path, "test")
    assert dataset.schema.attributes == ()
    assert dataset[0].target.attributes is None


@pytest.mark.parametrize(
    ("name", "place", "value", "message"),
    [
        ("labels", (0, 0), 9, "image 1: labels leave the range of 3"),
        ("predicates", (4, 0), 0, "image 3: predicates leave the range of 2"),
        ("relationships", (0, 1), 7, "image 1: relationships leave the range of 2"),
        ("boxes_1024", (0, 2), 0, "image 1: a box has no area"),
        ("attributes", (0, 0), 5, "image 1: attributes leave the range of 3"),
        ("img_to_last_box", 0, 99, "img_to_last_box leaves the table of 18"),
    ],
)
def test_tables_that_do_not_fit_are_named(name: str, place: Any, value: int, message: str, tmp_path: Path) -> None:
    changed(tmp_path, name, place, value)
    split = "val" if "image 1" in message else "train"
    with pytest.raises(AnnotationError, match=message):
        open_vg150(tmp_path, split)
    assert check_vg150(tmp_path).errors == 1


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    write_fake(tmp_path)
    (tmp_path / "image_data.json").write_text(json.dumps([{"image_id": 1}]))
    with pytest.raises(AnnotationError, match=r"image_data\.json: entry 0 needs image_id, width and height"):
        open_vg150(tmp_path, "train")
    (tmp_path / H5).unlink()
    with pytest.raises(DatasetNotFoundError, match=r"VG-SGG\.h5: no such file"):
        open_vg150(tmp_path, "train")


def test_without_h5py_the_line_that_installs_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fake(tmp_path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(VisusError, match=r"pip install 'visus\[h5\]'"):
        open_vg150(tmp_path, "train")
