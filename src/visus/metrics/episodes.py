"""Accuracy over tasks of few-shot learning, with its 95 % interval and the protocol that it belongs to.

The mean over tasks of the share of queries that get their class, and half the width of the interval of that mean, 1.96
standard errors, as in Vinyals et al., arXiv 1606.04080, and Finn et al., arXiv 1703.03400.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from visus.metrics.by_image import ImageRecords, check_frame
from visus.metrics.metric import Measure
from visus.types import Batch, EpisodePrediction, EpisodeTarget

Z95 = 1.96


@dataclass(frozen=True)
class _Judged:
    """What is remembered of a task: how many queries there were and how many were right, and its protocol."""

    right: int
    queries: int
    n_way: int
    k_shot: int
    transductive: bool


class EpisodeMetric(ImageRecords):
    """Accuracy over tasks and processes.

    ``compute`` returns ``accuracy`` and ``95 % interval`` (plus or minus), and beside them the protocol: how many
    ``tasks`` of how many classes (``n_way``), labelled images (``k_shot``) and ``queries``, and whether a query was
    judged with the others in view (``transductive``, 1 or 0). -1 or NaN where there is nothing to measure.
    """

    @property
    def measures(self) -> Mapping[str, Measure]:
        """Accuracy comes first; all belong together."""
        protocol = ("tasks", "n_way", "k_shot", "queries", "transductive")
        return {
            "accuracy": Measure(headline=True, row="accuracy", column="mean"),
            "95 % interval": Measure(headline=True, smaller_is_better=True, row="accuracy", column="±"),
            **{
                name: Measure(unit="number", headline=True, curve=False, row="accuracy", column=name)
                for name in protocol
            },
        }

    def update(self, predictions: Sequence[EpisodePrediction], batch: Batch) -> None:
        """Adds tasks.

        Raises:
            ValueError: sizes differ, or two tasks share an ``image_id``.
        """
        for prediction, target in zip(predictions, map(self.identified, batch.targets), strict=True):
            self.add(target.image_id, _judged(prediction, target))

    def compute(self) -> dict[str, float]:
        """Every number by its name, of all tasks that were added in any process."""
        tasks: list[_Judged] = list(self.records().values())
        if not tasks:
            return {name: -1.0 if one.unit == "share" else math.nan for name, one in self.measures.items()}
        shares = [task.right / task.queries for task in tasks]
        mean = math.fsum(shares) / len(shares)
        variance = math.fsum((share - mean) ** 2 for share in shares) / max(1, len(shares) - 1)
        return {
            "accuracy": mean,
            "95 % interval": Z95 * math.sqrt(variance / len(shares)),
            "tasks": float(len(tasks)),
            "n_way": float(tasks[0].n_way),
            "k_shot": float(tasks[0].k_shot),
            "queries": float(tasks[0].queries),
            "transductive": float(tasks[0].transductive),
        }


def _judged(prediction: EpisodePrediction, target: EpisodeTarget) -> _Judged:
    check_frame(prediction, target)
    if len(prediction) != len(target):
        raise ValueError(f"task {target.image_id}: {len(prediction)} predictions for {len(target)} queries")
    right = int((prediction.labels.cpu() == target.labels.cpu()).sum())
    return _Judged(right, len(target), len(target.classes), target.k_shot, prediction.transductive)
