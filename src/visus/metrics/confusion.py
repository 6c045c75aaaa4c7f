"""What is taken for what: confusion matrices, and what they say of each class.

With n[i, j] images or pixels of class i that are named class j: the accuracy of class i is n[i, i] over the sum of row
i, its IoU is n[i, i] over (sum of row i + sum of column i - n[i, i]).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int64, Integer
from torch import Tensor

from visus.metrics.by_image import ImageRecords
from visus.metrics.metric import ConfusionMatrix, PerCategory
from visus.types import Schema


def confusion_counts(
    true: Integer[Tensor, " n"], named: Integer[Tensor, " n"], num_classes: int
) -> Int64[Tensor, "c c"]:
    """How often each class (rows) is named each class (columns); all numbers must be below ``num_classes``."""
    pairs = true * num_classes + named
    return torch.bincount(pairs, minlength=num_classes * num_classes).view(num_classes, num_classes)


def class_accuracy(confusion: Int64[Tensor, "c c"]) -> Float[Tensor, " c"]:
    """The share of each class that is named right; nan where it is not annotated."""
    return confusion.diagonal().double() / confusion.sum(1)


def class_iou(confusion: Int64[Tensor, "c c"]) -> Float[Tensor, " c"]:
    """The IoU of each class; nan where it is neither annotated nor predicted."""
    right = confusion.diagonal().double()
    return right / (confusion.sum(0) + confusion.sum(1) - right)


def mean_known(values: Float[Tensor, " n"]) -> float:
    """The mean of what could be measured, of what is not nan; -1 where nothing could."""
    mean = float(values.nanmean())
    return mean if mean == mean else -1.0


class ConfusionMetric(ImageRecords):
    """A metric with a confusion matrix, which its ``compute`` counts anew.

    Args:
        schema: the names of the classes.
    """

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self._confusion: Tensor | None = None

    @property
    def confusion_matrix(self) -> Int64[Tensor, "c c"]:
        """True class (rows) by predicted class (columns), as the last ``compute`` counted.

        Raises:
            RuntimeError: before ``compute``. It is not called here because all processes have to take part in it.
        """
        if self._confusion is None:
            raise RuntimeError("there is no result: call compute() first")
        return self._confusion

    def of_classes(self, confusion: Int64[Tensor, "c c"]) -> Mapping[str, Float[Tensor, " c"]]:
        """What is measured of each class, by the name of the measure; nan where there is nothing to measure."""
        return {"accuracy": class_accuracy(confusion)}

    def per_category(self) -> dict[str, dict[str, float]]:
        """Each measure of each class, as of the last ``compute``; -1 where there is nothing to measure.

        Raises:
            RuntimeError: before ``compute``.
        """
        return {
            name: dict(zip(self.schema.categories, values.nan_to_num(-1.0).tolist(), strict=True))
            for name, values in self.of_classes(self.confusion_matrix).items()
        }

    def details(self) -> list[Any]:
        """The measures of each class, and what is taken for what."""
        return [PerCategory(self.per_category()), ConfusionMatrix(self.confusion_matrix)]

    def add(self, image_id: int, record: Any) -> None:
        """As for `ImageRecords`; there is no result any more."""
        self._confusion = None
        super().add(image_id, record)

    def reset(self) -> None:
        """Forgets all images."""
        super().reset()
        self._confusion = None
