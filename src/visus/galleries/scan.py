"""The nearest entries of a gallery: all of them looked at, none sorted, and the answer exact.

Every vector lies there twice: as it was described, and rounded to bytes. A query is rounded, too, and multiplied with
all bytes, which costs a quarter of the memory traffic of single precision. Of each piece of entries the largest product
tells whether one of them may be among the k nearest: that is so where it comes within twice the bound of the rounding
(`visus.metrics.rounding`) of the k-th largest. The few that remain are compared in double precision.

Equally near entries come in the order of their identifiers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import torch
from jaxtyping import Bool, Float, Float64, Int8, Int32, Int64
from torch import Tensor
from torch.nn import functional as F

from visus.metrics.rounding import product_errors, rounded, rounding_loss, unit_for

Closeness = Literal["cosine", "euclidean"]
Found = tuple[Int64[Tensor, "q k"], Float64[Tensor, "q k"]]

MOST_DIMENSIONS: Final = 16_384  # sums of products of bytes stay far from the ends of 32 bits
_PIECE = 128
_LEAST_PIECE = 8
_PIECES_EACH = 8  # pieces for each neighbour that is wanted
_PRODUCTS = 1 << 22  # computed at once
_QUERIES = 64
_PAIRS = 1 << 22  # numbers of vectors that are compared in double precision at once
_HIDDEN = -(2**30)
_SEEN = -(2**29)  # no product of an entry that may be found is below
_SMALLEST = -(2**31)
_GATHERED = 4  # a filter that leaves fewer than one entry in so many has those copied together


@dataclass(frozen=True)
class ScanTable:
    """Vectors, ready to be scanned.

    Args:
        ids: of the entries, rising.
        vectors: as they were described.
        codes: their directions (``cosine``) or themselves (``euclidean``), rounded to multiples of ``unit``.
        lengths: of the vectors.
        unit: of the codes.
        loss: the length of the most that rounding took from one.
        closeness: what is near.
    """

    ids: Int64[Tensor, " n"]
    vectors: Float[Tensor, "n d"]
    codes: Int8[Tensor, "n d"]
    lengths: Float64[Tensor, " n"]
    unit: float
    loss: float
    closeness: Closeness

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def longest(self) -> float:
        """The length of the longest of the vectors that were rounded."""
        if self.closeness == "cosine" or not len(self):
            return 1.0 + 1e-6
        return float(self.lengths.max()) * (1 + 1e-6)


@dataclass(frozen=True)
class _Asked:
    """Queries, rounded: ``step`` is the worth of a product's unit, ``margin`` twice the bound of the rounding in it."""

    vectors: Float64[Tensor, "q d"]
    lengths: Float64[Tensor, " q"]
    codes: Int8[Tensor, "q d"]
    step: float
    errors: Float64[Tensor, " q"]

    @property
    def margin(self) -> Int32[Tensor, " q"]:
        margin: Tensor = (2 * self.errors / self.step + 2).ceil().clamp(max=2.0**30)
        return margin.to(torch.int32)


def directions(
    vectors: Float[Tensor, "n d"], lengths: Float64[Tensor, " n"], closeness: Closeness
) -> Float[Tensor, "n d"]:
    """What is rounded: vectors of unit length for angles (zeros stay zeros), the vectors themselves for distances."""
    if closeness == "euclidean":
        return vectors.float()
    return torch.where(lengths[:, None] > 0, vectors.double() / lengths[:, None], 0.0).float()


def lengths_of(vectors: Float[Tensor, "n d"]) -> Float64[Tensor, " n"]:
    """The length of each vector, whatever its size."""
    return vectors.double().norm(dim=1)


def nearest(
    table: ScanTable, queries: Float[Tensor, "q d"], k: int, *, allowed: Bool[Tensor, " n"] | None = None
) -> Found:
    """The rows of the k nearest entries of each query, the nearest first, and how near they are.

    Args:
        table: what is searched.
        queries: finite vectors, of any lengths.
        k: how many; of fewer entries all are found.
        allowed: the entries that may be found.

    Returns:
        Rows of the table, and cosines (larger is nearer), or Euclidean distances (smaller is nearer).
    """
    rows = _chosen_rows(table, allowed)
    k = min(k, len(table) if allowed is None else int(allowed.sum()))
    if not k or not len(queries):
        none = torch.zeros(len(queries), 0)
        return none.long(), none.double()
    hidden = None if allowed is None or rows is not None else _hidden(allowed)
    found = [_nearest(table, part, k, rows, hidden) for part in torch.split(queries, _QUERIES)]
    return torch.cat([rows for rows, _ in found]), torch.cat([scores for _, scores in found])


