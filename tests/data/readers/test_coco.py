from __future__ import annotations

import gc
import json
import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.coco
import pytest
import torch
from PIL import Image

from visus.data.errors import AnnotationError
from visus.data.formats.coco_names import COCO_PERSON_KEYPOINTS
from visus.data.readers.coco import CocoDataset, open_coco, write_fake
from visus.types import Schema

REFERENCE = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "coco_eval_reference"
SQUARE = [[2.0, 2.0, 12.0, 2.0, 12.0, 12.0, 2.0, 12.0]]


def written(root: Path, annotations: list[dict[str, Any]], **changes: Any) -> tuple[Path, Path]:
    """One image of 20 x 30 and an annotation file about it; returns the folder and the file."""
    Image.new("RGB", (30, 20), "gray").save(root / "a.png")
    content = {
        "images": [{"id": 5, "file_name": "a.png", "height": 20, "width": 30}],
        "categories": [{"id": 9, "name": "dog"}, {"id": 2, "name": "cat"}],
        "annotations": annotations,
        **changes,
    }
    (root / "a.json").write_text(json.dumps(content))
    return root, root / "a.json"


def one(root: Path, annotation: dict[str, Any], *, for_training: bool = False, **changes: Any) -> CocoDataset:
    full = {"id": 77, "image_id": 5, "category_id": 9, "bbox": [2, 2, 10, 10], **annotation}
    images, file = written(root, [full], **changes)
    return CocoDataset(images=images, annotations=file, for_training=for_training)


