"""How often the right class is named, and how often it is also found.

The measures of ILSVRC (Russakovsky et al., arXiv 1409.0575, sections 4.1 and 4.2): an image is right at k where its
class is among the first k; it is localised where the first class is right and the box overlaps the annotated one by an
IoU of more than a half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from visus.metrics.by_image import check_frame
from visus.metrics.confusion import ConfusionMetric, class_accuracy, confusion_counts, mean_known
from visus.metrics.metric import Measure
from visus.ops.boxes import box_iou
from visus.types import Batch, ClassPrediction, ClassTarget, Schema

LOCALISED = 0.5
"""A box is right whose IoU with the annotated one is above this."""


@dataclass(frozen=True)
class _Judged:
    """What is remembered of an image: its class, the classes named, best first, and the IoU of its box, if it has one.

    ``iou`` is 0 where a box is annotated and none was found.
    """

    label: int
    named: tuple[int, ...]
    iou: float | None


class ClassificationMetric(ConfusionMetric):
    """Accuracy over batches and processes.

    ``compute`` returns ``top-1``, ``top-5`` (the class is among the first 5; always 1 where there are no more), ``mean
    class accuracy`` (top-1 of each class that occurs, averaged) and, with boxes, ``localisation`` and its complement
    ``localisation error`` over the images whose box is annotated. All are shares of 1; -1 where there is nothing to
    measure.

    Args:
        schema: the names of the labels.
        boxes: whether boxes are found, too.
    """

    def __init__(self, *, schema: Schema, boxes: bool = False) -> None:
        super().__init__(schema)
        self.boxes = boxes

    @property
    def measures(self) -> Mapping[str, Measure]:
        """Top-1 comes first."""
        measures = {name: Measure(headline=True) for name in ("top-1", "top-5", "mean class accuracy")}
        if self.boxes:
            measures["localisation"] = Measure(headline=True)
            measures["localisation error"] = Measure(smaller_is_better=True, headline=True)
        return measures

    def update(self, predictions: Sequence[ClassPrediction], batch: Batch) -> None:
        """Adds images, boxes in the pixels of the target's ``size``.

        Raises:
            ValueError: sizes differ, a label is not in the schema, or two images share an ``image_id``.
        """
        for prediction, target in zip(predictions, map(self.identified, batch.targets), strict=True):
            self.add(target.image_id, self._judged(prediction, target))

    def compute(self) -> dict[str, float]:
        """Every number by its name, of all images that were added in any process."""
        judged: list[_Judged] = list(self.records().values())
        pairs = torch.tensor([(image.label, image.named[0]) for image in judged], dtype=torch.int64).view(-1, 2)
        self._confusion = confusion = confusion_counts(pairs[:, 0], pairs[:, 1], self.schema.num_classes)
        numbers = {
            "top-1": _share([image.label == image.named[0] for image in judged]),
            "top-5": _share([image.label in image.named[:5] for image in judged]),
            "mean class accuracy": mean_known(class_accuracy(confusion)),
        }
        if self.boxes:
            found = _share(
                [image.label == image.named[0] and image.iou > LOCALISED for image in judged if image.iou is not None]
            )
            numbers |= {"localisation": found, "localisation error": 1 - found if found >= 0 else -1.0}
        return numbers

    def same_image(self, known: _Judged, record: _Judged) -> bool:
        """Whether two records hold the same annotation, as far as it is remembered."""
        return known.label == record.label and (known.iou is None) == (record.iou is None)

    def _judged(self, prediction: ClassPrediction, target: ClassTarget) -> _Judged:
        label = int(target.label)
        if not 0 <= label < self.schema.num_classes:
            raise ValueError(f"image {target.image_id}: label {label} is none of {self.schema.num_classes} categories")
        named = prediction.labels.tolist()
        if not named:
            raise ValueError(f"image {target.image_id}: the prediction names no class")
        unknown = [other for other in named if not 0 <= other < self.schema.num_classes]
        if unknown:
            raise ValueError(
                f"image {target.image_id}: the prediction names label {unknown[0]}, but there are "
                f"{self.schema.num_classes} categories"
            )
        check_frame(prediction, target)
        iou = None
        if self.boxes and target.box_xyxy is not None:
            found = prediction.box_xyxy
            iou = 0.0 if found is None else float(box_iou(found[None], target.box_xyxy[None].to(found)))
        return _Judged(label, tuple(named), iou)


def _share(flags: Sequence[bool]) -> float:
    return mean_known(torch.tensor(flags, dtype=torch.float64))
