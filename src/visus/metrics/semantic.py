"""Measures of semantic segmentation, all but one read from the confusion matrix of the pixels.

With n[i, j] pixels of class i that are predicted as class j (Long, Shelhamer and Darrell, "Fully convolutional networks
for semantic segmentation", CVPR 2015, section 5):

- pixel accuracy: the sum of n[i, i] over the sum of all n;
- mean class accuracy: the mean of `class_accuracy` over the classes that are annotated anywhere;
- mIoU: the mean of `class_iou` over the classes that are annotated or predicted anywhere.

A class that is neither has nothing to measure: its number is -1, and no mean counts it. Pixels labelled `VOID` never
count. The boundary F1 is explained in `visus.metrics.boundary`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor

from visus.metrics.boundary import TOLERANCE, boundary_f1
from visus.metrics.confusion import ConfusionMetric, class_accuracy, class_iou, confusion_counts, mean_known
from visus.metrics.metric import Measure
from visus.types import VOID, Batch, Schema, SemanticPrediction, SemanticTarget

_VALUES = 256  # of a uint8


def pixel_confusion(
    prediction: UInt8[Tensor, "h w"], target: UInt8[Tensor, "h w"], num_classes: int
) -> Int64[Tensor, "c c"]:
    """Counts the pixels of one image: rows are the true classes, columns the predicted ones; `VOID` is left out.

    Raises:
        ValueError: where a label, other than `VOID` in the target, is not below ``num_classes``.
    """
    target, prediction = _bytes(target, "the target"), _bytes(prediction, "the prediction")
    # Counting all pairs of two bytes needs no pass that picks the valid pixels, and finds the labels that are wrong.
    counts = confusion_counts(target.flatten().int(), prediction.flatten(), _VALUES)
    _check_labels(counts, num_classes)
    return counts[:num_classes, :num_classes]


class SemanticMetric(ConfusionMetric):
    """ "mIoU", "pixel accuracy", "mean class accuracy" and "boundary F1" over batches and processes.

    A number is -1 where there is nothing to measure. The boundary F1 is averaged over the classes of each image, then
    over the images. In data that draw a void line around every object no border is left to measure; turn it off there.

    Args:
        schema: the names of the classes.
        boundary: whether the boundary F1 is measured, which takes ten times as long as all else.
        boundary_tolerance: how far a border may be off, as a share of the image's diagonal.
    """

    def __init__(self, schema: Schema, *, boundary: bool = True, boundary_tolerance: float = TOLERANCE) -> None:
        super().__init__(schema)
        self.boundary = boundary
        self.boundary_tolerance = boundary_tolerance

    @property
    def measures(self) -> Mapping[str, Measure]:
        """The mIoU comes first."""
        names = ("mIoU", "pixel accuracy", "mean class accuracy", *(("boundary F1",) if self.boundary else ()))
        return {name: Measure(headline=True) for name in names}

    def update(self, predictions: Sequence[SemanticPrediction], batch: Batch) -> None:
        """Adds images: the classes found, and those annotated, of the same pixels.

        Raises:
            ValueError: where sizes differ, a label names no class, or two images share an ``image_id``.
        """
        classes = self.schema.num_classes
        for prediction, target in zip(predictions, map(self.identified, batch.targets), strict=True):
            found, true = _comparable(prediction, target)
            try:
                confusion = pixel_confusion(found, true, classes)
            except ValueError as error:
                raise ValueError(f"image {target.image_id}: {error}") from error
            score = None
            if self.boundary:
                score = float(boundary_f1(found, true, classes, tolerance=self.boundary_tolerance).nanmean())
            self.add(target.image_id, _SegmentedImage.of(confusion, true, score))

    def compute(self) -> dict[str, float]:
        """Every number by its name; the first decides which weights are best."""
        images: list[_SegmentedImage] = list(self.records().values())
        self._confusion = confusion = _summed(images, self.schema.num_classes)
        numbers = {
            "mIoU": mean_known(class_iou(confusion)),
            "pixel accuracy": mean_known(confusion.diagonal().sum().double()[None] / confusion.sum()),
            "mean class accuracy": mean_known(class_accuracy(confusion)),
        }
        if self.boundary:
            numbers["boundary F1"] = mean_known(torch.tensor([image.boundary for image in images], dtype=torch.float64))
        return numbers

    def of_classes(self, confusion: Int64[Tensor, "c c"]) -> Mapping[str, Float[Tensor, " c"]]:
        """The "IoU" and the "accuracy" of each class."""
        return {"IoU": class_iou(confusion), **super().of_classes(confusion)}

    def same_image(self, known: _SegmentedImage, record: _SegmentedImage) -> bool:
        """Whether two records hold as many pixels of every class."""
        return known.true == record.true

    def same_prediction(self, known: _SegmentedImage, record: _SegmentedImage) -> bool:
        """Whether two records hold as many pixels of every pair of classes."""
        return np.array_equal(known.cells, record.cells) and np.array_equal(known.counts, record.counts)


@dataclass(frozen=True)
class _SegmentedImage:
    """One image: its size and pixels of each class, and the entries of its confusion matrix that are not 0."""

    true: tuple[int, ...]
    cells: NDArray[np.int32]
    counts: NDArray[np.int64]
    boundary: float | None

    @staticmethod
    def of(confusion: Tensor, target: Tensor, boundary: float | None) -> _SegmentedImage:
        flat = confusion.flatten()
        cells = flat.nonzero().flatten()
        true = (*target.shape, *confusion.sum(1).tolist())
        return _SegmentedImage(true, cells.int().numpy(), flat[cells].numpy(), boundary)


def _comparable(prediction: SemanticPrediction, target: SemanticTarget) -> tuple[Tensor, Tensor]:
    """The two label maps on the CPU."""
    found, true = prediction.labels.cpu(), target.labels.cpu()
    if found.shape != true.shape:
        raise ValueError(
            f"image {target.image_id}: the prediction has {tuple(found.shape)} pixels (h, w), the target "
            f"{tuple(true.shape)}; call postprocess with the sizes of the targets"
        )
    return _bytes(found, f"image {target.image_id}: the prediction"), _bytes(
        true, f"image {target.image_id}: the target"
    )


def _bytes(labels: Tensor, name: str) -> Tensor:
    """Labels of any type as bytes.

    Raises:
        ValueError: they are no whole numbers, or some do not fit.
    """
    if labels.dtype == torch.uint8:
        return labels
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"{name} has labels of {labels.dtype}: they must be whole numbers")
    wrong = labels[(labels < 0) | (labels >= _VALUES)]
    if len(wrong):
        raise ValueError(f"{name} holds label {int(wrong[0])}: labels count from 0, and {VOID} is where nothing counts")
    return labels.byte()


def _check_labels(counts: Tensor, num_classes: int) -> None:
    wrong_true = counts[num_classes:VOID].sum(1).nonzero()
    if len(wrong_true):
        raise ValueError(
            f"the target holds label {int(wrong_true[0]) + num_classes}, but there are {num_classes} classes (labels 0 "
            f"to {num_classes - 1}, and {VOID} where nothing counts)"
        )
    wrong_found = counts[:num_classes, num_classes:].sum(0).nonzero()
    if len(wrong_found):
        raise ValueError(
            f"the prediction holds label {int(wrong_found[0]) + num_classes}, but there are {num_classes} classes"
        )


def _summed(images: list[_SegmentedImage], num_classes: int) -> Int64[Tensor, "c c"]:
    total = np.zeros(num_classes * num_classes, dtype=np.int64)
    for image in images:
        total[image.cells] += image.counts  # no cell occurs twice in an image
    return torch.from_numpy(total).view(num_classes, num_classes)
