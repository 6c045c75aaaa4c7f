"""How often the right class of a shape is named: of all shapes, and of each class.

Both numbers come from one confusion matrix over all shapes, not from means over batches, which a short last batch would
weigh too much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from visus.metrics.confusion import ConfusionMetric, class_accuracy, confusion_counts, mean_known
from visus.metrics.metric import Measure
from visus.types import Batch, ClassPrediction, Schema


class ShapeMetric(ConfusionMetric):
    """``overall accuracy`` and ``mean class accuracy``, shares of 1; -1 where there is nothing to measure.

    Args:
        schema: the names of the labels.
    """

    def __init__(self, *, schema: Schema) -> None:
        super().__init__(schema)

    @property
    def measures(self) -> Mapping[str, Measure]:
        """The overall accuracy comes first."""
        return {name: Measure(headline=True) for name in ("overall accuracy", "mean class accuracy")}

    def update(self, predictions: Sequence[ClassPrediction], batch: Batch) -> None:
        """Adds shapes.

        Raises:
            ValueError: a label is not in the schema, a prediction names no class, or two shapes share an ``image_id``.
        """
        for prediction, target in zip(predictions, map(self.identified, batch.targets), strict=True):
            if not len(prediction.labels):
                raise ValueError(f"shape {target.image_id}: the prediction names no class")
            pair = int(target.label), int(prediction.labels[0])
            if not all(0 <= label < self.schema.num_classes for label in pair):
                raise ValueError(f"shape {target.image_id}: labels {pair} of {self.schema.num_classes} categories")
            self.add(target.image_id, pair)

    def compute(self) -> dict[str, float]:
        """Both numbers."""
        pairs = torch.tensor(list(self.records().values()), dtype=torch.int64).view(-1, 2)
        self._confusion = confusion = confusion_counts(pairs[:, 0], pairs[:, 1], self.schema.num_classes)
        return {
            "overall accuracy": mean_known(confusion.diagonal().sum().double()[None] / confusion.sum()),
            "mean class accuracy": mean_known(class_accuracy(confusion)),
        }

    def same_image(self, known: tuple[int, int], record: tuple[int, int]) -> bool:
        """Whether two records have the same annotation."""
        return known[0] == record[0]
