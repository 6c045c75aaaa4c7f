"""The nearest entries of a gallery: all of them looked at, none sorted, and the answer exact.

Every vector lies there twice: as it was described, and rounded to bytes. Queries are multiplied with all bytes, which
costs a quarter of the memory traffic of single precision (`visus.galleries.screens`). Of each piece of entries the
largest product tells whether one of them may be among the k nearest: that is so where it comes within twice the bound
of the rounding of the k-th largest. The few that remain are compared in double precision.

Equally near entries come in the order of their identifiers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Float64, Int64, Shaped
from torch import Tensor
from torch.nn import functional as F

from visus.galleries.screens import (
    Asked,
    Closeness,
    Products,
    ScanTable,
    Screen,
    ask,
    coded,
    directions,
    lengths_of,
    suitable_screen,
)
from visus.metrics.rounding import unit_for

Found = tuple[Int64[Tensor, "q k"], Float64[Tensor, "q k"]]

_PIECE = 128
_LEAST_PIECE = 8
_PIECES_EACH = 8  # pieces for each neighbour that is wanted
_PRODUCTS = 1 << 21  # computed at once
_QUERIES = 64
_PAIRS = 1 << 22  # numbers of vectors that are compared in double precision at once
_GATHERED = 4  # a filter that leaves fewer than one entry in so many has those copied together


def nearest(
    table: ScanTable,
    queries: Float[Tensor, "q d"],
    k: int,
    *,
    allowed: Bool[Tensor, " n"] | None = None,
    screen: Screen | None = None,
) -> Found:
    """The rows of the k nearest entries of each query, the nearest first, and how near they are.

    Args:
        table: what is searched.
        queries: finite vectors, of any lengths.
        k: how many; of fewer entries all are found.
        allowed: the entries that may be found.
        screen: how the products are made, see `visus.galleries.screens`; None chooses. It does not change the result.

    Returns:
        Rows of the table, and cosines (larger is nearer), or Euclidean distances (smaller is nearer).
    """
    count = len(table) if allowed is None else int(allowed.sum())
    k = min(k, count)
    if not k or not len(queries):
        none = torch.zeros(len(queries), 0)
        return none.long(), none.double()
    rows = None if allowed is None or count * _GATHERED > len(table) else allowed.nonzero()[:, 0]
    hiding = allowed if rows is None else None
    chosen = screen or suitable_screen(table, len(queries))
    parts = [_nearest(table, ask(table, part, chosen), k, rows, hiding) for part in torch.split(queries, _QUERIES)]
    return torch.cat([found for found, _ in parts]), torch.cat([scores for _, scores in parts])


def at_least(
    table: ScanTable, queries: Float[Tensor, "q d"], limit: float
) -> tuple[Int64[Tensor, " m"], Int64[Tensor, " m"], Float64[Tensor, " m"]]:
    """All pairs of a query and an entry that are as near as ``limit``: a least cosine, or a largest distance.

    Returns:
        The number of the query, the row of the entry, and how near they are.
    """
    parts = []
    screen = suitable_screen(table, len(queries))
    for number, part in enumerate(torch.split(queries, _QUERIES)):
        asked = ask(table, part, screen)
        least = asked.lengths.new_full((len(part),), limit)
        if table.closeness == "euclidean":
            least = 0.5 * (asked.lengths.square() - limit * abs(limit))
        query, row, _ = _screened(table, asked, piece=_PIECE, low=least / asked.step - asked.margin)
        score = _exact(table, asked, query, row)
        near = score >= limit if table.closeness == "cosine" else score <= limit
        parts.append((query[near] + number * _QUERIES, row[near], score[near]))
    query, row, score = (torch.cat(column) for column in zip(*parts, strict=True))
    return query, row, score


def settled(table: ScanTable, queries: Float[Tensor, "q d"], rows: Int64[Tensor, "q m"], k: int) -> Found:
    """The k nearest of the rows that somebody found for each query (-1 is none), exactly scored."""
    asked = ask(table, queries, "int8")
    query, place = (rows >= 0).nonzero(as_tuple=True)
    return _best(table, asked, query, rows[query, place], min(k, int((rows >= 0).sum(1).min())))


def _nearest(table: ScanTable, asked: Asked, k: int, rows: Tensor | None, allowed: Tensor | None) -> Found:
    count = len(table) if rows is None else len(rows)
    piece = 2 ** int(math.log2(max(count // (_PIECES_EACH * k), 1)))
    piece = min(max(piece, _LEAST_PIECE), _PIECE)
    query, row, product = _screened(table, asked, piece=piece, k=k, rows=rows, allowed=allowed)
    order, rank = _ranked(query, -product, row)
    query, row, product = query[order], row[order], product[order]
    last = torch.full((len(asked.operand),), -torch.inf, dtype=torch.float64)
    last[query[rank == k - 1]] = product[rank == k - 1]
    open_ = product >= (last - asked.margin)[query]
    return _best(table, asked, query[open_], row[open_], k)


def _best(table: ScanTable, asked: Asked, query: Tensor, row: Tensor, k: int) -> Found:
    """The k nearest of each query's candidates."""
    score = _exact(table, asked, query, row)
    order, rank = _ranked(query, score if table.closeness == "euclidean" else -score, row)
    kept = order[rank < k]
    return row[kept].view(-1, k), score[kept].view(-1, k)


