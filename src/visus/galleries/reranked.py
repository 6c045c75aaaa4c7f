"""The answer of a search, ordered anew by k-reciprocal neighbours (`visus.ops.reranking`).

The nearest `AMONG` entries and the query are re-ranked among each other, so a search of a large gallery costs no more
than one of a thousand entries; a gallery of no more is re-ranked whole, as in the paper.
"""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from visus.galleries.screens import ScanTable, directions, lengths_of
from visus.ops.reranking import Reranked

AMONG: Final = 1000
"""Entries that are re-ranked."""


def reranked(
    table: ScanTable, query: Float[Tensor, " d"], rows: Int64[Tensor, " n"], k: int
) -> tuple[Int64[Tensor, " k"], Float64[Tensor, " k"]]:
    """Places of the first ``k`` of rows after re-ranking, and their distances, 0 to 1.

    Args:
        table: the entries.
        query: its vector.
        rows: of the nearest entries, the nearest first.
        k: how many.
    """
    vectors = torch.cat([query[None].float(), table.vectors[rows]])
    points = directions(vectors, lengths_of(vectors), table.closeness).double()
    found = Reranked(points).distances(torch.zeros(1, dtype=torch.int64), torch.arange(1, len(points)))[0]
    order = found.argsort(stable=True)[:k]
    return order, found[order].double()
