"""k-reciprocal re-ranking (Zhong, Zheng, Cao, Li, arXiv 1701.08398), in blocks and with sparse encodings.

Two images that are each among the other's nearest are likelier right than two of which only one is. Each image is
encoded by its k1-reciprocal neighbours and theirs (equations 1 to 4), weighted by exp(-distance) (equation 7) and
averaged over its k2 nearest (equation 11); the Jaccard distance of two encodings (equation 10) is mixed with the
original one (equation 12). Nothing of n x n exists: distances are made in blocks of rows, and an encoding holds some
tens of numbers. As in the authors' code, the original distance is the squared Euclidean one as a share of the largest
in its row, and an image counts as its own nearest neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

BLOCK: Final = 1 << 24
"""Numbers that a block may hold at a time."""


PIECE: Final = 64
"""Distances of a row that are looked at together."""


@dataclass(frozen=True)
class Sparse:
    """The rows of a matrix: the columns and values of row i lie at ``starts[i]`` to ``starts[i + 1]``."""

    starts: Int64[Tensor, " n1"]
    columns: Int64[Tensor, " m"]
    values: Float[Tensor, " m"]


class Reranked:
    """The items of a search, encoded by their reciprocal neighbours.

    Args:
        embeddings: of all items, queries and gallery; the work is done on the CPU.
        k1: how far neighbours are looked at.
        k2: over how many neighbours an encoding is averaged; 1 is itself alone.
        original: the share of the original distance in the result, lambda of the paper.

    Raises:
        ValueError: an embedding is NaN or infinite, or a number is out of its range.
    """

    def __init__(self, embeddings: Float[Tensor, "n d"], *, k1: int = 20, k2: int = 6, original: float = 0.3) -> None:
        if not bool(embeddings.isfinite().all()):
            raise ValueError("an embedding is NaN or infinite")
        if k1 < 1 or not k2 >= 1 or not 0 <= original <= 1:
            raise ValueError(f"k1 and k2 are at least 1 and original lies in 0 to 1; not {k1}, {k2} and {original}")
        self.embeddings, self.original = embeddings.detach().cpu(), original
        self.squares = self.embeddings.square().sum(dim=1)
        self.nearest, self.largest = self._neighbours(max(k1 + 1, k2))
        self.encodings = self._encodings(min(k1 + 1, len(embeddings)), min(round(k1 / 2) + 1, len(embeddings)))
        if k2 > 1:
            self.encodings = _averaged(self.encodings, self.nearest[:, :k2])
        self.by_column = _transposed(self.encodings, len(embeddings))

    def distances(self, rows: Int64[Tensor, " q"], columns: Int64[Tensor, " g"]) -> Float[Tensor, "q g"]:
        """The distances of some items to others, by their places; take a block of rows at a time."""
        count = len(self.embeddings)
        jaccard = torch.empty(len(rows), len(columns), dtype=self.embeddings.dtype)
        for start in range(0, len(rows), step := max(1, BLOCK // (4 * count))):
            shared = self._shared(rows[start : start + step])
            jaccard[start : start + step] = (1 - shared / (2 - shared))[:, columns]
        squared = self._squared(rows)[:, columns] / self.largest[rows, None]
        return jaccard.mul_(1 - self.original).add_(squared, alpha=self.original)

    def _squared(self, rows: Tensor) -> Float[Tensor, "q n"]:
        """Squared distances of some items to all."""
        products = self.embeddings[rows] @ self.embeddings.T
        return products.mul_(-2).add_(self.squares).add_(self.squares[rows, None]).clamp_min_(0)

    def _neighbours(self, count: int) -> tuple[Int64[Tensor, "n k"], Float[Tensor, " n"]]:
        """The nearest items of each, itself first, and its largest distance."""
        total = len(self.embeddings)
        nearest, largest = [], []
        tiny = torch.finfo(self.embeddings.dtype).tiny
        step = max(1, BLOCK // max(total, 1))
        room = torch.empty(step, total, dtype=self.embeddings.dtype)
        for rows in torch.split(torch.arange(total), step):
            distances = room[: len(rows)]
            # The squared length of the row itself changes no order, and is added to the largest alone.
            torch.addmm(self.squares, self.embeddings[rows], self.embeddings.T, alpha=-2, out=distances)
            largest.append((distances.amax(dim=1) + self.squares[rows]).clamp_min(tiny))
            distances[torch.arange(len(rows)), rows] = -torch.inf  # nearest, whatever rounding and copies say
            nearest.append(_smallest(distances, min(count, total)))
        return torch.cat(nearest), torch.cat(largest)

    def _encodings(self, wide: int, half: int) -> Sparse:
        """Each item's reciprocal neighbours, with those of a neighbour that has most of its own among them."""
        narrow = _reciprocal(self.nearest[:, :half])
        rows, columns = [], []
        for items in torch.split(torch.arange(len(self.nearest)), max(1, BLOCK // (8 * wide * wide * half))):
            near = self.nearest[items, :wide]  # [b, wide]
            mutual = (self.nearest[near, :wide] == items[:, None, None]).any(dim=2)
            own = torch.where(mutual, near, -1)
            theirs = torch.where(narrow[near], self.nearest[near, :half], -2)  # [b, wide, half]
            inside = (theirs[..., None] == own[:, None, None, :]).any(dim=3).sum(dim=2)
            joins = mutual & (inside > 2 / 3 * narrow[near].sum(dim=2))
            joined = torch.where(joins[..., None], theirs, -1).flatten(1)
            members = torch.cat([own, joined], dim=1)  # [b, wide + wide * half]
            kept = members >= 0
            keys = torch.unique((items[:, None] * len(self.nearest) + members)[kept])
            rows.append(keys // len(self.nearest))
            columns.append(keys % len(self.nearest))
        row, column = torch.cat(rows), torch.cat(columns)
        values = (-self._pairs(row, column) / self.largest[row]).exp()
        sums = torch.zeros_like(self.squares).index_add_(0, row, values)
        return Sparse(_starts(row, len(self.nearest)), column, values / sums[row])

    def _pairs(self, rows: Tensor, columns: Tensor) -> Float[Tensor, " p"]:
        """The squared distances of pairs."""
        step = max(1, BLOCK // self.embeddings.shape[1])
        parts = [
            (self.embeddings[some] - self.embeddings[others]).square().sum(dim=1)
            for some, others in zip(torch.split(rows, step), torch.split(columns, step), strict=True)
        ]
        return torch.cat(parts)

    def _shared(self, rows: Int64[Tensor, " q"]) -> Float[Tensor, "q n"]:
        """What the encodings of some items and of all have in common: the sum of the lesser values."""
        entries, owner = _entries(self.encodings.starts, rows)
        columns, values = self.encodings.columns[entries], self.encodings.values[entries]
        others, entry = _entries(self.by_column.starts, columns)
        lesser = torch.minimum(self.by_column.values[others], values[entry])
        shared = torch.zeros(len(rows) * len(self.embeddings), dtype=self.embeddings.dtype)
        shared.index_add_(0, owner[entry] * len(self.embeddings) + self.by_column.columns[others], lesser)
        return shared.view(len(rows), -1)


def k_reciprocal_distances(
    queries: Float[Tensor, "q d"],
    gallery: Float[Tensor, "g d"],
    *,
    k1: int = 20,
    k2: int = 6,
    original: float = 0.3,
) -> Float[Tensor, "q g"]:
    """Re-ranked distances of queries to a gallery, as `Reranked` makes them; all of q x g exists.

    Args:
        queries: embeddings.
        gallery: embeddings.
        k1: see `Reranked`.
        k2: see `Reranked`.
        original: see `Reranked`.

    Raises:
        ValueError: as for `Reranked`.
    """
    reranked = Reranked(torch.cat([queries, gallery]), k1=k1, k2=k2, original=original)
    return reranked.distances(torch.arange(len(queries)), torch.arange(len(gallery)) + len(queries))


def _smallest(values: Float[Tensor, "b n"], count: int) -> Int64[Tensor, "b k"]:
    """The places of the smallest values of each row, the smallest first.

    Those of ``count`` values lie in the ``count`` pieces with the smallest minima, so that only these are sorted.
    """
    pieces = values.shape[1] // PIECE
    if pieces <= 2 * count:
        return values.topk(count, dim=1, largest=False).indices
    parts = values[:, : pieces * PIECE].view(len(values), pieces, PIECE)
    chosen = parts.amin(dim=2).topk(count, dim=1, largest=False).indices.sort(dim=1).values  # [b, k]
    places = (chosen[..., None] * PIECE + torch.arange(PIECE)).flatten(1)
    rest = torch.arange(pieces * PIECE, values.shape[1]).expand(len(values), -1)
    places = torch.cat([places, rest], dim=1)
    return places.gather(1, values.gather(1, places).topk(count, dim=1, largest=False).indices)


def _reciprocal(nearest: Int64[Tensor, "n k"]) -> Bool[Tensor, "n k"]:
    """Whether an item is among the nearest of each of its nearest."""
    parts = [
        (nearest[nearest[items]] == items[:, None, None]).any(dim=2)
        for items in torch.split(torch.arange(len(nearest)), max(1, BLOCK // nearest.shape[1] ** 2))
    ]
    return torch.cat(parts)


def _averaged(encodings: Sparse, nearest: Int64[Tensor, "n k"]) -> Sparse:
    """The mean of the encodings of each item's nearest."""
    count, k = nearest.shape
    rows, columns, values = [], [], []
    for items in torch.split(torch.arange(count), max(1, BLOCK // (256 * k))):
        entries, place = _entries(encodings.starts, nearest[items].flatten())
        keys, which = torch.unique(items[place // k] * count + encodings.columns[entries], return_inverse=True)
        sums = encodings.values.new_zeros(len(keys)).index_add_(0, which, encodings.values[entries])
        rows.append(keys // count)
        columns.append(keys % count)
        values.append(sums / k)
    return Sparse(_starts(torch.cat(rows), count), torch.cat(columns), torch.cat(values))


def _transposed(matrix: Sparse, count: int) -> Sparse:
    """The same numbers by columns."""
    order = matrix.columns.argsort(stable=True)
    rows = torch.repeat_interleave(torch.arange(count), matrix.starts.diff())
    return Sparse(_starts(matrix.columns[order], count), rows[order], matrix.values[order])


def _starts(rows: Int64[Tensor, " m"], count: int) -> Int64[Tensor, " n1"]:
    """Where each row begins in numbers that are sorted by row."""
    return torch.cat([rows.new_zeros(1), torch.bincount(rows, minlength=count).cumsum(0)])


def _entries(
    starts: Int64[Tensor, " n1"], rows: Int64[Tensor, " r"]
) -> tuple[Int64[Tensor, " m"], Int64[Tensor, " m"]]:
    """The places of all numbers of some rows, one row behind the other, and which of ``rows`` each belongs to."""
    lengths = starts[rows + 1] - starts[rows]
    owner = torch.repeat_interleave(torch.arange(len(rows)), lengths)
    ahead = lengths.cumsum(0) - lengths
    return starts[rows][owner] + torch.arange(len(owner)) - ahead[owner], owner
