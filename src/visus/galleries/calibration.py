"""Whether an answer means anything: scores against those that different entries have among each other.

How near a query is to whatever it is compared with differs from query to query, so a fixed limit on scores fails. Here
a score counts by how far it lies above the scores of the same query to a cohort, a sample of the gallery: the Z-norm of
speaker verification (Auckenthaler et al. 2000, section 2), with the median and the distance from it to the 80 % point
in place of mean and standard deviation, as some of the cohort may show what the query shows. Cosines count by their
inverse hyperbolic tangent (Fisher's z, 1921), which makes correlations nearly normal; distances by their logarithm.

The same is done for each entry of the cohort against the others. The normal distribution through the 80 % and the 93 %
point of these standardised scores is taken for chance; what lies above may be images of one thing. By it follows in
what share of queries that have nothing alike the best score of n entries is as high. Where more than 7 % of all pairs
show the same thing, such as in a gallery of ten things, this finds too little alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from visus.galleries.screens import ScanTable, lengths_of

CHANCE: Final = 0.05
"""Queries with nothing alike in the gallery of which something is taken for alike nevertheless, as a share."""

COHORT: Final = 1024
_LEAST = 20  # entries, below which nothing is said
_MIDDLE, _FROM, _TO = 0.5, 0.80, 0.93
_EPS = 1e-12


@dataclass(frozen=True)
class Calibration:
    """What different entries of a gallery look like to each other.

    Args:
        cohort: a sample of the entries' vectors.
        start: the 80 % point of the standardised scores.
        scale: the standard deviation of the normal distribution through their tail.
        entries: in the gallery.
        closeness: what is near.
    """

    cohort: Float[Tensor, "m d"]
    start: float
    scale: float
    entries: int
    closeness: str

    def standardised(self, query: Float[Tensor, " d"], scores: Float64[Tensor, " k"]) -> Float64[Tensor, " k"]:
        """How far scores of a query lie above the median of its scores to the cohort, in units of their spread."""
        middle, spread = _spread(_scores(query[None], self.cohort, self.closeness))
        return (_TRANSFORMED[self.closeness](scores) - middle[0]) / spread[0]

    def by_chance(self, query: Float[Tensor, " d"], scores: Float64[Tensor, " k"]) -> Float64[Tensor, " k"]:
        """The share of queries with nothing alike that would have a best score as high as each of these."""
        above = (self.standardised(query, scores) - self.start) / self.scale + _normal_point(_FROM)
        each = 0.5 * torch.erfc(above / math.sqrt(2))
        return -torch.expm1(self.entries * torch.log1p(-each.clamp(max=1 - 1e-9)))

    def limit_of(self, share: float) -> float:
        """The score that a share of all pairs of different entries reaches by chance, for one of middling spread."""
        standardised = self.start + self.scale * (_normal_point(1 - share) - _normal_point(_FROM))
        middle, spread = _spread(_others(self.cohort, self.closeness))
        limit = float((middle + standardised * spread).median())
        return math.tanh(limit) if self.closeness == "cosine" else math.exp(-limit)


def calibrate(table: ScanTable) -> Calibration | None:
    """The calibration of a gallery; None where it has too few entries to say anything."""
    if len(table) < _LEAST:
        return None
    generator = torch.Generator().manual_seed(0)
    rows = torch.randperm(len(table), generator=generator)[:COHORT].sort().values
    cohort = table.vectors[rows].clone()
    scores = _others(cohort, table.closeness)
    middle, spread = _spread(scores)
    values = ((scores - middle[:, None]) / spread[:, None]).flatten().sort().values
    start, end = (float(values[int(share * len(values))]) for share in (_FROM, _TO))
    scale = max((end - start) / (_normal_point(_TO) - _normal_point(_FROM)), 1e-6)
    return Calibration(cohort, start, scale, len(table), table.closeness)


def _others(cohort: Tensor, closeness: str) -> Float64[Tensor, "m l"]:
    """The scores of each entry of a cohort to the others."""
    scores = _scores(cohort, cohort, closeness)
    return scores[~torch.eye(len(scores), dtype=torch.bool)].view(len(scores), -1)


def _spread(scores: Float64[Tensor, "q m"]) -> tuple[Float64[Tensor, " q"], Float64[Tensor, " q"]]:
    """The median of each row, and the distance from it to the point where the tail begins."""
    ordered = scores.sort(dim=1).values
    middle, start = (ordered[:, int(share * (scores.shape[1] - 1))] for share in (_MIDDLE, _FROM))
    return middle, (start - middle).clamp(min=1e-9)


def _scores(queries: Tensor, others: Tensor, closeness: str) -> Float64[Tensor, "q m"]:
    """Larger is nearer."""
    if closeness == "euclidean":
        return _TRANSFORMED[closeness](torch.cdist(queries.double(), others.double()))
    tiny = torch.finfo(torch.float64).tiny
    one, two = (side.double() / lengths_of(side)[:, None].clamp(min=tiny) for side in (queries, others))
    return _TRANSFORMED[closeness](one @ two.T)


_TRANSFORMED: Final[Mapping[str, Callable[[Tensor], Tensor]]] = {
    "cosine": lambda cosines: torch.atanh(cosines.clamp(_EPS - 1, 1 - _EPS)),
    "euclidean": lambda distances: -torch.log(distances.clamp(min=_EPS)),
}


def _normal_point(share: float) -> float:
    """What a share of a standard normal distribution lies below."""
    return NormalDist().inv_cdf(share)
