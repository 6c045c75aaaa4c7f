"""Data sets for metric learning: real layouts read, no class in two splits, folds, and errors that name the place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.feed.class_batches import class_batches
from visus.data.feed.loader import SampleDataset
from visus.data.files.images import read_image
from visus.data.readers import cars196, class_folder, coil20, cub200, in_shop, orl_faces, sop
from visus.data.records.class_splits import ClassSubset, class_fold
from visus.data.records.image_records import ImageRecord, ListedImages, images_of
from visus.types import ClassTarget

REAL = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"
SETS: dict[ModuleType, Callable[..., object]] = {
    cars196: cars196.open_cars196,
    class_folder: class_folder.open_class_folder,
    coil20: coil20.open_coil20,
    cub200: cub200.open_cub200,
    in_shop: in_shop.open_in_shop,
    orl_faces: orl_faces.open_orl_faces,
    sop: sop.open_sop,
}


def _names(module: ModuleType) -> str:
    return module.__name__.rsplit(".", 1)[1]


@pytest.fixture(params=SETS, ids=_names)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return request.param


def test_a_miniature_in_the_real_layout_is_read_back(module: ModuleType, tmp_path: Path) -> None:
    module.write_fake(tmp_path, classes=6, views=4)
    train, test = (SETS[module](tmp_path, split, for_training=False) for split in ("train", "test"))
    for part in (train, test):
        assert isinstance(part, SampleDataset)
        assert len(part) == 12
        assert part.labels.bincount().tolist() == [4, 4, 4]
        assert part.schema.num_classes == 3
        for index in (0, 5, -1):
            sample = part[index]
            assert isinstance(sample.target, ClassTarget)
            assert sample.target.label == part.labels[index]
            assert sample.target.size == part.size(index) == tuple(sample.input.shape[1:])
            assert sample.target.image_id == index % 12
            assert sample.path == part.path(index)
        with pytest.raises(IndexError):
            part[12]
    assert not set(train.schema.category_ids) & set(test.schema.category_ids)
    assert not {train.path(i) for i in range(12)} & {test.path(i) for i in range(12)}


def test_val_is_test_and_folds_divide_the_classes_of_train(module: ModuleType, tmp_path: Path) -> None:
    module.write_fake(tmp_path, classes=8, views=2)
    read = SETS[module]
    assert read(tmp_path, "val").path(0) == read(tmp_path, "test").path(0)
    whole = set(read(tmp_path, "train").schema.category_ids)
    held: list[int] = []
    for fold in range(4):
        fit, val = (read(tmp_path, f"{part}:fold{fold}of4") for part in ("train", "val"))
        assert set(fit.schema.category_ids) | set(val.schema.category_ids) == whole
        assert not set(fit.schema.category_ids) & set(val.schema.category_ids)
        assert fit.labels.unique().tolist() == [0, 1, 2]
        assert int(val[1].target.label) == val.labels[1] == 0
        held += val.schema.category_ids
    assert sorted(held) == sorted(whole)
    with pytest.raises(ValueError, match="train:fold0of4"):
        read(tmp_path, "fit")
    with pytest.raises(ValueError, match="4 classes make 2 to 4 folds"):
        read(tmp_path, "val:fold0of5")


def test_an_empty_folder_is_said_to_be_one(module: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=str(tmp_path)):
        SETS[module](tmp_path, "train")


def test_folds_are_contiguous_and_as_equal_as_can_be() -> None:
    labels = torch.tensor([9, 9, 3, 5, 7, 3, 1])
    fit, val = class_fold(labels, 0, 2)
    assert val.tolist() == [2, 5, 6]  # classes 1 and 3 of 1, 3, 5, 7, 9
    assert fit.tolist() == [0, 1, 3, 4]
    with pytest.raises(ValueError, match="fold 2 of 2"):
        class_fold(labels, 2, 2)


def test_a_subset_counts_labels_and_super_labels_from_0(tmp_path: Path) -> None:
    sop.write_fake(tmp_path, classes=8, views=2)
    whole = sop.open_sop(tmp_path, "train")
    subset = ClassSubset(whole, torch.tensor([6, 2, 7]))
    assert subset.labels.tolist() == [1, 0, 1]
    assert subset.super_labels is not None
    assert subset.super_labels.tolist() == [0, 0, 0]
    assert subset.schema.category_ids == (2, 4)
    assert torch.equal(subset[0].input, whole[6].input)
    assert [subset.path(0), subset.size(0)] == [whole.path(6), whole.size(6)]


def test_products_have_super_labels_that_a_sampler_can_use(tmp_path: Path) -> None:
    sop.write_fake(tmp_path)
    train = sop.open_sop(tmp_path, "train")
    assert train.super_labels is not None
    assert train.super_labels.bincount().tolist() == [12, 12]
    batch = next(
        iter(class_batches("super_classes", train.labels, train.super_labels, batch_size=8, images_per_class=2))
    )
    assert len(batch) == 8
    assert train.schema.categories[0] == "lamp 1"


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    sop.write_fake(tmp_path)
    listing = tmp_path / "Ebay_train.txt"
    text = listing.read_text()
    listing.write_text(text + "25 6\n")
    with pytest.raises(AnnotationError, match=r"Ebay_train.txt, line 26: 4 fields are needed, this has 2"):
        sop.open_sop(tmp_path, "train")
    listing.write_text(text + "25 six 1 a.jpg\n")
    with pytest.raises(AnnotationError, match=r"class_id must be a whole number, not 'six'"):
        sop.open_sop(tmp_path, "train")
    listing.write_text(text.splitlines()[0])
    with pytest.raises(AnnotationError, match="no image"):
        sop.open_sop(tmp_path, "train")


def test_birds_have_boxes_and_are_cropped_to_them(tmp_path: Path) -> None:
    cub200.write_fake(tmp_path, classes=2, views=2)
    whole, cropped = (cub200.open_cub200(tmp_path, "train", crop=crop) for crop in (False, True))
    box = whole[1].target.box_xyxy
    left, top, right, bottom = (int(edge) for edge in box.tolist())
    assert torch.equal(cropped[1].input, read_image(whole.path(1))[:, top:bottom, left:right])
    assert cropped.size(1) == cropped[1].target.size == (bottom - top, right - left)
    assert cropped[1].target.box_xyxy is None
    assert whole.schema.categories == ("001.Drawn_Bird",)
    boxes = (tmp_path / "bounding_boxes.txt").read_text().splitlines()
    x, y, width, height = map(float, boxes[1].split()[1:])
    assert min(x, y) > 0
    assert box.tolist() == pytest.approx([x, y, x + width, y + height])
    (tmp_path / "bounding_boxes.txt").write_text("1 0 0 five 5\n")
    with pytest.raises(AnnotationError, match="must be numbers"):
        cub200.open_cub200(tmp_path, "train")
    (tmp_path / "bounding_boxes.txt").write_text("1 0 0 5 5\n")
    with pytest.raises(AnnotationError, match=r"image 2 .* has no box"):
        cub200.open_cub200(tmp_path, "train")
    (tmp_path / "bounding_boxes.txt").unlink()
    with pytest.raises(AnnotationError, match="cannot be cropped"):
        cub200.open_cub200(tmp_path, "train", crop=True)
    (tmp_path / "image_class_labels.txt").write_text("1 1\n")
    with pytest.raises(AnnotationError, match=r"image 2 .* has no class"):
        cub200.open_cub200(tmp_path, "train")


def test_a_box_that_leaves_the_picture_is_cut_to_it(tmp_path: Path) -> None:
    cub200.write_fake(tmp_path, classes=2, views=1)
    path = "images/001.Drawn_Bird/Drawn_Bird_0000.jpg"
    for box, size in (((-5.0, 40.5, 10.2, 99.0), (8, 11)), ((60.0, 60.0, 70.0, 70.0), (1, 1))):
        dataset = images_of(ListedImages(tmp_path, [ImageRecord(path, 1, box_xyxy=box)]), crop=True)
        assert dataset.size(0) == dataset[0].target.size == size


def test_cars_of_both_official_sets_are_divided_by_class(tmp_path: Path) -> None:
    cars196.write_fake(tmp_path, classes=4, views=2)
    train, test = (cars196.open_cars196(tmp_path, split) for split in ("train", "test"))
    assert train.schema.categories == ("Drawn Car 1", "Drawn Car 2")
    assert test.schema.category_ids == (3, 4)
    assert Path(train.path(0)).name == "000001.jpg"
    image, box = train[0].input, [int(edge) for edge in train[0].target.box_xyxy.tolist()]
    inside = image[:, (box[1] + box[3]) // 2, (box[0] + box[2]) // 2].float()
    assert inside.max() - inside.min() > 80  # the figure's colour; the background is washed out
    (tmp_path / "cars_annos.mat").write_bytes(b"no matrix")
    with pytest.raises(AnnotationError, match=r"cars_annos\.mat: no file of MATLAB 5 to 7"):
        cars196.open_cars196(tmp_path, "train")


def test_clothes_tell_queries_from_gallery(tmp_path: Path) -> None:
    in_shop.write_fake(tmp_path, classes=4, views=4)
    train, test = (in_shop.open_in_shop(tmp_path, split) for split in ("train", "test"))
    assert train.roles.is_query is None
    assert test.roles.is_query.tolist() == [True, False, False, False] * 2
    assert test.schema.categories == ("id_00000003", "id_00000004")
    assert test.super_labels.bincount().tolist() == [4, 4]
    listing = tmp_path / "Eval" / "list_eval_partition.txt"
    listing.write_text(listing.read_text().replace("gallery", "galery", 1))
    with pytest.raises(AnnotationError, match="'galery'; it must be one of train, query, gallery"):
        in_shop.open_in_shop(tmp_path, "train")


def test_numbers_in_names_count_as_numbers(tmp_path: Path) -> None:
    orl_faces.write_fake(tmp_path, classes=11, views=10)
    test = orl_faces.open_orl_faces(tmp_path, "test")
    assert test.schema.categories == ("person 7", "person 8", "person 9", "person 10", "person 11")
    assert [Path(test.path(i)).name for i in (0, 1, 9)] == ["1.pgm", "2.pgm", "10.pgm"]


@pytest.mark.data
def test_real_sets_have_the_published_numbers() -> None:
    if not REAL.is_dir():
        pytest.skip("../shared/data is absent")
    products = {split: sop.open_sop(REAL / "emoji_sop", split) for split in ("train", "test")}
    assert {split: (len(part), part.schema.num_classes) for split, part in products.items()} == {
        "train": (5208, 868),
        "test": (5209, 868),
    }
    objects = coil20.open_coil20(REAL / "coil20", "test")
    people = orl_faces.open_orl_faces(REAL / "orl_faces", "train")
    assert [len(objects), objects.schema.num_classes] == [720, 10]
    assert [len(people), people.schema.num_classes] == [200, 20]
    for part, shape in ((products["test"], (3, 96, 96)), (objects, (3, 128, 128)), (people, (3, 112, 92))):
        assert part[len(part) - 1].input.shape == shape
