"""Predictions and targets as the records of COCO's files (https://cocodataset.org/#format-data, #format-results)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from visus.ops.masks import rle_encode
from visus.types import InstancePrediction, InstanceTarget, Schema

Record = dict[str, Any]


def prediction_to_coco(prediction: InstancePrediction, image_id: int, schema: Schema) -> list[Record]:
    """The objects found in one image as entries of a COCO results file.

    Args:
        prediction: boxes, labels and scores; masks (probabilities count above 0.5) and keypoints where there are any.
        image_id: the image's identifier in the annotation file.
        schema: gives each label its identifier in the file.

    Raises:
        ValueError: where a label is none of the schema's.
    """
    objects = _described(prediction, image_id, schema)
    for record, score in zip(objects, prediction.scores.tolist(), strict=True):
        record["score"] = score
    return objects


def target_to_coco(target: InstanceTarget, schema: Schema, first_id: int) -> list[Record]:
    """The annotated objects of one image as entries of a COCO annotation file, numbered from ``first_id``.

    Raises:
        ValueError: where a label is none of the schema's, or the target has no ``image_id``.
    """
    if target.image_id is None:
        raise ValueError("the target has no image_id, which every entry of a COCO file names")
    objects = _described(target, target.image_id, schema)
    for i, (record, area, is_crowd) in enumerate(
        zip(objects, target.areas.tolist(), target.is_crowd.tolist(), strict=True)
    ):
        record.update(id=first_id + i, area=area, iscrowd=int(is_crowd))
        if "keypoints" in record:
            record["num_keypoints"] = sum(v > 0 for v in record["keypoints"][2::3])
    return objects


def schema_to_categories(schema: Schema) -> list[Record]:
    """The ``categories`` of a COCO annotation file; a skeleton counts its keypoints from 1, as COCO does."""
    categories: list[Record] = [
        {"id": id_, "name": name} for id_, name in zip(schema.category_ids, schema.categories, strict=True)
    ]
    if schema.keypoints:
        skeleton = [[a + 1, b + 1] for a, b in schema.keypoints.skeleton]
        for category in categories:
            category.update(keypoints=list(schema.keypoints.names), skeleton=skeleton)
    return categories


def _described(objects: InstancePrediction | InstanceTarget, image_id: int, schema: Schema) -> list[Record]:
    """What both kinds of files say of an object."""
    labels = objects.labels.tolist()
    if labels and not 0 <= min(labels) <= max(labels) < schema.num_classes:
        raise ValueError(
            f"image {image_id} holds labels from {min(labels)} to {max(labels)}, but the schema has labels 0 to "
            f"{schema.num_classes - 1}: {', '.join(schema.categories[:10])}"
        )
    records: list[Record] = [
        {"image_id": image_id, "category_id": schema.category_ids[label], "bbox": box}
        for label, box in zip(labels, _xywh(objects.boxes_xyxy).tolist(), strict=True)
    ]
    if objects.masks is not None:
        masks = objects.masks if objects.masks.dtype == torch.bool else objects.masks > 0.5
        for record, mask in zip(records, masks.cpu(), strict=True):
            record["segmentation"] = rle_encode(mask)
    if objects.keypoints_xyv is not None:
        for record, keypoints in zip(records, objects.keypoints_xyv.flatten(1).tolist(), strict=True):
            record["keypoints"] = keypoints
    return records


def _xywh(boxes_xyxy: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    # In double precision, or a box far from the origin would lose digits of its width.
    boxes = boxes_xyxy.double()
    return torch.cat((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), dim=1)