def test_fake_agrees_with_the_reference_reader(fake_coco: Path) -> None:
    data = open_coco(fake_coco, "train")
    reference = pycocotools.coco.COCO(str(fake_coco / "annotations" / "instances_train.json"))
    assert len(data) == 8
    crowds = 0
    for index in range(len(data)):
        target = data[index].target
        records = reference.loadAnns(reference.getAnnIds(target.image_id))
        assert [data.schema.category_ids[label] for label in target.labels] == [r["category_id"] for r in records]
        assert target.is_crowd.tolist() == [bool(r["iscrowd"]) for r in records]
        assert target.areas.tolist() == pytest.approx([r["area"] for r in records])
        boxes = np.array([r["bbox"] for r in records], dtype=np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        assert np.allclose(target.boxes_xyxy.numpy(), boxes)
        assert target.masks is not None
        for mask, record in zip(target.masks, records, strict=True):
            assert np.array_equal(mask.numpy(), reference.annToMask(record))
        crowds += int(target.is_crowd.sum())
    assert crowds == 1
    assert len(data[7].target) == 0


@pytest.mark.data
def test_published_annotations_agree_with_the_reference_reader() -> None:
    file = REFERENCE / "instances_val2014_100.json"
    if not file.exists():
        pytest.skip("../shared/data is absent")
    data = CocoDataset(images=REFERENCE, annotations=file)
    reference = pycocotools.coco.COCO(str(file))
    for index in range(len(data)):
        target = data.target(index)
        assert target.masks is not None
        for mask, record in zip(target.masks, reference.loadAnns(reference.getAnnIds(target.image_id)), strict=True):
            assert np.array_equal(mask.numpy(), reference.annToMask(record))


def test_training_leaves_out_crowds(fake_coco: Path) -> None:
    data = open_coco(fake_coco, "train", for_training=True)
    assert not any(data.target(i).is_crowd.any() for i in range(len(data)))
    assert len(data) == 8
    assert sum(len(data.target(i)) > 0 for i in range(len(data))) == 7


def test_keypoints(fake_coco: Path) -> None:
    data = open_coco(fake_coco, "val", keypoints=True)
    assert data.schema.keypoints == COCO_PERSON_KEYPOINTS
    target = data.target(0)
    assert target.keypoints_xyv is not None
    assert target.keypoints_xyv.shape == (len(target), 17, 3)
    assert open_coco(fake_coco, "val").schema.keypoints is None


def test_meaning_of_own_keypoints(tmp_path: Path) -> None:
    names = ["nose", "left_hand", "right_hand", "tail"]
    category = {"id": 9, "name": "robot", "keypoints": names, "skeleton": [[1, 2], [1, 3]]}
    data = one(tmp_path, {"keypoints": [1, 2, 2] * 4}, categories=[category, {"id": 2, "name": "cat"}])
    points = data.schema.keypoints
    assert points is not None
    assert points.flip_pairs == ((1, 2),)
    assert points.skeleton == ((0, 1), (0, 2))
    assert len(points.sigmas) == 4
    assert one(tmp_path, {}, categories=[category]).target(0).keypoints_xyv.eq(0).all()  # type: ignore[union-attr]


def test_labels_follow_the_identifiers_or_a_given_schema(tmp_path: Path) -> None:
    data = one(tmp_path, {})
    assert data.schema.categories == ("cat", "dog")
    assert data.target(0).labels.tolist() == [1]
    trained = Schema(categories=("dog", "cow", "cat"), category_ids=(9, 4, 2))
    images, file = tmp_path, tmp_path / "a.json"
    assert CocoDataset(images=images, annotations=file, schema=trained).target(0).labels.tolist() == [0]


def test_missing_fields_are_tolerated(tmp_path: Path) -> None:
    bare = one(tmp_path, {})
    assert bare.target(0).areas.tolist() == [100.0]
    assert bare.target(0).masks is None
    assert not bare.target(0).is_crowd.any()
    outlined = one(tmp_path, {"segmentation": SQUARE})
    assert outlined.target(0).areas.item() == outlined.target(0).masks.sum().item()  # type: ignore[union-attr]
    image = {"id": 5, "file_name": "a.png"}
    assert one(tmp_path, {}, images=[image]).size(0) == (20, 30)


def test_an_object_without_outline_among_others_gets_its_box(tmp_path: Path) -> None:
    base = {"image_id": 5, "category_id": 9, "bbox": [15, 4, 5, 6]}
    images, file = written(tmp_path, [{**base, "id": 0, "segmentation": SQUARE}, {**base, "id": 1}])
    masks = CocoDataset(images=images, annotations=file).target(0).masks
    assert masks is not None
    assert masks[1].sum() == 30
    assert masks[1, 4:10, 15:20].all()


def test_boxes_are_clipped_for_training_only(tmp_path: Path) -> None:
    wide = {"bbox": [-5, 10, 50, 50]}
    assert one(tmp_path, wide).target(0).boxes_xyxy.tolist() == [[-5, 10, 45, 60]]
    assert one(tmp_path, wide, for_training=True).target(0).boxes_xyxy.tolist() == [[0, 10, 30, 20]]


@pytest.mark.parametrize("box", [[3, 3, 0, 5], [3, 3, 5, 0], [9, 9, -4, 4], [40, 2, 5, 5]])
def test_boxes_without_area_are_dropped_and_counted(tmp_path: Path, box: list[float]) -> None:
    base = {"image_id": 5, "category_id": 9}
    images, file = written(tmp_path, [{**base, "id": 1, "bbox": box}, {**base, "id": 2, "bbox": [2, 2, 10, 10]}])
    with pytest.warns(UserWarning, match=r"a\.json: 1 object left out"):
        data = CocoDataset(images=images, annotations=file, for_training=True)
    assert data.dropped == 1
    assert data.target(0).boxes_xyxy.tolist() == [[2, 2, 12, 12]]


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"bbox": [1, 2, float("nan"), 4]}, r"a\.json: annotation 77 .*finite"),
        ({"bbox": [1, 2, 3]}, r"annotation 77 .*four numbers"),
        ({"bbox": None}, r"annotation 77 .*four numbers"),
        ({"category_id": 90}, r"annotation 77 has category 90; known are \[2, 9\]"),
        ({"image_id": 6}, r"annotation 77 belongs to image 6"),
        ({"image_id": None}, r"annotation 77 belongs to image None"),
    ],
)
def test_unusable_records_are_named(tmp_path: Path, annotation: dict[str, Any], message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        one(tmp_path, annotation)


def test_unusable_outlines_are_named(tmp_path: Path) -> None:
    data = one(tmp_path, {"area": 4, "segmentation": {"size": [30, 20], "counts": [600]}})
    with pytest.raises(AnnotationError, match=r"a\.json: annotation 77 .*\[30, 20\].*\[20, 30\]"):
        data.target(0)


def test_wrong_numbers_of_keypoints_are_named(tmp_path: Path) -> None:
    category = {"id": 9, "name": "robot", "keypoints": ["a", "b"]}
    with pytest.raises(AnnotationError, match="annotation 77 has 3 keypoint numbers; 2 keypoints need 6"):
        one(tmp_path, {"keypoints": [1, 2, 2]}, categories=[category])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [{"id": 1, "file_name": "a"}] * 2}, "two images have the identifier 1"),
        ({"categories": [{"id": 1}] * 2}, "two categories have the identifier 1"),
        ({"images": [{"id": "1", "file_name": "a"}]}, "needs an integer 'id'"),
        ({"images": [{"id": 5, "file_name": "a", "height": 0, "width": 4}]}, "height 0"),
        ({"images": None}, r"no list \['images'\]"),
    ],
)
def test_unusable_files_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        one(tmp_path, {}, **changes)


