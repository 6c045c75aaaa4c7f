"""Tables of labelled pictures: columns, splits, one class or many objects, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.feed.loader import SampleDataset
from visus.data.readers.csv import check_csv, open_csv, write_fake
from visus.data.recognise import layout_of
from visus.data.records.labelled import LabelledImages
from visus.data.records.table import TableOfObjects


def table(folder: Path, text: str, name: str = "labels.csv", *, images: str = "") -> Path:
    """Writes a table, and images of 20 x 30 for the names that it may use."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / images).mkdir(exist_ok=True)
    for letter in "abcdefghij":
        Image.new("RGB", (30, 20)).save(folder / images / f"{letter}.png")
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_fake(tmp_path: Path) -> None:
    write_fake(tmp_path / "boxes")
    data = open_csv(tmp_path / "boxes", "train", for_training=True)
    assert isinstance(data, LabelledImages)
    assert isinstance(data, SampleDataset)
    assert data.labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    sample = data[4]
    left, top, right, bottom = sample.target.box_xyxy.int().tolist()
    inside, outside = sample.input[:, top:bottom, left:right].float(), sample.input.float()
    assert inside.mean() < outside.mean() - 20
    assert sample.target.size == (64, 80)
    write_fake(tmp_path / "plain", boxes=False)
    assert open_csv(tmp_path / "plain", "val")[0].target.box_xyxy is None


def test_several_rows_make_objects(tmp_path: Path) -> None:
    text = "FileName;Class;X Min;Y_min;xmax;ymax\na.png;dog;1;2;11;12\nb.png;;;;;\na.png;cat;5;5;40;18.5\n"
    data = open_csv(table(tmp_path, text, images="images") / "labels.csv", "train")
    assert isinstance(data, TableOfObjects)
    assert isinstance(data, SampleDataset)
    assert data.schema.categories == ("cat", "dog")
    both, none = data[0].target, data.target(1)
    assert both.labels.tolist() == [1, 0]
    assert both.boxes_xyxy.tolist() == [[1, 2, 11, 12], [5, 5, 30, 18.5]]
    assert both.areas.tolist() == [100, 25 * 13.5]
    assert (len(none), none.size, none.image_id) == (0, (20, 30), 1)
    assert data.path(0) == str(tmp_path / "images" / "a.png")
    with pytest.raises(IndexError, match="2 of 2"):
        data.size(2)


def test_one_table_can_be_read_both_ways(tmp_path: Path) -> None:
    text = "image,label,x1,y1,x2,y2,split\na.png,dog,1,2,3,4,train\nb.png,cat,,,,,train\n"
    table(tmp_path, text)
    data = open_csv(tmp_path, "train")
    assert [data[i].target.box_xyxy is None for i in range(2)] == [False, True]
    with pytest.raises(AnnotationError, match=r"line 3 has no box, which a table of objects needs \(b\.png\)"):
        open_csv(tmp_path, "train", kind="objects")
    text = "image,label,x1,y1,x2,y2\na.png,dog,1,2,3,4\n" + "a.png,dog,1,2,3,4\n"
    with pytest.raises(AnnotationError, match=r"line 3: one class of each image"):
        open_csv(table(tmp_path, text), "train", kind="classes")


def test_splits_by_column_by_file_and_divided(tmp_path: Path) -> None:
    letters = "abcdefghij"
    column = "image,label,set\n" + "".join(
        f"{c}.png,{i},{'Validation' if i > 7 else 'training'}\n" for i, c in enumerate(letters)
    )
    by_column = table(tmp_path / "column", column)
    assert open_csv(by_column, "val").labels.tolist() == [8, 9]
    with pytest.raises(DatasetNotFoundError, match="'test'; it has train, val"):
        open_csv(by_column, "test")
    by_file = table(tmp_path / "file", "image,label\na.png,owl\n", "my_train.csv")
    table(by_file, "image,label\nb.png,cat\n", "val.csv")
    assert open_csv(by_file, "train").labels.tolist() == [1]
    assert open_csv(by_file, "val").schema.categories == ("cat", "owl")
    with pytest.raises(DatasetNotFoundError, match="no table for the split 'test'"):
        open_csv(by_file, "test")
    whole = table(tmp_path / "whole", "image,label\n" + "".join(f"{c}.png,x\n" for c in letters))
    parts = {split: open_csv(whole, split) for split in ("train", "val", "test")}
    assert [len(part) for part in parts.values()] == [8, 1, 1]
    assert len({part.path(i) for part in parts.values() for i in range(len(part))}) == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("image,colour\na.png,red\n", "no column called label or class.*it has image, colour"),
        ("picture,label\n", "no column called image or filename"),
        ("image,label,x1,y1\n", "x2, y2 is missing"),
        ("image,label,x1,y1,x2,y2\na.png,,,,,\n", "no row has a label"),
        ("image,label\na.png\n", "line 2 has 1 cells, 2 are needed"),
        ("image,label\n,cat\n", "line 2 names no image"),
        ("image,label\na.png,cat\nb.png,\n", "line 3 has no label"),
        ("image,label,x1,y1,x2,y2\na.png,cat,1,2,x,4\n", "line 2 has the box .*four numbers"),
        ("image,label,x1,y1,x2,y2\na.png,cat,1,2,nan,4\n", "line 2 has the box .*above"),
        ("image,label,x1,y1,x2,y2\na.png,cat,5,2,5,4\n", "line 2 has the box .*above"),
        ("image,label,split\na.png,cat,dev\n", "line 2 has the split 'dev'; known are train"),
        ("image,label,split\na.png,cat,train\nb.png,cat,\n", "line 3 has no split"),
        ("image,label,split\na.png,cat,train\na.png,cat,val\n", "line 3 has a.png in a second split"),
        ("image,label\na.png,cat\na.png,dog\n", "line 2 has no box, which an image with several rows needs"),
        ("image,label,x1,y1,x2,y2\na.png,cat,1,1,2,2\na.png,,,,,\n", "line 3 has no label, but a.png has other rows"),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=rf"labels\.csv: .*{message}"):
        open_csv(table(tmp_path, text), "train")