def _blocks(count: int, queries: int, piece: int) -> Iterator[tuple[int, int]]:
    """Where blocks of whole pieces begin and end, and the rest."""
    width = max(_PRODUCTS // queries // _PIECE, 1) * _PIECE
    whole = count // piece * piece
    yield from ((start, min(start + width, whole)) for start in range(0, whole, width))
    if whole < count:
        yield whole, count


def _screened(
    table: ScanTable,
    asked: Asked,
    *,
    piece: int,
    k: int = 0,
    low: Tensor | None = None,
    rows: Tensor | None = None,
    allowed: Tensor | None = None,
) -> tuple[Int64[Tensor, " m"], Int64[Tensor, " m"], Float64[Tensor, " m"]]:
    """Pairs of queries and rows that may be near enough: as one of the ``k`` nearest, or by reaching ``low``."""
    queries = len(asked.operand)
    blocks = list(_blocks(len(table) if rows is None else len(rows), queries, piece))
    multiply = Products(table, asked, allowed, max((stop - start for start, stop in blocks), default=0))
    best = torch.full((queries, k), -torch.inf, dtype=torch.float64)
    found = [(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64), torch.empty(0).double())]
    for start, stop in blocks:
        pieces = _pieces(multiply(slice(start, stop) if rows is None else rows[start:stop]), piece)
        largest = _largest(pieces).double()  # [q, p]
        if k:
            best = torch.cat((best, largest), 1).topk(k).values
            low = best[:, -1] - asked.margin
        assert low is not None
        query, number = (largest >= low[:, None]).nonzero(as_tuple=True)
        inside = pieces[query, number].double()  # [m, piece]
        which, place = (inside >= low[query, None]).logical_and_(inside > multiply.least).nonzero(as_tuple=True)
        row = start + number[which] * piece + place
        found.append((query[which], row if rows is None else rows[row], inside[which, place]))
    query, row, product = (torch.cat(column) for column in zip(*found, strict=True))
    return query, row, product


def _pieces(products: Shaped[Tensor, "q m"], piece: int) -> Shaped[Tensor, "q p piece"]:
    """The products of each piece; the last one is filled up with what is never found."""
    if missing := -products.shape[1] % piece:
        least = torch.iinfo(products.dtype).min if products.dtype == torch.int32 else -torch.inf
        products = F.pad(products, (0, missing), value=least)
    return products.view(len(products), -1, piece)


def _largest(pieces: Shaped[Tensor, "q p piece"]) -> Shaped[Tensor, "q p"]:
    """The largest product of each piece, read in the order in which they lie in memory."""
    if pieces.stride(0) == 1:
        return pieces.permute(1, 2, 0).amax(1).T
    return pieces.amax(2)


def _exact(table: ScanTable, asked: Asked, query: Tensor, row: Tensor) -> Float64[Tensor, " m"]:
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
