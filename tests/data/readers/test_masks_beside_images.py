"""Masks in the folder of their images, NAME_mask.png beside NAME.jpg, as Roboflow exports them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from visus.data.check.folder import check_folder
from visus.data.errors import DatasetNotFoundError
from visus.data.readers.mask_folder import open_mask_folder
from visus.data.recognise import layout_of, open_folder
from visus.recipes import for_folder
from visus.types import VOID

LIST = "Pixel Value, Class\n0, background\n1, bead\n2, rod\n"


def pairs(folder: Path, count: int = 10, *, suffix: str = ".jpg", listing: str = LIST) -> Path:
    """Images of 4 x 6 whose masks have 2 in their right half."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (6, 4)).save(folder / f"{number}_png.rf.abc{suffix}")
        mask = Image.new("L", (6, 4))
        mask.paste(2, (3, 0, 6, 4))
        mask.save(folder / f"{number}_png.rf.abc_mask.png")
    if listing:
        (folder / "_classes.csv").write_text(listing)
    return folder


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_folders_of_splits(tmp_path: Path, suffix: str) -> None:
    for split, count in (("train", 6), ("valid", 3), ("test", 2)):
        pairs(tmp_path / split, count, suffix=suffix)
    (tmp_path / "README.roboflow.txt").write_text("x")
    assert layout_of(tmp_path) == "mask_folder"
    for split, count in (("train", 6), ("val", 3), ("test", 2)):
        data = open_folder(tmp_path, split, for_training=split == "train")
        assert len(data) == count
        assert data.schema.categories == ("background", "bead", "rod")
        assert data[0].target.labels[0].tolist() == [0, 0, 0, 2, 2, 2]
        assert Path(data.path(0)).suffix == suffix
    report = check_folder(tmp_path)
    assert report.errors == 0
    assert (report.images, report.unit) == (11, "masks")
    assert for_folder(tmp_path).model == "deeplabv3_lite0"


def test_one_folder_is_divided(tmp_path: Path) -> None:
    pairs(tmp_path)
    assert layout_of(tmp_path) == "mask_folder"
    assert [len(open_folder(tmp_path, split)) for split in ("train", "val", "test")] == [8, 1, 1]
    assert check_folder(tmp_path).errors == 0


def test_lists_of_splits_that_number_in_their_own_ways(tmp_path: Path) -> None:
    pairs(tmp_path / "train")
    pairs(tmp_path / "valid", 2, listing="Pixel Value, Class\n0, background\n2, bead\n1, rod\n")
    report = check_folder(tmp_path)
    assert report.errors == 0  # matched by name
    assert open_folder(tmp_path, "val").schema.category_ids == (0, 2, 1)
    (tmp_path / "valid" / "_classes.csv").write_text("Pixel Value, Class\n0, background\n2, stick\n")
    assert check_folder(tmp_path).counts["different categories"] == 1


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    pairs(tmp_path / "train")
    (tmp_path / "train" / "0_png.rf.abc_mask.png").unlink()
    (tmp_path / "train" / "1_png.rf.abc.jpg").unlink()
    report = check_folder(tmp_path)
    assert report.counts["missing mask"] == 1
    assert report.counts["mask without an image"] == 1
    with pytest.raises(DatasetNotFoundError, match="has no split 'val'; it has train"):
        open_mask_folder(tmp_path, "val")
    (tmp_path / "train" / "_classes.csv").unlink()
    with pytest.raises(DatasetNotFoundError, match="no mask_folder: train/ beside images looks like masks"):
        layout_of(tmp_path)


def test_void_beside_images(tmp_path: Path) -> None:
    pairs(tmp_path / "train", listing="Pixel Value, Class\n0, background\n1, bead\n2, void\n")
    assert open_mask_folder(tmp_path, "train", void="255").target(0).labels[0].tolist() == [0, 0, 0, VOID, VOID, VOID]
