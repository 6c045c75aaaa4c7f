from __future__ import annotations

import pytest
import torch

from visus.metrics.coco_format import prediction_to_coco, schema_to_categories, target_to_coco
from visus.ops.masks import rle_decode
from visus.types import InstancePrediction, InstanceTarget, Keypoints, Schema

SCHEMA = Schema(
    categories=("cat", "dog"),
    category_ids=(17, 18),
    has_masks=True,
    keypoints=Keypoints(names=("nose", "tail"), flip_pairs=(), sigmas=(0.1, 0.2), skeleton=((0, 1),)),
)
MASKS = torch.zeros(2, 8, 10, dtype=torch.bool)
MASKS[0, 2:5, 1:4] = True
KEYPOINTS = torch.tensor([[[1.0, 2.0, 2.0], [3.0, 4.0, 1.0]], [[0.0, 0.0, 0.0], [5.0, 6.0, 1.0]]])
PREDICTION = InstancePrediction(
    boxes_xyxy=torch.tensor([[1.0, 2.0, 4.0, 5.5], [0.0, 0.0, 10.0, 8.0]]),
    labels=torch.tensor([1, 0]),
    scores=torch.tensor([0.75, 0.5]),
    size=(8, 10),
    masks=MASKS,
    keypoints_xyv=KEYPOINTS,
)


def test_prediction() -> None:
    first, second = prediction_to_coco(PREDICTION, 42, SCHEMA)
    assert torch.equal(rle_decode(first.pop("segmentation")), MASKS[0])
    assert first == {
        "image_id": 42,
        "category_id": 18,
        "bbox": [1.0, 2.0, 3.0, 3.5],
        "score": 0.75,
        "keypoints": [1.0, 2.0, 2.0, 3.0, 4.0, 1.0],
    }
    assert second["category_id"] == 17


def test_probabilities_of_masks_count_above_a_half() -> None:
    soft = InstancePrediction(
        PREDICTION.boxes_xyxy, PREDICTION.labels, PREDICTION.scores, PREDICTION.size, masks=MASKS * 0.4 + 0.2
    )
    assert torch.equal(rle_decode(prediction_to_coco(soft, 1, SCHEMA)[0]["segmentation"]), MASKS[0])


def test_boxes_alone() -> None:
    records = prediction_to_coco(
        InstancePrediction(torch.zeros(1, 4), torch.tensor([0]), torch.ones(1), (8, 10)), 1, SCHEMA
    )
    assert set(records[0]) == {"image_id", "category_id", "bbox", "score"}


def test_target() -> None:
    target = InstanceTarget(
        boxes_xyxy=PREDICTION.boxes_xyxy,
        labels=PREDICTION.labels,
        areas=torch.tensor([9.0, 80.0]),
        is_crowd=torch.tensor([False, True]),
        size=(8, 10),
        image_id=5,
        masks=MASKS,
        keypoints_xyv=KEYPOINTS,
    )
    first, second = target_to_coco(target, SCHEMA, first_id=100)
    assert (first["id"], first["image_id"], first["area"], first["iscrowd"], first["num_keypoints"]) == (
        100,
        5,
        9.0,
        0,
        2,
    )
    assert (second["id"], second["area"], second["iscrowd"], second["num_keypoints"]) == (101, 80.0, 1, 1)
    assert "score" not in first


def test_categories() -> None:
    assert schema_to_categories(SCHEMA)[1] == {
        "id": 18,
        "name": "dog",
        "keypoints": ["nose", "tail"],
        "skeleton": [[1, 2]],
    }
    assert schema_to_categories(Schema(("cat",), (3,))) == [{"id": 3, "name": "cat"}]


def test_a_label_that_the_schema_lacks_is_refused() -> None:
    wrong = InstancePrediction(torch.zeros(1, 4), torch.tensor([2]), torch.ones(1), (8, 10))
    with pytest.raises(ValueError, match=r"image 9 holds labels from 2 to 2, .* has labels 0 to 1: cat, dog"):
        prediction_to_coco(wrong, 9, SCHEMA)
