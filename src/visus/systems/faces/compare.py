"""Whose face it is: two faces compared, and faces among enrolled people, or of nobody who is enrolled.

Pure functions on embeddings, whatever they are of; the measure is the Euclidean distance.
`visus.metrics.verification.threshold_at` chooses a threshold on faces of one's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

UNKNOWN: Final = -1
"""The person of a face that is nobody's who is enrolled."""

USUAL: Final = 0.6
"""The distance under which the published embedding holds two faces to be one person's."""


@dataclass(frozen=True)
class Verification:
    """Whether two faces are one person's, and how far apart they are."""

    same: bool
    distance: float


@dataclass(frozen=True)
class Identification:
    """Of each query: the person, `UNKNOWN` beyond the threshold; the distance to the nearest enrolled face and its
    index; and the person of that face whatever the distance."""

    people: Int64[Tensor, " q"]
    distances: Float[Tensor, " q"]
    nearest: Int64[Tensor, " q"]
    candidates: Int64[Tensor, " q"]


def verify(first: Float[Tensor, " d"], second: Float[Tensor, " d"], *, threshold: float = USUAL) -> Verification:
    """Whether two faces are one person's: nearer than the threshold.

    Raises:
        ValueError: an embedding is NaN or infinite.
    """
    distance = float((_finite(first) - _finite(second)).norm())
    return Verification(distance < threshold, distance)


def identify(
    queries: Float[Tensor, "q d"],
    enrolled: Float[Tensor, "n d"],
    people: Int64[Tensor, " n"],
    *,
    threshold: float = USUAL,
) -> Identification:
    """The person of the nearest enrolled face, `UNKNOWN` where none is nearer than the threshold.

    A person may be enrolled with any number of faces; each counts for itself, so that one bad picture does not move the
    others. Of faces at the same distance the first counts.

    Args:
        queries: faces to be named.
        enrolled: faces of known people.
        people: whose they are, from 0 on.
        threshold: the least distance that is too far.

    Raises:
        ValueError: nobody is enrolled, a person is below 0, or an embedding is NaN or infinite.
    """
    if not len(enrolled):
        raise ValueError("nobody is enrolled: enrol at least one face")
    if bool((people < 0).any()):
        raise ValueError(f"people count from 0, and {UNKNOWN} is nobody; one is {int(people.min())}")
    # Differences, not products: near faces would lose their last digits.
    distances = torch.cdist(_finite(queries), _finite(enrolled), compute_mode="donot_use_mm_for_euclid_dist")
    smallest, nearest = distances.min(dim=1)
    candidates = people[nearest]
    known = torch.where(smallest < threshold, candidates, torch.full_like(candidates, UNKNOWN))
    return Identification(known, smallest, nearest, candidates)


def _finite(embeddings: Tensor) -> Tensor:
    if not bool(embeddings.isfinite().all()):
        raise ValueError("an embedding is NaN or infinite")
    return embeddings