def at_least(
    table: ScanTable, queries: Float[Tensor, "q d"], limit: float
) -> tuple[Int64[Tensor, " m"], Int64[Tensor, " m"], Float64[Tensor, " m"]]:
    """All pairs of a query and an entry that are as near as ``limit``: a least cosine, or a largest distance.

    Returns:
        The number of the query, the row of the entry, and how near they are.
    """
    parts = []
    for number, part in enumerate(torch.split(queries, _QUERIES)):
        asked = _asked(table, part)
        least = asked.lengths.new_full((len(part),), limit)
        if table.closeness == "euclidean":
            least = 0.5 * (asked.lengths.square() - limit * limit)
        low = (least / asked.step).floor().clamp(-(2.0**30), 2.0**30).to(torch.int32) - asked.margin
        query, row, _ = _screened(table, asked, piece=_PIECE, low=low)
        score = _exact(table, asked, query, row)
        near = score >= limit if table.closeness == "cosine" else score <= limit
        parts.append((query[near] + number * _QUERIES, row[near], score[near]))
    query, row, score = (torch.cat(column) for column in zip(*parts, strict=True))
    return query, row, score


def _nearest(
    table: ScanTable, queries: Tensor, k: int, rows: Tensor | None, hidden: Tensor | None
) -> tuple[Tensor, Tensor]:
    asked = _asked(table, queries)
    count = len(table) if rows is None else len(rows)
    piece = 2 ** max(int(math.log2(max(count // (_PIECES_EACH * k), 1))), 0)
    piece = min(max(piece, _LEAST_PIECE), _PIECE)
    query, row, product = _screened(table, asked, piece=piece, k=k, rows=rows, hidden=hidden)
    order, rank = _ranked(query, -product, row)
    query, row, product = query[order], row[order], product[order]
    last = torch.full((len(queries),), _SMALLEST, dtype=torch.int32)
    last[query[rank == k - 1]] = product[rank == k - 1]
    open_ = product >= (last.long() - asked.margin)[query]
    query, row = query[open_], row[open_]
    score = _exact(table, asked, query, row)
    order, rank = _ranked(query, score if table.closeness == "euclidean" else -score, row)
    kept = order[rank < k]
    return row[kept].view(len(queries), k), score[kept].view(len(queries), k)


def _asked(table: ScanTable, queries: Tensor) -> _Asked:
    lengths = lengths_of(queries)
    stand_ins = directions(queries, lengths, table.closeness)
    unit = unit_for(float(stand_ins.abs().max()))
    if table.closeness == "euclidean":
        unit = max(unit, table.unit)  # so that squared lengths fit into the products' range
    codes = rounded(stand_ins, unit)
    errors = product_errors(stand_ins, codes, unit, longest=table.longest, loss=table.loss)
    finest = (queries.shape[1] + 10) * 2.0**-52  # what double precision rounds, relative to squared lengths
    errors = errors + finest * (torch.linalg.vector_norm(stand_ins, dim=1, dtype=torch.float64) + table.longest) ** 2
    return _Asked(queries.double(), lengths, codes, unit * table.unit, errors)


def _chosen_rows(table: ScanTable, allowed: Tensor | None) -> Int64[Tensor, " m"] | None:
    """The rows that a filter leaves, where they are few enough to be copied together."""
    if allowed is None or int(allowed.sum()) * _GATHERED > len(table):
        return None
    return allowed.nonzero()[:, 0]


def _hidden(allowed: Tensor) -> Int32[Tensor, " n"]:
    return torch.where(allowed, 0, _HIDDEN).to(torch.int32)


def _blocks(table: ScanTable, asked: _Asked, piece: int, rows: Tensor | None) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Blocks of products: the first place, the products, padded to whole pieces, and the rows' codes' places."""
    count = len(table) if rows is None else len(rows)
    queries = len(asked.codes)
    width = max(_PRODUCTS // queries // _PIECE, 1) * _PIECE
    buffer = torch.empty(queries * min(width, max(count // piece * piece, 1)), dtype=torch.int32)
    whole = count // piece * piece
    starts = [*((start, min(start + width, whole)) for start in range(0, whole, width)), (whole, count)]
    for start, stop in starts:
        if start == stop:
            continue
        place = slice(start, stop)
        codes = table.codes[place] if rows is None else table.codes[rows[place]]
        fits = stop <= whole
        products = buffer[: queries * (stop - start)].view(queries, -1) if fits else None
        if products is None:
            products = torch._int_mm(asked.codes, codes.T)
        else:
            torch._int_mm(asked.codes, codes.T, out=products)
        yield start, products, torch.arange(0) if rows is None else rows[place]


def _screened(
    table: ScanTable,
    asked: _Asked,
    *,
    piece: int,
    k: int = 0,
    low: Tensor | None = None,
    rows: Tensor | None = None,
    hidden: Tensor | None = None,
) -> tuple[Int64[Tensor, " m"], Int64[Tensor, " m"], Int32[Tensor, " m"]]:
    """Pairs of queries and rows that may be near enough: as one of the ``k`` nearest, or by reaching ``low``."""
    moved = _moved(table, asked.step, hidden)
    best = torch.full((len(asked.codes), k), _SMALLEST, dtype=torch.int32)
    margin = asked.margin
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for start, products, places in _blocks(table, asked, piece, rows):
        if moved is not None:
            products += moved[start : start + products.shape[1]] if rows is None else moved[places]
        products = F.pad(products, (0, -products.shape[1] % piece), value=_SMALLEST)
        pieces = products.view(len(products), -1, piece)
        largest = pieces.amax(2)  # [q, p]
        if k:
            best = torch.cat((best, largest), 1).topk(k).values
            low = (best[:, -1].long() - margin).clamp(min=_SMALLEST).to(torch.int32)
        assert low is not None
        query, number = (largest >= low[:, None]).nonzero(as_tuple=True)
        inside = pieces[query, number]  # [m, piece]
        which, place = (inside >= low[query, None]).logical_and_(inside > _SEEN).nonzero(as_tuple=True)
        row = start + number[which] * piece + place
        found.append((query[which], row if rows is None else rows[row], inside[which, place]))
    query, row, product = (torch.cat(column) for column in zip(*found, strict=True))
    return query, row, product


def _moved(table: ScanTable, step: float, hidden: Tensor | None) -> Int32[Tensor, " n"] | None:
    """What is added to the products of each row: half the squared length for distances, and what hides rows."""
    if table.closeness == "cosine":
        return hidden
    half = (-0.5 * table.lengths.square() / step).round().to(torch.int32)
    return half if hidden is None else half + hidden


def _exact(table: ScanTable, asked: _Asked, query: Tensor, row: Tensor) -> Float64[Tensor, " m"]:
    """The cosine or the distance of each pair, in double precision: equal vectors get equal numbers."""
    parts = []
    each = max(_PAIRS // max(table.vectors.shape[1], 1), 1)
    for one, other in zip(torch.split(query, each), torch.split(row, each), strict=True):
        ours, theirs = asked.vectors[one], table.vectors[other].double()
        if table.closeness == "euclidean":
            parts.append((ours - theirs).square_().sum(1).sqrt_())
            continue
        lengths = asked.lengths[one] * table.lengths[other]
        parts.append(torch.where(lengths > 0, (ours * theirs).sum(1) / lengths, 0.0))
    return torch.cat(parts) if parts else asked.lengths.new_zeros(0)


def _ranked(query: Tensor, key: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
    """An order by query, key and row, and the place of each in the list of its query."""
    order = row.argsort(stable=True)
    order = order[key[order].argsort(stable=True)]
    order = order[query[order].argsort(stable=True)]
    sorted_ = query[order]
    starts = torch.searchsorted(sorted_, sorted_)
    return order, torch.arange(len(order)) - starts


def table_of(
    vectors: Float[Tensor, "n d"], closeness: Closeness = "cosine", ids: Int64[Tensor, " n"] | None = None
) -> ScanTable:
    """A table of vectors in memory; `visus.galleries.scan_files` makes those that lie on disk."""
    lengths = lengths_of(vectors)
    stand_ins = directions(vectors, lengths, closeness)
    unit = unit_for(float(stand_ins.abs().max()) if len(vectors) else 1.0)
    codes, loss = coded(stand_ins, unit)
    ids = torch.arange(len(vectors)) if ids is None else ids
    return ScanTable(ids, vectors, codes, lengths, unit, loss, closeness)


def coded(stand_ins: Float[Tensor, "n d"], unit: float) -> tuple[Int8[Tensor, "n d"], float]:
    """The codes of `directions`, and the length of the most that rounding took from one."""
    codes = rounded(stand_ins, unit)
    return codes, float(rounding_loss(stand_ins, codes, unit).max()) if len(codes) else 0.0
