"""Predictions as records of the package supervision (https://supervision.roboflow.com), which is optional."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from visus.errors import VisusError
from visus.ops.masks import masks_to_boxes
from visus.types import (
    ClassPrediction,
    EmbeddingPrediction,
    EpisodePrediction,
    GraphPrediction,
    ImagePrediction,
    InstancePrediction,
    PartPrediction,
    Schema,
    SemanticPrediction,
    row,
)


def as_supervision(prediction: Any, schema: Schema) -> Any:
    """``supervision.Detections`` of objects or of the classes of pixels, ``supervision.Classifications`` of an image.

    Class numbers are labels, the positions in ``names``; ``data["class_name"]`` has the names, and
    ``data["keypoints_xyv"]`` the keypoints where there are any.

    Raises:
        VisusError: supervision is not installed, or has no such record.
    """
    convert = row(CONVERSIONS, prediction, "supervision")
    try:
        import supervision
    except ModuleNotFoundError as error:
        raise VisusError("records of supervision need the package: pip install supervision") from error
    return convert(supervision, prediction, schema)


def _objects(package: Any, prediction: InstancePrediction, schema: Schema) -> Any:
    masks, labels = prediction.masks, prediction.labels.numpy()
    data = {"class_name": _names(labels, schema)}
    if prediction.keypoints_xyv is not None:
        data["keypoints_xyv"] = prediction.keypoints_xyv.numpy()
    return package.Detections(
        xyxy=prediction.boxes_xyxy.float().numpy(),
        mask=None if masks is None else (masks > 0.5).numpy(),
        confidence=prediction.scores.float().numpy(),
        class_id=labels.astype(int),
        data=data,
    )


def _pixels(package: Any, prediction: SemanticPrediction, schema: Schema) -> Any:
    """A record with the pixels of each class that occurs."""
    labels = torch.unique(prediction.labels)
    labels = labels[labels < schema.num_classes]
    masks = prediction.labels == labels[:, None, None]
    scores = [float(prediction.scores[mask].mean()) for mask in masks]
    return package.Detections(
        xyxy=masks_to_boxes(masks).float().numpy().reshape(-1, 4),
        mask=masks.numpy(),
        confidence=np.array(scores, dtype=np.float32),
        class_id=labels.numpy().astype(int),
        data={"class_name": _names(labels.numpy(), schema)},
    )


def _classes(package: Any, prediction: ClassPrediction, schema: Schema) -> Any:
    return package.Classifications(
        class_id=prediction.labels.numpy().astype(int), confidence=prediction.scores.float().numpy()
    )


def _embedding(package: Any, prediction: EmbeddingPrediction, schema: Schema) -> Any:
    raise VisusError("supervision has no record for embeddings; use prediction.embedding")


def _episode(package: Any, prediction: EpisodePrediction, schema: Schema) -> Any:
    """A record with a row for each query; classes are counted inside of the episode."""
    return package.Classifications(
        class_id=prediction.labels.numpy().astype(int), confidence=prediction.scores.amax(1).float().numpy()
    )


def _parts(package: Any, prediction: PartPrediction, schema: Schema) -> Any:
    raise VisusError("supervision has no record for parts of shapes; use prediction.labels")


def _names(labels: Any, schema: Schema) -> Any:
    return np.array([schema.categories[int(label)] for label in labels], dtype=str)


CONVERSIONS: dict[type, Callable[[Any, Any, Schema], Any]] = {
    InstancePrediction: _objects,
    SemanticPrediction: _pixels,
    ClassPrediction: _classes,
    EmbeddingPrediction: _embedding,
    EpisodePrediction: _episode,
    PartPrediction: _parts,
    GraphPrediction: lambda package, prediction, schema: _objects(package, prediction.objects, schema),
    ImagePrediction: lambda package, prediction, schema: _objects(package, prediction.objects, schema),
}
"""What becomes of each kind of prediction."""
