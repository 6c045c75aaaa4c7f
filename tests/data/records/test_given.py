"""Data of a program's own: what is taken for an image, a target and a data set, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from visus.data import ListDataset
from visus.data.errors import AnnotationError, ImageError
from visus.data.feed.loader import SampleDataset
from visus.data.records.given import as_dataset
from visus.types import ClassTarget, InstanceTarget, Keypoints, Sample, Schema, SemanticTarget

H, W = 6, 8
PIXELS = torch.arange(3 * H * W, dtype=torch.uint8).reshape(3, H, W)
BOXES = {"boxes": [[1.0, 1.0, 5.0, 4.0]], "labels": [1]}
NAMES = ["cat", "dog"]


def one(image: Any = PIXELS, target: Any = 0, schema: Any = NAMES) -> Sample:
    return ListDataset([(image, target)], schema)[0]


@pytest.mark.parametrize("kind", ["tensor", "shares", "array", "pillow", "path", "text"])
def test_every_kind_of_image_gives_the_same_pixels(kind: str, tmp_path: Path) -> None:
    array = PIXELS.permute(1, 2, 0).numpy()
    Image.fromarray(array).save(tmp_path / "a.png")
    given = {
        "tensor": PIXELS,
        "shares": PIXELS / 255,
        "array": array,
        "pillow": Image.fromarray(array),
        "path": tmp_path / "a.png",
    }
    sample = one(given.get(kind, str(tmp_path / "a.png")))
    assert torch.equal(sample.input, PIXELS)
    assert sample.path == (str(tmp_path / "a.png") if kind in ("path", "text") else "pair 0")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (PIXELS.float(), "floats in 0..1"),
        (-PIXELS.float() / 255, "floats in 0..1"),
        (PIXELS.long(), "an image must be uint8"),
        (torch.zeros(5, 6, 7, dtype=torch.uint8), "an image must be uint8"),
        (torch.zeros(2, 3, 6, 8, dtype=torch.uint8), "an image must be a path"),
        (None, "an image must be a path, an image of Pillow's, an array"),
        ([1], "an image must be a path"),
        ("nowhere.png", "nowhere.png"),
    ],
)
def test_what_is_no_image_is_named(image: Any, message: str) -> None:
    with pytest.raises((AnnotationError, ImageError, FileNotFoundError), match=message) as found:
        one(image)
    assert "\n" not in str(found.value)
    assert isinstance(image, str) or "pair" in str(found.value)


def test_objects_as_torchvision_has_them() -> None:
    given = {
        **BOXES,
        "masks": np.ones((1, H, W), np.uint8),
        "area": torch.tensor([9.0]),
        "iscrowd": [True],
        "image_id": 7,
    }
    target = one(target=given).target
    assert isinstance(target, InstanceTarget)
    assert target.boxes_xyxy.tolist() == [[1, 1, 5, 4]]
    assert (target.labels.tolist(), target.areas.tolist(), target.is_crowd.tolist()) == ([1], [9.0], [True])
    assert target.masks.shape == (1, H, W)
    assert target.size == (H, W)
    plain = one(target=BOXES).target
    assert (plain.areas.tolist(), plain.is_crowd.tolist(), plain.masks) == ([12.0], [False], None)
    nothing = one(target={"boxes": torch.zeros(0, 4), "labels": []}).target
    assert (len(nothing), nothing.boxes_xyxy.shape) == (0, (0, 4))


def test_keypoints_need_a_schema_that_names_them() -> None:
    given = {**BOXES, "keypoints": [[[1, 2, 2], [3, 3, 1]]]}
    with pytest.raises(AnnotationError, match=r"need a visus\.types\.Schema that names them"):
        one(target=given)
    schema = Schema(("cat", "dog"), (1, 2), keypoints=Keypoints(("nose", "tail"), (), (0.1, 0.1)))
    assert one(target=given, schema=schema).target.keypoints_xyv.tolist() == [[[1, 2, 2], [3, 3, 1]]]


@pytest.mark.parametrize("label", [1, np.int64(1), torch.tensor(1)])
def test_a_number_is_the_class_of_the_image(label: Any) -> None:
    target = one(target=label).target
    assert isinstance(target, ClassTarget)
    assert (int(target.label), target.size, target.image_id) == (1, (H, W), 0)


@pytest.mark.parametrize("kind", ["tensor", "array", "pillow"])
def test_a_map_is_the_class_of_every_pixel(kind: str) -> None:
    labels = torch.ones(H, W, dtype=torch.uint8)
    labels[0] = 255  # which does not count
    given = {"tensor": labels.long(), "array": labels.numpy(), "pillow": Image.fromarray(labels.numpy())}[kind]
    target = one(target=given).target
    assert isinstance(target, SemanticTarget)
    assert torch.equal(target.labels, labels)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (2, "label 2 is none of the 2 categories; labels count from 0, and the background of objects is no category"),
        (-1, "label -1 is none of the 2"),
        ({"boxes": [[0, 0, 2, 2]], "labels": [2]}, "label 2 is none of the 2"),
        (torch.full((H, W), 2), "label 2 is none of the 2"),
        ({"boxes": [[4, 4, 1, 5]], "labels": [0]}, r"the box \[4\.0, 4\.0, 1\.0, 5\.0\] is no x1, y1, x2, y2"),
        ({"boxes": [[0, 0, 2, 2]]}, "lacks 'labels'"),
        ({"boxes": [[0, 0, 2, 2]], "labels": [0, 1]}, r"labels must be \[1\], a row for each of the boxes"),
        ({**BOXES, "masks": torch.ones(1, 2, 2)}, rf"masks must be \[1, {H}, {W}\]"),
        ({**BOXES, "mask": 1}, "has no 'mask'; it has boxes, labels"),
        (torch.full((H, W), -1), r"labels of pixels must lie in 0\.\.255"),
        (torch.zeros(3, 3, dtype=torch.uint8), r"map \[6, 8\] of labels, not torch.uint8 of \[3, 3\]"),
        (True, "a target must be one of"),
        ("cat", "a target must be one of .* not str 'cat'"),
        (1.5, "a target must be one of"),
    ],
)
def test_what_is_no_target_is_named(target: Any, message: str) -> None:
    with pytest.raises(AnnotationError, match=message) as found:
        one(target=target)
    assert "pair" in str(found.value)
    assert "\n" not in str(found.value)


def test_a_list_of_names_knows_whether_there_are_masks() -> None:
    pairs = [(PIXELS, {**BOXES, "masks": torch.ones(1, H, W)})]
    assert ListDataset(pairs, NAMES).schema == Schema(("cat", "dog"), (1, 2), has_masks=True)
    assert not ListDataset([(PIXELS, BOXES)], NAMES).schema.has_masks


@pytest.mark.parametrize("schema", ["cats", [], [1, 2], None])
def test_what_is_no_schema_is_named(schema: Any) -> None:
    with pytest.raises(AnnotationError, match=r"a schema must be a visus\.types\.Schema or a list of category names"):
        one(schema=schema)
    with pytest.raises(ValueError, match="at least one pair"):
        ListDataset([], NAMES)


class Mine:
    """The least that can be trained on."""

    schema = NAMES

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return PIXELS + index, index % 2


def test_any_object_with_a_length_items_and_a_schema() -> None:
    dataset = as_dataset(Mine())
    assert isinstance(dataset, SampleDataset)
    assert [int(sample.target.label) for sample in dataset] == [0, 1, 0]
    assert [sample.target.image_id for sample in dataset] == [0, 1, 2]
    assert (dataset.size(1), dataset.path(1), dataset[1].path) == ((H, W), "sample 1 of Mine", "sample 1 of Mine")
    with pytest.raises(IndexError):
        dataset[3]
    listed = ListDataset([(PIXELS, 0)], NAMES)
    assert as_dataset(listed) is listed


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        ([(PIXELS, 0)], r"a list is no data set: it lacks schema; visus\.data\.ListDataset makes one of pairs"),
        ({}, "a dict is no data set: it lacks schema"),
        (3, "a int is no data set: it lacks __len__, __getitem__, schema"),
    ],
)
def test_what_is_no_data_set_says_what_it_lacks(thing: Any, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        as_dataset(thing)


def test_an_item_that_is_no_pair_is_named() -> None:
    class Triples(Mine):
        def __getitem__(self, index: int) -> Any:
            return PIXELS, 0, "extra"

    with pytest.raises(AnnotationError, match="must be a Sample or a pair of an image and a target, not tuple"):
        as_dataset(Triples())
