"""Masks that people make: painted with 0 and 255, with lists and colours of their own, in folders of other names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visus.cli.data import main as data_command
from visus.data.check.folder import check_folder
from visus.data.datasets import DATASETS
from visus.data.errors import AnnotationError
from visus.data.readers.mask_folder import open_mask_folder
from visus.data.readers.voc_semantic import open_voc_semantic
from visus.data.recognise import layout_of, open_folder
from visus.errors import VisusError
from visus.recipes import for_folder
from visus.runs.feed import open_split
from visus.training.recipe import DataRecipe, Recipe, RecipeError
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


def test_255_as_the_second_class_may_be_said(tmp_path: Path) -> None:
    root = painted(tmp_path, 255)
    (root / "classes.txt").write_text("background\nbead\n")
    said = DATASETS["mask_folder"].with_void("none")
    assert said.open(root, "train").schema.categories == ("background", "bead")
    assert [int(label) for label in said.open(root, "val")[0].target.labels[0, [0, 5]]] == [0, 1]
    assert check_folder(root, void="none").errors == 0
    recipe = for_folder(root, void="none")
    assert (recipe.data.dataset, recipe.data.void) == ("mask_folder", "none")
    assert int(open_split(recipe, "train")[0].target.labels[0, 5]) == 1
    assert int(open_split(Recipe.from_json(recipe.to_json()), "val")[0].target.labels[0, 5]) == 1
    assert int(open_split(for_folder(root, void="255"), "train")[0].target.labels[0, 5]) == VOID
    assert check_folder(root, void="255").errors == 0
    for void, code in (("none", 0), ("auto", 1)):
        assert data_command(["check", str(root), "--void", void]) == code
    data_command(["show", str(root), "--out", str(tmp_path / "drawn"), "--void", "none", "--count", "1"])
    with Image.open(tmp_path / "drawn" / "000000_0.png") as drawn:
        assert drawn.getpixel((0, 0)) != drawn.getpixel((drawn.width - 1, 0))


def test_16_bits_of_65535_are_the_second_class_too(tmp_path: Path) -> None:
    root = painted(tmp_path, 65535, mode="I;16")
    (root / "classes.txt").write_text("background\nbead\n")
    with pytest.raises(AnnotationError, match=r"no pixel is 'bead', but some pixels are 255"):
        open_mask_folder(root, "train")
    assert int(open_mask_folder(root, "train", void="none").target(0).labels[0, 5]) == 1


@pytest.mark.parametrize("names", ["background\nbead\nrod\n", "background\na\nb\nc\nd\ne\nf\ng\n"])
def test_255_for_one_of_several_classes_is_an_error_that_names_the_cure(tmp_path: Path, names: str) -> None:
    root = painted(tmp_path, 255)
    (root / "classes.txt").write_text(names)
    with pytest.raises(AnnotationError, match=r"no pixel is '.*', but .* are 255.*classes\.csv.*--data\.void 255"):
        open_mask_folder(root, "train")
    assert check_folder(root).errors == 1
    assert open_mask_folder(root, "train", void="255").target(0).labels[0].tolist() == [0, 0, 0, VOID, VOID, VOID]
    with pytest.raises(AnnotationError, match=r"hold the class ids 255, which no class has; allowed are 0-"):
        open_mask_folder(root, "train", void="none").target(0)
    listed = "".join(f"{name},{255 if place == 1 else 10 * place}\n" for place, name in enumerate(names.split()))
    (root / "classes.csv").write_text(f"name,id\n{listed}")
    assert halves(root) == [0, 1]


def test_a_class_in_one_mask_makes_255_void(tmp_path: Path) -> None:
    root = painted(tmp_path, 255)
    (root / "classes.txt").write_text("background\nbead\nrod\n")
    train = open_mask_folder(root, "train", void="255")
    other = np.array([[0, 2, 255]], dtype=np.uint8).repeat(4, 0).repeat(2, 1)
    Image.fromarray(other).save(train.mask_path(5))
    assert len(open_mask_folder(root, "train")) == 8


def test_void_is_only_asked_of_masks_of_classes() -> None:
    for name in ("coco", "camvid"):
        with pytest.raises(VisusError, match="says what 255 means in masks of classes, which this data has not"):
            DATASETS[name].with_void("none")
    with pytest.raises(RecipeError, match=r"data\.void must be one of auto, 255, none, not 'maybe'"):
        DataRecipe(void="maybe")  # type: ignore[arg-type]


def test_voc_masks_of_0_and_255_may_be_said(tmp_path: Path) -> None:
    root = painted(tmp_path, 255, images="JPEGImages", masks="SegmentationClass")
    (root / "classes.txt").write_text("bead\n")
    assert int(open_voc_semantic(root, "train", void="none").target(0).labels[0, 5]) == 1
    assert check_folder(root, void="none").errors == 0
    (root / "classes.txt").unlink()
    with pytest.raises(AnnotationError, match=r"no pixel is 'aeroplane' or 'bicycle' .*, but some pixels are 255"):
        open_voc_semantic(root, "train")


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
