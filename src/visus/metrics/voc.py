"""Pascal VOC's average precision of boxes at IoU 0.5 (Everingham et al., IJCV 2010, section 4.2, and its devkits).

Detections of a class are taken by falling score. Each looks at the object of its class and image that it overlaps most:
at an IoU of 0.5 or more it is right the first time and wrong every other time; below that it is wrong. Objects marked
difficult (`is_crowd`) are neither owed nor wrong to find. How the precision is averaged over recall changed in 2010:
"07" takes the best precision at recalls of at least 0, 0.1, ..., 1; "10+" the whole area under it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from visus.metrics.by_image import ImageRecords, check_frame
from visus.metrics.metric import Measure, PerCategory
from visus.ops.boxes import box_iou
from visus.types import Batch, InstancePrediction, InstanceTarget, Schema

RULES = ("07", "10+")
_RIGHT, _WRONG, _IGNORED = 1, 0, -1


class VocMetric(ImageRecords):
    """ "VOC AP50", the mean over classes of the average precision, over batches and processes.

    Classes of which nothing is annotated (but perhaps difficult objects) have nothing to measure: their number is -1,
    and the mean does not count them. Among equal scores the image of the lower identifier comes first.

    Args:
        schema: the names of the classes.
        rule: how precision is averaged: "07" until the challenge of 2009, "10+" since.
        inclusive: whether the right and lower edges of boxes are the last pixels inside, as in the files of VOC, so
            that a box is one pixel wider than the difference of its edges. The readers of visus do away with that.

    Raises:
        ValueError: where the rule is neither.
    """

    def __init__(self, schema: Schema, *, rule: str = "10+", inclusive: bool = False) -> None:
        super().__init__()
        if rule not in RULES:
            raise ValueError(f"rule is {rule!r}; it must be one of {', '.join(RULES)}")
        self.schema = schema
        self.rule = rule
        self.inclusive = inclusive
        self._per_category: dict[str, float] | None = None

    @property
    def measures(self) -> Mapping[str, Measure]:
        """One number."""
        return {"VOC AP50": Measure(headline=True)}

    def update(self, predictions: Sequence[InstancePrediction], batch: Batch) -> None:
        """Adds images: what was found in each, and what it holds, both in the pixels of the target's ``size``.

        Raises:
            ValueError: where sizes differ, numbers are not finite, a label is not in the schema, or two images share an
                ``image_id``.
        """
        self._per_category = None
        for prediction, target in zip(predictions, map(self.identified, batch.targets), strict=True):
            check_frame(prediction, target)
            if not prediction.scores.isfinite().all() or not prediction.boxes_xyxy.isfinite().all():
                raise ValueError(f"image {target.image_id}: the prediction holds numbers that are not finite")
            for name, labels in (("prediction", prediction.labels), ("target", target.labels)):
                wrong = labels[(labels < 0) | (labels >= self.schema.num_classes)]
                if len(wrong):
                    raise ValueError(
                        f"image {target.image_id}: the {name} holds label {int(wrong[0])}, but there are "
                        f"{self.schema.num_classes} categories"
                    )
            self.add(target.image_id, _judged(prediction.to("cpu"), target.to("cpu"), inclusive=self.inclusive))

    def compute(self) -> dict[str, float]:
        """The mean average precision, -1 where nothing is annotated."""
        images: list[_JudgedImage] = list(self.records().values())
        scores, labels, verdicts, owed = (
            np.concatenate([getattr(image, name) for image in images]) if images else np.zeros(0, dtype=np.int64)
            for name in ("scores", "labels", "verdicts", "owed")
        )
        per_category = {}
        for label, name in enumerate(self.schema.categories):
            own = labels == label
            order = np.argsort(-scores[own], kind="stable")
            per_category[name] = average_precision(verdicts[own][order], int((owed == label).sum()), self.rule)
        self._per_category = per_category
        measured = [value for value in per_category.values() if value >= 0]
        return {"VOC AP50": sum(measured) / len(measured) if measured else -1.0}

    def per_category(self) -> dict[str, dict[str, float]]:
        """The average precision of each class by its name, as the last ``compute`` measured it.

        Raises:
            RuntimeError: before ``compute``. It is not called here because all processes have to take part in it.
        """
        if self._per_category is None:
            raise RuntimeError("there is no result: call compute() first")
        return {"VOC AP50": self._per_category}

    def details(self) -> list[Any]:
        """The average precision of each category."""
        return [PerCategory(self.per_category())]

    def reset(self) -> None:
        """Forgets all images."""
        super().reset()
        self._per_category = None

    def same_image(self, known: _JudgedImage, record: _JudgedImage) -> bool:
        """Whether two records hold the same annotations."""
        return known.truth == record.truth

    def same_prediction(self, known: _JudgedImage, record: _JudgedImage) -> bool:
        """Whether two records hold the same detections."""
        return all(
            np.array_equal(getattr(known, name), getattr(record, name)) for name in ("scores", "labels", "verdicts")
        )


def average_precision(verdicts: NDArray[np.int64], owed: int, rule: str) -> float:
    """The average precision of one class.

    Args:
        verdicts: of each detection by falling score: 1 right, 0 wrong, -1 neither.
        owed: how many objects there are to find; for none the result is -1.
        rule: see `VocMetric`.
    """
    if owed == 0:
        return -1.0
    found = np.cumsum(verdicts == _RIGHT)
    precision = found / np.maximum(found + np.cumsum(verdicts == _WRONG), 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]  # the best precision at this recall or a higher one
    if rule == "07":  # recall >= k / 10 in whole numbers, where no rounding decides
        best = [envelope[10 * found >= step * owed] for step in range(11)]
        return float(sum(values.max(initial=0.0) for values in best) / 11)
    gained = np.diff(found, prepend=0) / owed
    return float((gained * envelope).sum())


@dataclass(frozen=True)
class _JudgedImage:
    """The detections of one image and what they are worth, the label of each object to find, and all its annotations.

    Whether a detection is right depends on the others of its image alone, so that images can be judged one by one.
    """

    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    verdicts: NDArray[np.int64]
    owed: NDArray[np.int64]
    truth: bytes


def _judged(prediction: InstancePrediction, target: InstanceTarget, *, inclusive: bool) -> _JudgedImage:
    prediction = prediction[prediction.scores.argsort(descending=True, stable=True)]
    last = prediction.boxes_xyxy.new_tensor([0.0, 0.0, 1.0, 1.0]) * inclusive
    overlap = box_iou(prediction.boxes_xyxy.float() + last, target.boxes_xyxy.float() + last)
    same = prediction.labels[:, None] == target.labels[None]
    truth = (target.boxes_xyxy.numpy(), target.labels.numpy(), target.is_crowd.numpy())
    return _JudgedImage(
        scores=prediction.scores.float().numpy(),
        labels=prediction.labels.numpy(),
        verdicts=_verdicts(overlap.where(same, -1.0), target.is_crowd),
        owed=target.labels[~target.is_crowd].numpy(),
        truth=b"".join(values.tobytes() for values in truth),
    )


def _verdicts(overlap: Float[Tensor, "n m"], difficult: Bool[Tensor, " m"]) -> NDArray[np.int64]:
    """Right, wrong or neither, for each detection by falling score."""
    verdicts = np.full(len(overlap), _WRONG, dtype=np.int64)
    if not overlap.numel():
        return verdicts
    best, objects = overlap.max(dim=1)
    taken: set[int] = set()
    for place, (iou, thing) in enumerate(zip(best.tolist(), objects.tolist(), strict=True)):
        if iou < 0.5:
            continue
        if difficult[thing]:
            verdicts[place] = _IGNORED
        elif thing not in taken:
            verdicts[place] = _RIGHT
            taken.add(thing)
    return verdicts
