"""The checks of retrieval's data sets find every bad line, image and class at once, and raise nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from visus.data.check.folder import check_folder
from visus.data.readers import cars196, class_folder, coil20, cub200, in_shop, mask_folder, orl_faces, sop


def test_products(tmp_path: Path) -> None:
    sop.write_fake(tmp_path)
    listing = tmp_path / "Ebay_train.txt"
    lines = listing.read_text().splitlines()
    lines[3:3] = ["", "7 8", "x six 1 chair_final/a.jpg"]
    lines += [lines[1], "99 77 1 chair_final/gone.jpg", "100 12 1 chair_final/00001_1.jpg"]
    listing.write_text("\n".join(lines))
    (tmp_path / "lamp_final" / "00001_0.jpg").write_bytes(b"\xff\xd8\xff no image")
    report = check_folder(tmp_path)
    assert report.counts == {
        "malformed line": 2,
        "class with one image": 2,
        "missing image": 2,
        "class in both lists": 1,
        "duplicate image": 1,
        "corrupt image": 1,
    }
    bad = [problem for problem in report.problems if problem.kind == "malformed line"]
    assert {problem.file for problem in bad} == {str(listing)}
    assert [problem.message.split(":")[0] for problem in bad] == ["line 5", "line 6"]  # the blank line counts
    assert "class_id must be a whole number, not 'six'" in bad[1].message
    listing.unlink()
    assert check_folder(tmp_path).counts == {"missing list": 1}
    listing.write_text(lines[0])
    assert check_folder(tmp_path).counts == {"empty data set": 1}
    listing.write_bytes(b"\xff\xff\xff")
    assert check_folder(tmp_path).counts == {"unusable list": 1}


def test_birds(tmp_path: Path) -> None:
    cub200.write_fake(tmp_path, classes=4, views=2)
    with (tmp_path / "image_class_labels.txt").open("a") as file:
        file.write("3 1\nfour 1\n9\n")
    (tmp_path / "bounding_boxes.txt").write_text(
        "1 0 0 5 5\n2 40 40 50 50\n3 60 60 5 5\n4 1 1 0 4\n5 1 nan 3 4\n6 1 1 x 4\n"
    )
    (tmp_path / "classes.txt").write_text("one bird\n")
    report = check_folder(tmp_path)
    assert report.counts == {
        "malformed line": 10,  # three of the classes, two boxes, four images without box, one name
        "degenerate box": 1,
        "box outside the image": 1,
        "box reaches over the border": 1,
        "class with one image": 1,
    }
    assert any("a line before this one has the number 3" in problem.message for problem in report.problems)


def test_cars(tmp_path: Path) -> None:
    cars196.write_fake(tmp_path, classes=4, views=2)
    (tmp_path / "car_ims" / "000001.jpg").unlink()
    assert check_folder(tmp_path).counts == {"missing image": 1}
    (tmp_path / "cars_annos.mat").write_bytes(b"")
    assert check_folder(tmp_path).counts == {"unusable list": 1}


def test_clothes(tmp_path: Path) -> None:
    in_shop.write_fake(tmp_path, classes=6, views=4)
    listing = tmp_path / "Eval" / "list_eval_partition.txt"
    lines = listing.read_text().splitlines()
    lines = [line for line in lines if "id_00000006 gallery" not in line]
    lines += [lines[2].replace(" train", " galery"), lines[3].replace(" train", " query")]
    listing.write_text("\n".join(lines))
    report = check_folder(tmp_path)
    assert report.counts == {
        "malformed line": 1,
        "query without gallery": 2,
        "class in both parts": 1,
        "class with one image": 1,
        "duplicate image": 1,
    }
    assert f"line {len(lines) - 1}: " in report.problems[0].message


def test_sets_without_lists(tmp_path: Path) -> None:
    coil20.write_fake(tmp_path / "coil", classes=3, views=2)
    (tmp_path / "coil" / "obj1__0.png").unlink()
    (tmp_path / "coil" / "obj2__0.png").write_bytes(b"")
    assert check_folder(tmp_path / "coil").counts == {"class with one image": 1, "empty image file": 1}
    orl_faces.write_fake(tmp_path / "orl", classes=1, views=3)
    assert check_folder(tmp_path / "orl").counts == {"single class": 1}
    class_folder.write_fake(tmp_path / "plain", classes=2, views=2)
    (tmp_path / "plain" / "empty").mkdir()
    assert check_folder(tmp_path / "plain", dataset="class_folder").counts == {"empty class": 1}
    assert check_folder(tmp_path / "plain" / "empty", dataset="class_folder").counts == {"missing list": 1}
    assert check_folder(tmp_path / "none", dataset="sop").counts == {"missing list": 2}


def test_masks_whose_image_is_gone(tmp_path: Path) -> None:
    mask_folder.write_fake(tmp_path)
    (tmp_path / "images" / "val" / "0001.jpg").unlink()
    report = check_folder(tmp_path)
    assert report.counts == {"mask without an image": 1}
    assert report.unit == "masks"
    assert report.problems[0].file == str(tmp_path / "masks" / "val" / "0001")


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"1 2 3 4 5 6\n" * 3, bytes(range(256))])
@pytest.mark.parametrize("name", ["Ebay_test.txt", "images.txt", "list_eval_partition.txt", "cars_annos.mat"])
def test_noise_is_reported(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    if name == "images.txt":
        (tmp_path / "image_class_labels.txt").write_bytes(data)
    assert check_folder(tmp_path).errors > 0
    generator = np.random.default_rng(0)
    (tmp_path / name).write_bytes(generator.integers(0, 256, 999, dtype=np.uint8).tobytes())
    assert check_folder(tmp_path).errors > 0
