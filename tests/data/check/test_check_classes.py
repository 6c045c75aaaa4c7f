"""The checks of folders of classes and of tables find what is wrong, and nothing in what is right."""

from __future__ import annotations

from pathlib import Path

from visus.data.readers import csv, image_folder
from visus.data.readers.csv import check_csv
from visus.data.readers.image_folder import check_image_folder


def test_good_data_has_no_problem(tmp_path: Path) -> None:
    image_folder.write_fake(tmp_path / "folder")
    report = check_image_folder(tmp_path / "folder")
    assert (report.problems, report.images, report.objects) == ((), 36, 36)
    csv.write_fake(tmp_path / "table")
    report = check_csv(tmp_path / "table", decode=False)
    assert (report.problems, report.images, report.objects) == ((), 10, 10)


def test_bad_folders(tmp_path: Path) -> None:
    assert check_image_folder(tmp_path / "none").counts == {"no data set": 1}
    assert check_image_folder(tmp_path).counts == {"empty data set": 1}
    image_folder.write_fake(tmp_path, images=3)
    (tmp_path / "train" / "circle" / "000.jpg").write_bytes(b"")
    (tmp_path / "train" / "circle" / "001.jpg").write_bytes(b"\xff\xd8\xff no image")
    (tmp_path / "train" / "square" / "000.jpg").unlink()
    (tmp_path / "val" / "owl").mkdir()
    report = check_image_folder(tmp_path)
    assert report.counts == {"empty class": 3, "small class": 1, "empty image file": 1, "corrupt image": 1}
    assert report.errors == 5
    assert any(problem.file.endswith("circle/001.jpg") for problem in report.problems)


def test_bad_tables(tmp_path: Path) -> None:
    assert check_csv(tmp_path).counts == {"no data set": 1}
    csv.write_fake(tmp_path)
    table = tmp_path / "labels.csv"
    good = table.read_text()
    rows = ["000.jpg,cat,90,0,99,9,train", "001.jpg,cat,-5,0,9,9,train", "gone.jpg,cat,0,0,9,9,train"]
    table.write_text(good + "\n".join([*rows, rows[1]]) + "\n")
    counts = check_csv(tmp_path).counts
    assert counts == {
        "duplicate row": 1,
        "missing image": 1,
        "box outside the image": 1,
        "box reaches over the border": 2,
    }
    table.write_text("image,label\n")
    assert check_csv(tmp_path).counts == {"empty data set": 1}
    table.write_text("a,b\n")
    assert "no column called" in check_csv(table).problems[0].message
