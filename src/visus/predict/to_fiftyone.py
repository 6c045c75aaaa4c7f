"""Predictions as labels and data sets of FiftyOne (https://docs.voxel51.com), which is optional.

Boxes and points are shares of the image there; the mask of an object is that of its box alone. FiftyOne keeps data sets
in a database of its own; labels alone need none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from visus.draw.instances import sure_keypoints
from visus.errors import VisusError
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

if TYPE_CHECKING:
    from visus.predict.result import Result

Labels = dict[str, Any]
"""FiftyOne's labels by the ending of their field's name: empty for the first, such as ``_keypoints`` for others."""


def as_fiftyone(prediction: Any, schema: Schema) -> Labels:
    """A prediction as labels of FiftyOne, by the ending of their field's name.

    Objects are ``Detections`` under ``""``, with ``Keypoints`` under ``"_keypoints"`` where there are some; the pixels
    of an image a ``Segmentation``, whose numbers are labels; its class a ``Classification``, with the box of its object
    under ``"_box"`` where there is one.

    Raises:
        VisusError: fiftyone is not installed, or has no such label.
    """
    convert = row(FIFTYONE, prediction, "FiftyOne")
    try:
        import fiftyone.core.labels as package
    except ModuleNotFoundError as error:
        raise VisusError("labels of FiftyOne need the package: pip install fiftyone") from error
    return convert(package, prediction, schema)


def fiftyone_dataset(results: Iterable[Result], *, name: str | None = None, field: str = "predictions") -> Any:
    """A data set of FiftyOne with a sample for each image that lies in a file.

    Args:
        results: of `visus.predict`, such as those of a folder.
        name: of the data set; FiftyOne names it when None.
        field: of the samples that holds what was predicted.

    Raises:
        VisusError: fiftyone is not installed, has no such label, or a result is of no file.
    """
    try:
        import fiftyone
    except ModuleNotFoundError as error:
        raise VisusError("data sets of FiftyOne need the package: pip install fiftyone") from error
    samples, targets = [], dict[int, str]()
    for result in results:
        if not result.path or result.details:
            raise VisusError(f"{result.name}: a sample of FiftyOne is an image file, and this image is none")
        labels = {field + ending: label for ending, label in as_fiftyone(result.prediction, result.schema).items()}
        samples.append(fiftyone.Sample(filepath=result.path, **labels))
        targets = dict(enumerate(result.names))
    dataset = fiftyone.Dataset(name)
    dataset.default_mask_targets = targets
    dataset.add_samples(samples)
    return dataset


def _objects(package: Any, prediction: InstancePrediction, schema: Schema) -> Labels:
    height, width = prediction.size
    found, points = [], []
    for place, (box, label, score) in enumerate(
        zip(prediction.boxes_xyxy.tolist(), prediction.labels.tolist(), prediction.scores.tolist(), strict=True)
    ):
        about = {"label": schema.categories[label], "confidence": score}
        mask = None if prediction.masks is None else _part(prediction.masks[place], box)
        found.append(package.Detection(bounding_box=_shares(box, width, height), mask=mask, **about))
        pairs = sure_keypoints(prediction, place)
        if pairs:
            shares = [(x / width, y / height) if v else (math.nan, math.nan) for x, y, v in pairs]
            points.append(package.Keypoint(label=about["label"], points=shares))
    labels: Labels = {"": package.Detections(detections=found)}
    if prediction.keypoints_xyv is not None:
        labels["_keypoints"] = package.Keypoints(keypoints=points)
    return labels


def _part(mask: Tensor, box: list[float]) -> Any:
    """The pixels of a mask that the box touches; None where it touches none."""
    height, width = mask.shape
    left, top = max(math.floor(box[0]), 0), max(math.floor(box[1]), 0)
    right, bottom = min(math.ceil(box[2]), width), min(math.ceil(box[3]), height)
    part = (mask[top:bottom, left:right] > 0.5).numpy()
    return part if part.size else None


def _shares(box: list[float], width: int, height: int) -> list[float]:
    """Left, top, width and height as shares of the image."""
    left, top, right, bottom = box
    return [left / width, top / height, (right - left) / width, (bottom - top) / height]


def _pixels(package: Any, prediction: SemanticPrediction, schema: Schema) -> Labels:
    return {"": package.Segmentation(mask=prediction.labels.numpy().astype(np.uint8))}


def _classes(package: Any, prediction: ClassPrediction, schema: Schema) -> Labels:
    name, score = schema.categories[int(prediction.labels[0])], float(prediction.scores[0])
    labels: Labels = {"": package.Classification(label=name, confidence=score)}
    if prediction.box_xyxy is not None and len(prediction.size) == 2:
        height, width = prediction.size
        box = _shares(prediction.box_xyxy.tolist(), width, height)
        labels["_box"] = package.Detections(detections=[package.Detection(label=name, bounding_box=box)])
    return labels


def _none(package: Any, prediction: Any, schema: Schema) -> Labels:
    raise VisusError(f"FiftyOne has no label for a {type(prediction).__name__}; use to_dict()")


FIFTYONE: dict[type, Callable[[Any, Any, Schema], Labels]] = {
    InstancePrediction: _objects,
    SemanticPrediction: _pixels,
    ClassPrediction: _classes,
    EmbeddingPrediction: _none,
    EpisodePrediction: _none,
    PartPrediction: _none,
    ImagePrediction: _none,
    GraphPrediction: lambda package, prediction, schema: _objects(package, prediction.objects, schema),
}
"""What becomes of each kind of prediction."""
