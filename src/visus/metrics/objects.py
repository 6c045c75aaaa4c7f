"""How well objects are found at one least score: F1, precision, recall, and which least score is the best.

Average precision looks at all scores at once; whoever uses a detector has to choose one. Objects are matched by their
masks, or where there are none by their boxes, at an IoU of a half (`object_matches`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from visus.metrics.by_image import ImageRecords, check_frame
from visus.metrics.metric import Measure
from visus.metrics.object_confusion import object_confusion
from visus.metrics.object_matches import ObjectMatches, match_objects
from visus.metrics.score_curves import ScoreCurves, score_curves
from visus.types import Batch, InstancePrediction, InstanceTarget, Schema


class ObjectMetric(ImageRecords):
    """F1, precision and recall over batches and processes, as means over the categories that are annotated.

    ``compute`` returns ``F1``, ``precision``, ``recall`` and the ``score threshold`` that they were measured at: the
    one with the largest mean F1, unless it is given.

    Args:
        schema: the names of the categories.
        threshold: a least score that was chosen on other data, such as that of validation for test data.
    """

    def __init__(self, schema: Schema, *, threshold: float | None = None) -> None:
        super().__init__()
        self.schema = schema
        self.threshold = threshold
        self._curves: ScoreCurves | None = None

    @property
    def measures(self) -> Mapping[str, Measure]:
        """F1 comes first."""
        shares = {name: Measure(headline=name == "F1") for name in ("F1", "precision", "recall")}
        return {**shares, "score threshold": Measure(unit="number", curve=False)}

    def update(self, predictions: Sequence[InstancePrediction], batch: Batch) -> None:
        """Adds images: what was found in each, and what it holds, both in the pixels of the target's ``size``.

        Raises:
            ValueError: where sizes differ, or two images share an ``image_id``.
        """
        self._curves = None
        for prediction, target in zip(predictions, map(self.identified, batch.targets), strict=True):
            check_frame(prediction, target)
            self.add(target.image_id, _Image(match_objects(prediction, target), _annotations(target)))

    def compute(self) -> dict[str, float]:
        """The numbers; -1 where nothing is annotated, nan for a threshold where nothing was found."""
        self._curves = score_curves(self._matches(), self.schema.categories, threshold=self.threshold)
        values = self._curves.at(self._curves.threshold)
        if math.isnan(self._curves.threshold) and self._curves.objects.any():
            values = {"precision": np.full(1, np.nan), "recall": np.zeros(1), "F1": np.zeros(1)}
        numbers = {name: _mean(values[name]) for name in ("F1", "precision", "recall")}
        return numbers | {"score threshold": self._curves.threshold if self._curves.objects.any() else math.nan}

    def details(self) -> list[Any]:
        """The curves of each category, and what is taken for what.

        Raises:
            RuntimeError: before ``compute``. It is not called here because all processes have to take part in it.
        """
        if self._curves is None:
            raise RuntimeError("there is no result: call compute() first")
        threshold = self._curves.threshold
        return [self._curves, object_confusion(self._matches(), self.schema.num_classes, threshold=threshold)]

    def qualities(self, threshold: float) -> list[float]:
        """How good the prediction of each image is, in the order in which they came; see `ObjectMatches.quality`."""
        return [record.matches.quality(threshold) for record in self._images.values()]

    def reset(self) -> None:
        """Forgets all images."""
        super().reset()
        self._curves = None

    def same_image(self, known: _Image, record: _Image) -> bool:
        """Whether two records hold the same annotations."""
        return known.annotations == record.annotations

    def same_prediction(self, known: _Image, record: _Image) -> bool:
        """Whether two records hold the same detections, and they found the same."""
        return all(
            np.array_equal(getattr(known.matches, one.name), getattr(record.matches, one.name))
            for one in fields(ObjectMatches)
        )

    def _matches(self) -> list[ObjectMatches]:
        return [record.matches for record in self.records().values()]


@dataclass(frozen=True)
class _Image:
    """What was found in an image, and what is annotated there, to tell images apart."""

    matches: ObjectMatches
    annotations: bytes


def _annotations(target: InstanceTarget) -> bytes:
    masks = () if target.masks is None else (target.masks.flatten(1).sum(1),)
    parts = (target.boxes_xyxy, target.labels, target.is_crowd, *masks)
    return b"".join(part.cpu().numpy().tobytes() for part in parts)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else -1.0
