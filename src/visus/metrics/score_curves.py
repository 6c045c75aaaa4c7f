"""Precision, recall and F1 of each category over the least score that counts, and the score that they suggest.

With a least score t: precision is the share of the detections of a category that are right, recall the share of its
objects that are found, F1 their harmonic mean, 2 right / (detections + objects).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visus.metrics.object_matches import ROUNDING, ObjectMatches, Outline

THRESHOLDS = np.arange(101) / 100
"""The least scores that are looked at."""

RECALLS = np.arange(101) / 100
"""The recalls at which precision is told, as in COCO's tables."""

_Curves = NDArray[np.float64]


@dataclass(frozen=True)
class ScoreCurves:
    """Curves of each of c categories; a row is nan where nothing is annotated.

    Args:
        categories: their names.
        precision: over `THRESHOLDS` [c, 101]; nan where nothing is detected any more.
        recall: over `THRESHOLDS` [c, 101].
        f1: over `THRESHOLDS` [c, 101].
        envelope: over `RECALLS` [c, 101]: the best precision at that recall or a higher one, 0 beyond the last.
        objects: how many [c] there were to find.
        suggested: the least score of the largest mean F1; nan where nothing was found.
        threshold: the least score that was asked for, else the suggested one.
        outline: what detections and objects were compared by.
    """

    categories: tuple[str, ...]
    precision: _Curves
    recall: _Curves
    f1: _Curves
    envelope: _Curves
    objects: NDArray[np.int64]
    suggested: float
    threshold: float
    outline: Outline = "boxes"

    @property
    def mean_f1(self) -> _Curves:
        """The mean over the categories that are annotated, over `THRESHOLDS` [101]; nan where none is."""
        known = self.f1[self.objects > 0]
        return known.mean(axis=0) if len(known) else np.full(len(THRESHOLDS), np.nan)

    def at(self, threshold: float) -> dict[str, NDArray[np.float64]]:
        """Precision, recall and F1 of each category [c] at the nearest of `THRESHOLDS`; nan where that is none."""
        if math.isnan(threshold):
            return {name: np.full(len(self.objects), np.nan) for name in ("precision", "recall", "F1")}
        place = round(100 * min(max(threshold, 0.0), 1.0))
        return {"precision": self.precision[:, place], "recall": self.recall[:, place], "F1": self.f1[:, place]}


def score_curves(
    images: Sequence[ObjectMatches], categories: Sequence[str], *, threshold: float | None = None
) -> ScoreCurves:
    """Counts right and wrong detections of each category over the least score.

    Args:
        images: what was found in each.
        categories: the name of each label.
        threshold: a least score that was chosen before; None takes the suggested one.
    """
    owed = _joined([image.objects for image in images], np.int64)
    labels = _joined([image.labels[~image.ignored] for image in images], np.int64)
    scores = _joined([image.scores[~image.ignored] for image in images], np.float64)
    right = _joined([image.found[~image.ignored] >= 0 for image in images], np.bool_)
    objects = np.bincount(owed, minlength=len(categories))
    rows = [_of_category(scores[labels == c], right[labels == c], int(objects[c])) for c in range(len(categories))]
    precision, recall, f1, envelope = (np.stack(parts) for parts in zip(*rows, strict=True))
    known = f1[objects > 0]
    suggested = suggested_threshold(known.mean(axis=0)) if len(known) else math.nan
    chosen = suggested if threshold is None else threshold
    outline: Outline = "masks" if any(image.outline == "masks" for image in images) else "boxes"
    return ScoreCurves(tuple(categories), precision, recall, f1, envelope, objects, suggested, chosen, outline)


def suggested_threshold(f1: NDArray[np.float64]) -> float:
    """The score of the largest F1 over `THRESHOLDS`; of several in a row the middle one; nan where all are 0.

    >>> suggested_threshold(np.array([0.1] * 40 + [0.8] * 21 + [0.3] * 40))
    0.5
    """
    if not f1.max() > 0:
        return math.nan
    best = f1 >= f1.max() - 1e-12
    first = int(best.argmax())
    last = first + int(np.append(~best[first:], True).argmax()) - 1
    return float(THRESHOLDS[(first + last) // 2])


def _of_category(scores: NDArray[np.float64], right: NDArray[np.bool_], owed: int) -> tuple[_Curves, ...]:
    """Precision, recall and F1 over the thresholds, and precision over recall."""
    if owed == 0:
        nothing = np.full(len(THRESHOLDS), np.nan)
        return nothing, nothing, nothing, np.full(len(RECALLS), np.nan)
    order = np.argsort(-scores, kind="stable")
    scores, found = scores[order], np.cumsum(right[order])
    kept = np.searchsorted(-scores, -(THRESHOLDS - ROUNDING), side="right")  # how many each threshold keeps
    hits = np.append(0, found)[kept]
    precision = np.divide(hits, kept, out=np.full(len(kept), np.nan), where=kept > 0)
    recall, f1 = hits / owed, 2 * hits / (kept + owed)
    best = np.maximum.accumulate((found / np.arange(1, len(found) + 1))[::-1])[::-1]
    place = np.searchsorted(found, np.ceil(RECALLS * owed - 1e-9))  # the first detection that reaches each recall
    return precision, recall, f1, np.append(best, 0.0)[place]


def _joined(parts: Sequence[NDArray[np.generic]], dtype: type[np.generic]) -> NDArray[np.generic]:
    return np.concatenate([np.zeros(0, dtype=dtype), *parts])