@pytest.mark.parametrize(("text", "message"), [("", "empty"), ("{", "not valid JSON"), ("[]", "JSON list")])
def test_files_that_are_not_coco(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "b.json"
    file.write_text(text)
    with pytest.raises(AnnotationError, match=rf"b\.json: .*{message}"):
        CocoDataset(images=tmp_path, annotations=file)


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    data = one(tmp_path, {}, images=[{"id": 5, "file_name": "a.png", "height": 30, "width": 20}])
    with pytest.raises(AnnotationError, match=r"a\.png.*\(20, 30\).*\(30, 20\)"):
        data[0]


def test_positions(fake_coco: Path) -> None:
    data = open_coco(fake_coco, "train")
    assert data[-1].path == data.path(7)
    with pytest.raises(IndexError, match="image 8 of 8"):
        data[8]


def test_fake_is_deterministic(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_fake(tmp_path / name, images=2, seed=seed)
    texts = [(tmp_path / name / "annotations" / "instances_val.json").read_text() for name in "abc"]
    assert texts[0] == texts[1] != texts[2]


def many(root: Path, objects: int) -> CocoDataset:
    outline = [[float(n) for n in range(60)]]
    annotations = [
        {"id": i, "image_id": 5, "category_id": 9, "bbox": [0, 0, 9, 9], "area": 1, "segmentation": outline}
        for i in range(objects)
    ]
    images, file = written(root, annotations)
    return CocoDataset(images=images, annotations=file)


def test_annotations_are_flat_tensors(tmp_path: Path) -> None:
    small, large = (pickle.dumps(many(tmp_path, count)) for count in (10, 1010))
    assert (len(large) - len(small)) / 1000 < 60 * 8 + 80  # the outline's numbers, and the others
    assert large.count(b"torch") == small.count(b"torch")  # not one object more


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's memory accounts")
def test_memory_does_not_grow_in_workers(tmp_path: Path) -> None:
    data = many(tmp_path, 20_000)  # 6 MB
    context = multiprocessing.get_context("fork")
    growth = context.Queue()
    reader = context.Process(target=_read_rows, args=(data, growth))
    reader.start()
    assert growth.get(timeout=60) < 1_000  # the half that is read, if it were copied, would be 3,000
    reader.join()


def _read_rows(data: CocoDataset, growth: Any) -> None:
    """Reports the kilobytes that stop being shared while the second half is read; the first settles the process."""

    def private() -> int:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private"))

    packed, before = data._index, 0
    gc.disable()  # a collection touches every object of the process, ours or not
    for row in range(len(packed.labels)):
        if row == len(packed.labels) // 2:
            before = private()
        packed.segmentations[row]
        packed.boxes[row : row + 1].sum()
    growth.put(private() - before)


def test_targets_do_not_share_memory_with_the_index(fake_coco: Path) -> None:
    data = open_coco(fake_coco, "train")
    data.target(0).boxes_xyxy.zero_()
    assert not torch.equal(data.target(0).boxes_xyxy, torch.zeros_like(data.target(0).boxes_xyxy))
