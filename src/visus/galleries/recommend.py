"""Items for somebody: like what was liked, not what was seen, and not all the same.

The candidates are the entries nearest to the likes (less the dislikes, see `visus.galleries.queries`). From them the
answer is chosen one after the other by maximal marginal relevance (`visus.ops.recommend`), where the relevance of a
candidate is its cosine to what is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from visus.galleries.screens import ScanTable
from visus.ops.recommend import maximal_marginal_relevance

CANDIDATES: Final = 10
"""Candidates for each place of the answer."""


@dataclass(frozen=True)
class Wishes:
    """How an answer is chosen from the candidates.

    Args:
        k: places.
        diversity: 0 takes the nearest, 1 looks at nothing but variety.
        duplicate: candidates with this cosine to something liked, disliked or chosen are left out.
        decay: of a history, the oldest first: what each step into the past counts by, 0 to 1; 1 counts all alike.
    """

    k: int = 10
    diversity: float = 0.3
    duplicate: float = 0.97
    decay: float = 1.0


def recommended(
    table: ScanTable,
    rows: Int64[Tensor, " n"],
    wanted: Float[Tensor, " d"],
    liked: Float[Tensor, "l d"],
    known: Float[Tensor, "m d"],
    wishes: Wishes,
) -> tuple[Int64[Tensor, " k"], Float64[Tensor, " k"], Int64[Tensor, " k"]]:
    """The chosen of the candidates, their cosines to what is wanted, and the row of ``liked`` that each is most like.

    Args:
        table: the entries.
        rows: of the candidates.
        wanted: the vector that they should be like.
        liked: what was liked.
        known: what was liked or disliked.
        wishes: how to choose.
    """
    vectors = _directions(table.vectors[rows])
    relevance = vectors @ _directions(wanted[None])[0]
    new = (vectors @ _directions(known).T).amax(1) < wishes.duplicate
    picked, _ = maximal_marginal_relevance(
        vectors, relevance, k=wishes.k, diversity=wishes.diversity, allowed=new, duplicate=wishes.duplicate
    )
    return rows[picked], relevance[picked], (vectors[picked] @ _directions(liked).T).argmax(1)


def _directions(vectors: Tensor) -> Float64[Tensor, "n d"]:
    return torch.nn.functional.normalize(vectors.double(), dim=1, eps=1e-300)
