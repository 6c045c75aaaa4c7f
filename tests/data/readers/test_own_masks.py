"""Masks that people make: painted with 0 and 255, with lists and colours of their own, in folders of other names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visus.data.check.folder import check_folder
from visus.data.errors import AnnotationError
from visus.data.readers.mask_folder import open_mask_folder
from visus.data.readers.voc_semantic import open_voc_semantic
from visus.data.recognise import layout_of, open_folder
from visus.types import VOID

COUNT = 10


def painted(root: Path, value: object, *, images: str = "images", masks: str = "masks", mode: str = "L") -> Path:
    """Ten images of 4 x 6 whose masks have ``value`` in their right half."""
    for folder in (images, masks):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number in range(COUNT):
        Image.new("RGB", (6, 4)).save(root / images / f"{number}.png")
        mask = Image.new(mode, (6, 4))
        mask.paste(value, (3, 0, 6, 4))  # type: ignore[arg-type]
        mask.save(root / masks / f"{number}.png")
    return root


def halves(root: Path, split: str = "train") -> list[int]:
    """The labels of the left and of the right half of the first mask."""
    labels = open_folder(root, split, for_training=True)[0].target.labels
    return [int(labels[0, 0]), int(labels[0, 5])]


def test_255_as_the_second_class_is_an_error_that_names_the_cure(tmp_path: Path) -> None:
    root = painted(tmp_path, 255)
    (root / "classes.txt").write_text("background\nbead\n")
    for split in ("train", "val", "test"):
        with pytest.raises(AnnotationError, match=r"no pixel is 'bead', but some pixels are 255.*`bead,255`"):
            open_mask_folder(root, split)
    report = check_folder(root)
    assert report.errors == 1
    assert "`bead,255`" in report.problems[0].message
    (root / "classes.csv").write_text("name,id\nbackground,0\nbead,255\n")
    assert halves(root) == [0, 1]
    assert open_mask_folder(root, "train").schema.category_ids == (0, 255)
    assert check_folder(root).errors == 0


def test_one_class_alone_and_255(tmp_path: Path) -> None:
    root = painted(tmp_path, 255)
    (root / "classes.txt").write_text("bead\n")
    with pytest.raises(AnnotationError, match="there is one class, but some pixels are 255"):
        open_mask_folder(root, "train")


def test_grey_colours_are_numbers_too(tmp_path: Path) -> None:
    root = painted(tmp_path, 255)
    (root / "classes.txt").write_text("background 0 0 0\nbead 255 255 255\n")
    assert halves(root) == [0, 1]
    painted(root, 1)
    assert halves(root) == [0, 1]
    painted(root, (255, 255, 255), mode="RGB")
    assert halves(root) == [0, 1]


def test_void_beside_the_second_class_is_void(tmp_path: Path) -> None:
    root = painted(tmp_path, 255)
    (root / "classes.txt").write_text("background\nbead\n")
    last = np.array([[0, 1, 255]], dtype=np.uint8).repeat(4, 0).repeat(2, 1)
    for number in range(COUNT):
        Image.fromarray(last).save(root / "masks" / f"{number}.png")
    assert open_mask_folder(root, "train").target(0).labels[0].tolist() == [0, 0, 1, 1, VOID, VOID]
    assert check_folder(root).errors == 0


@pytest.mark.parametrize("masks", ["masks", "labels", "annotations", "gt", "mask"])
@pytest.mark.parametrize("images", ["images", "data"])
def test_other_names_of_the_folders(tmp_path: Path, images: str, masks: str) -> None:
    root = painted(tmp_path, 1, images=images, masks=masks)
    (root / "classes.txt").write_text("background\nbead\n")
    assert layout_of(root) == "mask_folder"
    assert [len(open_folder(root, split)) for split in ("train", "val", "test")] == [8, 1, 1]
    assert halves(root) == [0, 1]
    assert check_folder(root).errors == 0


def test_splits_in_folders_of_other_names(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        painted(tmp_path, 1, images=f"images/{split}", masks=f"labels/{split}")
    (tmp_path / "labels.txt").write_text("background\nbead\n")
    assert layout_of(tmp_path) == "mask_folder"
    assert [len(open_folder(tmp_path, split)) for split in ("train", "val")] == [10, 10]


@pytest.mark.parametrize(
    ("name", "text", "categories"),
    [
        ("class_names.txt", "_background_\nbead\n", ("_background_", "bead")),
        ("classes.txt", "bead\n", ("background", "bead")),
        ("labels.txt", "__ignore__\n_background_\nbead\n", ("_background_", "bead")),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\nbead:9,8,7::\n", ("background", "bead")),
    ],
)
def test_own_voc_masks_have_their_own_names(tmp_path: Path, name: str, text: str, categories: tuple[str, ...]) -> None:
    root = painted(tmp_path, 1, images="JPEGImages", masks="SegmentationClass")
    (root / name).write_text(text)
    assert layout_of(root) == "voc_semantic"
    assert open_voc_semantic(root, "train").schema.categories == categories
    assert halves(root) == [0, 1]
    assert check_folder(root).errors == 0


def test_images_and_masks_may_differ_in_capitals_and_in_the_form_of_accents(tmp_path: Path) -> None:
    root = painted(tmp_path, 1)
    (root / "classes.txt").write_text("background\nbead\n")
    (root / "train.txt").write_text("images\\M\u00dcSLI.png\n1.png\n")
    (root / "images" / "0.png").rename(root / "images" / "M\u00fcsli.PNG")
    (root / "masks" / "0.png").rename(root / "masks" / "Mu\u0308sli.png")
    assert len(open_folder(root, "train")) == 2
    assert halves(root) == [0, 1]


def test_own_colours_of_voc_masks(tmp_path: Path) -> None:
    root = painted(tmp_path, (250, 50, 83), images="JPEGImages", masks="SegmentationClass", mode="RGB")
    (root / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nbackground:0,0,0::\nbead:250,50,83::\n")
    assert halves(root) == [0, 1]
    assert open_voc_semantic(root, "train").schema.colours == ((0, 0, 0), (250, 50, 83))


def test_voc_masks_of_0_and_255(tmp_path: Path) -> None:
    root = painted(tmp_path, 255, images="JPEGImages", masks="SegmentationClass")
    (root / "classes.txt").write_text("background\nbead\n")
    with pytest.raises(AnnotationError, match=r"no pixel is 'bead', but some pixels are 255"):
        open_voc_semantic(root, "train")
    (root / "classes.txt").unlink()
    (root / "classes.csv").write_text("name,id\nbackground,0\nbead,255\n")
    assert halves(root) == [0, 1]
