"""How well the parts of shapes are told apart: ShapeNet's protocol (Yi et al., SIGGRAPH Asia 2016; PointNet, table 2).

The IoU of a shape is the mean over the parts that its category has, of which one that is neither annotated nor found
counts 1. A part of another category is wrong wherever it is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from visus.metrics.by_image import ImageRecords, check_frame
from visus.metrics.confusion import mean_known
from visus.metrics.metric import Measure, PerCategory
from visus.types import Batch, PartPrediction, PartTarget, Schema


@dataclass(frozen=True)
class _Judged:
    """The category of a shape, the mean IoU of its parts, and how many of its points are right."""

    label: int
    iou: float
    right: int
    points: int


class PartMetric(ImageRecords):
    """``instance mIoU`` over shapes, ``class mIoU`` over the means of categories, and ``point accuracy``.

    Args:
        schema: the categories and their parts.
    """

    def __init__(self, *, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self._by_category: dict[str, float] = {}

    @property
    def measures(self) -> Mapping[str, Measure]:
        """The mean over shapes comes first."""
        return {name: Measure(headline=True) for name in ("instance mIoU", "class mIoU", "point accuracy")}

    def update(self, predictions: Sequence[PartPrediction], batch: Batch) -> None:
        """Adds shapes.

        Raises:
            ValueError: other numbers of points, a category that the schema has not, or two shapes of one ``image_id``.
        """
        for prediction, target in zip(predictions, map(self.identified, batch.targets), strict=True):
            check_frame(prediction, target)
            self.add(target.image_id, self._judged(prediction, target))

    def compute(self) -> dict[str, float]:
        """Every number by its name."""
        judged: list[_Judged] = list(self.records().values())
        count = self.schema.num_classes
        sums, shapes = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
        for one in judged:
            sums[one.label] += one.iou
            shapes[one.label] += 1
        means = sums / shapes
        self._by_category = dict(zip(self.schema.categories, means.nan_to_num(-1.0).tolist(), strict=True))
        points = torch.tensor([[one.right, one.points] for one in judged], dtype=torch.float64).view(-1, 2).sum(dim=0)
        return {
            "instance mIoU": mean_known(sums.sum()[None] / shapes.sum()),
            "class mIoU": mean_known(means),
            "point accuracy": mean_known(points[:1] / points[1]),
        }

    def details(self) -> list[PerCategory]:
        """The mean IoU of each category, as of the last ``compute``."""
        return [PerCategory({"mIoU": self._by_category})]

    def same_image(self, known: _Judged, record: _Judged) -> bool:
        """Whether two records have the same annotation, as far as it is remembered."""
        return (known.label, known.points) == (record.label, record.points)

    def _judged(self, prediction: PartPrediction, target: PartTarget) -> _Judged:
        label = int(target.label)
        if not 0 <= label < self.schema.num_classes:
            raise ValueError(f"shape {target.image_id}: label {label} is none of {self.schema.num_classes} categories")
        found, true = prediction.labels.cpu(), target.labels.cpu()
        ious = part_ious(found, true, parts_of(self.schema, label))
        return _Judged(label, sum(ious) / len(ious) if ious else 1.0, int((found == true).sum()), len(true))


def parts_of(schema: Schema, label: int) -> range:
    """The numbers of the parts of a category."""
    of_category = dict(schema.parts)
    first = sum(len(of_category.get(name, ())) for name in schema.categories[:label])
    return range(first, first + len(of_category.get(schema.categories[label], ())))


def part_ious(found: Int64[Tensor, " p"], true: Int64[Tensor, " p"], parts: Sequence[int]) -> list[float]:
    """The IoU of each part, 1 where it is neither annotated nor found."""
    ious = []
    for part in parts:
        either = int(((found == part) | (true == part)).sum())
        ious.append(int(((found == part) & (true == part)).sum()) / either if either else 1.0)
    return ious