def test_boxes_outside_and_missing_tables(tmp_path: Path) -> None:
    data = open_csv(table(tmp_path, "image,label,x1,y1,x2,y2\na.png,cat,31,0,40,9\n"), "train")
    with pytest.raises(AnnotationError, match=r"a\.png: the box \[31\.0, 0\.0, 40\.0, 9\.0\] lies outside"):
        data[0]
    with pytest.raises(DatasetNotFoundError, match="no CSV file"):
        open_csv(tmp_path / "nowhere", "train")
    with pytest.raises(DatasetNotFoundError, match="no row"):
        open_csv(table(tmp_path / "no_rows", "image,label\n"), "train")
    table(tmp_path, "image,label\n", "other.csv")
    with pytest.raises(DatasetNotFoundError, match=r"which of labels\.csv, other\.csv"):
        open_csv(tmp_path, "train")


def test_boxes_in_fractions(tmp_path: Path) -> None:
    """As Open Images has them; the images are 20 x 30."""
    text = "ImageID,XMin,XMax,YMin,YMax,LabelName,label\n" + "".join(
        f"{c},0.1,0.5,0.25,1.0,/m/1,cat\n{c},0,1,0,1,/m/2,dog\n" for c in "abcdefghij"
    )
    data = open_csv(table(tmp_path, text), "train")
    assert isinstance(data, TableOfObjects)
    assert torch.allclose(data.target(0).boxes_xyxy, torch.tensor([[3.0, 5, 15, 20], [0, 0, 30, 20]]))
    assert check_csv(tmp_path).errors == 0
    single = "image,label,x1,y1,x2,y2\n" + "".join(f"{c}.png,cat,0.1,0.25,0.5,1\n" for c in "abcdefghij")
    labelled = open_csv(table(tmp_path / "single", single), "train")
    assert isinstance(labelled, LabelledImages)
    box = labelled.target(0).box_xyxy
    assert box is not None
    assert torch.allclose(box, torch.tensor([3.0, 5, 15, 20]))
    mixed = "image,label,x1,y1,x2,y2\na.png,cat,0.1,0.2,0.5,0.5\nb.png,cat,1,2,9,9\n"
    with pytest.raises(AnnotationError, match=r"line 2 has the box .* in fractions of the image, others are in pixels"):
        open_csv(table(tmp_path / "mixed", mixed), "train")
    pixels = "image,label,x1,y1,x2,y2\na.png,cat,0,0,1,1\na.png,cat,1,2,9,9\n"
    data = open_csv(table(tmp_path / "pixels", pixels), "train")
    assert isinstance(data, TableOfObjects)
    assert data.target(0).boxes_xyxy[0].tolist() == [0, 0, 1, 1]


def test_tables_in_the_folders_of_splits_and_names_without_endings(tmp_path: Path) -> None:
    table(tmp_path / "train", "filename,class\na,owl\nb,cat\n", "_annotations.csv")
    table(tmp_path / "valid", "filename,class\nc.png,cat\n", "_annotations.csv")
    with pytest.warns(UserWarning, match="2 images are not where it says and were found by their names"):
        train = open_csv(tmp_path, "train")
    assert [Path(train.path(i)).name for i in range(2)] == ["a.png", "b.png"]
    assert open_csv(tmp_path, "val").path(0) == str(tmp_path / "valid" / "c.png")
    assert layout_of(tmp_path) == "csv"
    with pytest.raises(DatasetNotFoundError, match="has no split 'test'; it has train, val"):
        open_csv(tmp_path, "test")


@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_tables_as_windows_writes_them(tmp_path: Path, code: str) -> None:
    table(tmp_path, "")
    mark = "\ufeff" if code == "utf-16-le" else ""
    (tmp_path / "labels.csv").write_bytes(f"{mark}image\tlabel\r\na.png\t犬\r\nb.png\towl\r\n".encode(code))
    assert layout_of(tmp_path) == "csv"
    assert open_csv(tmp_path, "train").schema.categories == ("owl", "犬")


def test_a_table_of_something_else_is_left_alone(tmp_path: Path) -> None:
    table(tmp_path, "image,label\na.png,owl\n")
    (tmp_path / "results.csv").write_text("epoch,loss\n1,2\n")
    assert open_csv(tmp_path, "train").schema.categories == ("owl",)
