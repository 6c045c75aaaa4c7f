"""Whether an answer means anything: scores against those that different entries have among each other.

How near a query is to whatever it is compared with differs from query to query, so a fixed limit on scores fails. Here
a score counts by how far it lies above the scores of the same query to a cohort, a sample of the gallery, in standard
deviations of those: the Z-norm of speaker verification (Auckenthaler et al. 2000, section 2). The same is done for each
entry of the cohort against the others, and that gives the law of chance: the exponential that fits the upper tail of
these standardised scores (the excess above their 90 % point, those above the 99 % point, among which may be images of
one thing, counted but not measured). By it follows in what share of queries that have nothing alike the best score of n
entries is as high.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from visus.galleries.scan import ScanTable, lengths_of

CHANCE: Final = 0.05
"""Queries with nothing alike in the gallery of which something is taken for alike nevertheless, as a share."""

COHORT: Final = 512
_LEAST = 20  # entries, below which nothing is said
_FROM, _TO = 0.90, 0.99


@dataclass(frozen=True)
class Calibration:
    """What different entries of a gallery look like to each other.

    Args:
        cohort: a sample of the entries' vectors.
        start: the standardised score where the tail begins.
        scale: of the exponential that the tail is.
        entries: in the gallery.
        closeness: what is near.
    """

    cohort: Float[Tensor, "m d"]
    start: float
    scale: float
    entries: int
    closeness: str

    def standardised(self, query: Float[Tensor, " d"], scores: Float64[Tensor, " k"]) -> Float64[Tensor, " k"]:
        """Scores of a query, in standard deviations of its scores to the cohort above their mean; larger is nearer."""
        own = _scores(query[None], self.cohort, self.closeness)[0]
        sign = 1.0 if self.closeness == "cosine" else -1.0
        return (sign * scores - own.mean()) / own.std().clamp(min=1e-12)

    def by_chance(self, query: Float[Tensor, " d"], scores: Float64[Tensor, " k"]) -> Float64[Tensor, " k"]:
        """The share of queries with nothing alike that would have a best score as high as each of these."""
        above = (self.standardised(query, scores) - self.start) / self.scale
        each = (1 - _FROM) * torch.exp(-above.clamp(min=0))
        return -torch.expm1(self.entries * torch.log1p(-each.clamp(max=1 - 1e-9)))

    def typical_limit(self) -> float:
        """The score that an entry of middling spread reaches by chance in a share `CHANCE` of the cases."""
        each = -math.expm1(math.log1p(-CHANCE) / self.entries)
        standardised = self.start + self.scale * math.log((1 - _FROM) / each)
        scores = _scores(self.cohort, self.cohort, self.closeness)
        others = scores[~torch.eye(len(scores), dtype=torch.bool)].view(len(scores), -1)
        limit = float((others.mean(1) + standardised * others.std(1)).median())
        return limit if self.closeness == "cosine" else -limit


def calibrate(table: ScanTable) -> Calibration | None:
    """The calibration of a gallery; None where it has too few entries to say anything."""
    if len(table) < _LEAST:
        return None
    generator = torch.Generator().manual_seed(0)
    rows = torch.randperm(len(table), generator=generator)[:COHORT].sort().values
    cohort = table.vectors[rows].clone()
    scores = _scores(cohort, cohort, table.closeness)
    others = scores[~torch.eye(len(rows), dtype=torch.bool)].view(len(rows), -1)
    spread = others.std(dim=1, keepdim=True).clamp(min=1e-12)
    values = ((others - others.mean(dim=1, keepdim=True)) / spread).flatten().sort().values
    start, end = float(values[int(_FROM * len(values))]), float(values[int(_TO * len(values))])
    tail = values[int(_FROM * len(values)) :]
    measured = tail[tail < end]
    excess = float((measured - start).sum()) + (len(tail) - len(measured)) * (end - start)
    scale = max(excess / max(len(measured), 1), 1e-6)
    return Calibration(cohort, start, scale if math.isfinite(scale) else 1.0, len(table), table.closeness)


def _scores(queries: Tensor, others: Tensor, closeness: str) -> Float64[Tensor, "q m"]:
    """Larger is nearer."""
    if closeness == "euclidean":
        return -torch.cdist(queries.double(), others.double())
    one, two = (
        side.double() / lengths_of(side)[:, None].clamp(min=torch.finfo(torch.float64).tiny)
        for side in (queries, others)
    )
    return one @ two.T
