"""The base of every metric: what it measures, what its numbers mean, and what it knows beyond numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torchmetrics
from jaxtyping import Int64
from torch import Tensor

from visus.types import Batch

Unit = Literal["share", "number"]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What one number of a metric means. Reports, terminals and checkpoints read this and guess nothing from names.

    Args:
        unit: a ``share`` of 1 is shown in hundredths, and below 0 there was nothing to measure; a ``number`` is shown
            as it is, and NaN where there was nothing to measure.
        smaller_is_better: whether less is better, as of errors.
        headline: whether it is among the numbers to look at first. The first headline picks the best weights.
        curve: whether it is drawn over the time of training.
        row: the row of a table that it belongs to ("box"); empty where it stands alone.
        column: its column there ("AP50").
    """

    unit: Unit = "share"
    smaller_is_better: bool = False
    headline: bool = False
    curve: bool = True
    row: str = ""
    column: str = ""

    def known(self, value: float | None) -> bool:
        """Whether there was something to measure."""
        return value is not None and not math.isnan(value) and (self.unit != "share" or value >= 0)

    def merit(self, value: float) -> float:
        """A number that grows as the measure gets better; minus infinity where there was nothing to measure."""
        return -math.inf if not self.known(value) else -value if self.smaller_is_better else value

    def text(self, value: float | None) -> str:
        """The value as it is shown: a share in hundredths, a dash where there was nothing to measure."""
        if value is None or not self.known(value):
            return "–"
        return f"{100 * value:.1f}" if self.unit == "share" else f"{value:.4g}"


LOSS = Measure(unit="number", smaller_is_better=True)
"""What the value of a loss means."""


@dataclass(frozen=True)
class PerCategory:
    """Some measures of each category: by the measure's name, then by the category's."""

    values: dict[str, dict[str, float]]


@dataclass(frozen=True)
class ConfusionMatrix:
    """How many images or pixels of each class (rows) were taken for each class (columns)."""

    counts: Int64[Tensor, "c c"]


class Metric(torchmetrics.Metric):
    """Measures predictions against batches; ``compute`` gives named numbers, which `measures` explains."""

    is_differentiable = False
    full_state_update = True  # the numbers of one batch cannot be merged into those of all

    @property
    def given(self) -> bool:
        """Whether predictions are made of what targets give, such as boxes: evaluation then shows the model targets."""
        return False

    @property
    def measures(self) -> Mapping[str, Measure]:
        """What each number of ``compute`` means, in the order in which they are shown."""
        raise NotImplementedError(f"{type(self).__name__} must say what its numbers mean")

    def update(self, predictions: Sequence[Any], batch: Batch) -> None:
        """Takes the predictions of a batch, in its order."""
        raise NotImplementedError

    def compute(self) -> dict[str, float]:
        """The numbers of all that was taken, by any process."""
        raise NotImplementedError

    def measure_all(self, *, inputs: int, num_classes: int) -> None:
        """Also compute, from now on, what is too slow for every validation; called before the last evaluation.

        Args:
            inputs: how many there will be.
            num_classes: of the data.
        """

    def details(self) -> list[Any]:
        """What the last ``compute`` found beyond numbers, such as `PerCategory`; reports show each by its type."""
        return []


def headlines(measures: Mapping[str, Measure]) -> list[str]:
    """The names of the measures to look at first; the first of all where none is marked."""
    return [name for name, measure in measures.items() if measure.headline] or list(measures)[:1]
