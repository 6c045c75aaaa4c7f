"""How many others come before the nearest image of the same class: counted block by block, never sorted.

Recall at every K needs one number of each query: the rank of its nearest positive, which is 1 plus the number of
negatives that are closer. So the similarity to the nearest positive is found first (only pairs of one class are looked
at), then blocks of the similarity matrix stream by and what lies above that threshold is counted. Where the queries are
the gallery the matrix is symmetric, and the upper triangle of blocks serves rows and columns at once.

Two computations of one similarity differ in the last digits, and a cheap one in more than that. So every block counts
twice, what is certainly closer and what is possibly closer, by a bound of the error that holds for every pair
(Cauchy-Schwarz on the rounding residues of each vector). Only queries for which the difference matters are computed
again, more finely, and at last their open pairs exactly. The counts are those of exact arithmetic in every case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.distributed
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

Ties = Literal["optimistic", "pessimistic"]
Screen = Literal["int8", "float32"]

_BLOCK = 2048
_PIECE = 128
_FEW_CANDIDATES = 256  # a query with no more open pairs than this is settled pair by pair at once
_PAIRS_AT_ONCE = 4_096
_FLOAT_UNIT = 2.0**-24


@dataclass(frozen=True)
class Points:
    """Vectors whose dot products are the similarities, sorted by label.

    ``shared`` says that queries and gallery are the same points, of which none is compared with itself.
    """

    queries: Float[Tensor, "q d"]
    query_labels: Int64[Tensor, " q"]
    gallery: Float[Tensor, "g d"]
    gallery_labels: Int64[Tensor, " g"]
    shared: bool


@dataclass(frozen=True)
class _Screening:
    """Cheap stand-ins for the vectors, the unit of their dot products, and each vector's bound of the error."""

    queries: Tensor
    gallery: Tensor
    unit: float
    errors: Float[Tensor, " q"]


def hits_at(
    points: Points, ks: Sequence[int], *, ties: Ties = "optimistic", screen: Screen = "float32"
) -> tuple[Bool[Tensor, "q k"], Bool[Tensor, " q"]]:
    """Whether a positive lies among the K nearest, for each query and K; and whether the query has any positive.

    Args:
        points: who looks for whom.
        ks: the numbers of neighbours.
        ties: of a negative that is exactly as close as the nearest positive, the optimist lets the positive come
            first, the pessimist the negative.
        screen: the arithmetic of the first pass. ``int8`` is the faster one on CPUs for vectors of like lengths.
    """
    limits = torch.tensor(list(ks), device=points.queries.device)
    finest = _screening(points, "float32")
    best = _nearest_positive(points, finest)  # float64 [q], -inf without a positive
    known = best > -torch.inf
    best = best.where(known, torch.inf)  # nothing is closer than that, so that lone queries cost nothing
    screening = finest if screen == "float32" else _screening(points, screen)
    certain, possible = _screen_all(points, screening, best)
    settled = ((1 + possible)[:, None] <= limits) | ((1 + certain)[:, None] > limits)
    open_ = (~settled.all(1)).nonzero()[:, 0]
    few = (possible - certain)[open_] <= _FEW_CANDIDATES
    for chosen, stand_ins in ((open_[few], screening), (open_[~few], finest)):
        if len(chosen):
            possible[chosen] = _exact_counts(points, stand_ins, best, chosen, ties, finest.errors)
    return ((1 + possible)[:, None] <= limits) & known[:, None], known


def _nearest_positive(points: Points, screening: _Screening) -> Float[Tensor, " q"]:
    """The exact similarity (float64) to the nearest image of the same class; -inf where there is none."""
    best = points.queries.new_full((len(points.queries),), -torch.inf, dtype=torch.float64)
    for rows, columns in _class_blocks(points):
        scores = screening.queries[rows] @ screening.gallery[columns].T
        allowed = points.query_labels[rows, None] == points.gallery_labels[None, columns]
        if points.shared:
            allowed &= _positions(rows, scores.device)[:, None] != _positions(columns, scores.device)[None]
        scores = scores.masked_fill_(~allowed, -torch.inf)
        near = scores >= (scores.amax(1) - 2 * screening.errors[rows])[:, None]
        row, column = (near & allowed).nonzero(as_tuple=True)
        for part in torch.split(torch.arange(len(row), device=row.device), _PAIRS_AT_ONCE):
            query, other = row[part] + rows.start, column[part] + columns.start
            best.scatter_reduce_(0, query, _exact_similarity(points, query, other), "amax")
    return best


def _screen_all(points: Points, screening: _Screening, best: Tensor) -> tuple[Int64[Tensor, " q"], Int64[Tensor, " q"]]:
    """How many negatives are certainly, and how many possibly, at least as close as the nearest positive."""
    low, high = _thresholds(screening, best)
    certain = torch.zeros(len(best), dtype=torch.int64, device=best.device)
    possible = certain.clone()
    products = _Products(screening.queries)
    rank, processes = _share()
    blocks = list(_blocks(len(points.queries), len(points.gallery), triangle=points.shared))
    for rows, columns in blocks[rank::processes]:
        scores = products(screening.queries[rows], screening.gallery[columns])
        _hide_class(scores, points, rows, columns)
        for part, across in ((rows, False), (columns, True)):
            if not across or (points.shared and columns.start > rows.start):
                _count(scores, (low[part], high[part]), (certain[part], possible[part]), columns=across)
    if processes > 1:
        torch.distributed.all_reduce(certain)
        torch.distributed.all_reduce(possible)
    return certain, possible


def _near(scores: Tensor, low: Tensor, *, columns: bool = False) -> tuple[Int64[Tensor, " m"], Tensor, Tensor]:
    """Pieces of rows (or ``columns``) in which some score reaches its ``low``: the row, the first place, the scores.

    Few pieces do, and the largest score of each is found much faster than scores are compared and counted.
    """
    if columns:
        pieces = scores.unflatten(0, (scores.shape[0] // _PIECE, _PIECE))  # type: ignore[no-untyped-call]  # [p s c]
        piece, row = (pieces.amax(1)[:, : len(low)] >= low).nonzero(as_tuple=True)
        return row, piece * _PIECE, pieces[piece, :, row]
    pieces = scores.unflatten(1, (scores.shape[1] // _PIECE, _PIECE))  # type: ignore[no-untyped-call]  # [r p s]
    row, piece = (pieces.amax(2)[: len(low)] >= low[:, None]).nonzero(as_tuple=True)
    return row, piece * _PIECE, pieces[row, piece]


def _count(scores: Tensor, limits: tuple[Tensor, Tensor], counts: tuple[Tensor, Tensor], *, columns: bool) -> None:
    """Adds to the counts of each row (or column) what is above its high limit and what is not below its low one."""
    (low, high), (certain, possible) = limits, counts
    row, _, pieces = _near(scores, low, columns=columns)
    certain.index_add_(0, row, (pieces > high[row, None]).sum(1))
    possible.index_add_(0, row, (pieces >= low[row, None]).sum(1))


def _exact_counts(
    points: Points, screening: _Screening, best: Tensor, chosen: Int64[Tensor, " m"], ties: Ties, finest: Tensor
) -> Int64[Tensor, " m"]:
    """How many negatives come before the nearest positive of the chosen queries, exactly."""
    counts = torch.zeros(len(best), dtype=torch.int64, device=best.device)
    low, high = _thresholds(screening, best)
    products = _Products(screening.queries)
    for queries in torch.split(chosen, _BLOCK):
        ours = screening.queries[queries]
        for columns in _slices(len(points.gallery), _BLOCK):
            scores = products(ours, screening.gallery[columns])
            if points.shared:
                inside = ((queries >= columns.start) & (queries < columns.stop)).nonzero()[:, 0]
                scores[inside, queries[inside] - columns.start] = _smallest(scores)
            row, first, pieces = _near(scores, low[queries])
            query = queries[row]
            above = pieces > high[query, None]  # no positive is: none is closer than the nearest one
            counts.index_add_(0, query, above.sum(1))
            piece, place = ((pieces >= low[query, None]) & ~above).nonzero(as_tuple=True)
            other = columns.start + first[piece] + place
            _add_closer(counts, points, best, query[piece], other, ties=ties, finest=finest)
    return counts[chosen]


def _add_closer(
    counts: Tensor, points: Points, best: Tensor, query: Tensor, other: Tensor, *, ties: Ties, finest: Tensor
) -> None:
    """Adds the pairs of different classes that are exactly closer than the query's nearest positive.

    Float32 settles nearly all of them; ``finest`` bounds its error for each query.
    """
    negative = points.query_labels[query] != points.gallery_labels[other]
    pairs = torch.stack((query, other))[:, negative]
    for query, other in (part.unbind() for part in torch.split(pairs, _PAIRS_AT_ONCE, dim=1)):
        ahead = torch.linalg.vecdot(points.queries[query], points.gallery[other]).double() - best[query]
        counts.index_add_(0, query, (ahead > finest[query]).long())
        unsettled = ahead.abs() <= finest[query]
        query, other = query[unsettled], other[unsettled]
        exact = _exact_similarity(points, query, other)
        closer = exact > best[query] if ties == "optimistic" else exact >= best[query]
        counts.index_add_(0, query, closer.long())


def _exact_similarity(points: Points, query: Int64[Tensor, " m"], other: Int64[Tensor, " m"]) -> Float[Tensor, " m"]:
    """Float64 dot products pair by pair: equal vectors give equal numbers wherever they stand."""
    return (points.queries[query].double() * points.gallery[other]).sum(1)


def _screening(points: Points, screen: Screen) -> _Screening:
    """The stand-ins of one kind of arithmetic, and the bound of what they get wrong."""
    lengths = points.queries.norm(dim=1).double()
    longest = float(points.gallery.norm(dim=1).max()) * (1 + 1e-6)
    if screen == "float32":
        # n products and n sums, each rounded: n * unit / (1 - n * unit) of the lengths, whatever the order of summing
        terms = (points.queries.shape[1] + 2) * _FLOAT_UNIT
        return _Screening(points.queries, points.gallery, 1.0, lengths * longest * (2 * terms))
    largest = max(float(points.queries.abs().max()), float(points.gallery.abs().max()), 1e-30)
    unit = largest / 127
    queries, gallery = _rounded(points.queries, unit), _rounded(points.gallery, unit)
    missing = (points.gallery - gallery * unit).norm(dim=1).max().double() * (1 + 1e-6)
    own = (points.queries - queries * unit).norm(dim=1).double() * (1 + 1e-6)
    errors = own * longest + (queries.double().norm(dim=1) * unit) * missing
    return _Screening(queries, gallery, unit * unit, errors * (1 + 1e-6) + 1e-6 * lengths * longest)


def _rounded(vectors: Tensor, unit: float) -> Tensor:
    return (vectors / unit).round_().clamp_(-127, 127).to(torch.int8)


def _thresholds(screening: _Screening, best: Tensor) -> tuple[Tensor, Tensor]:
    """The least score that may, and the largest that need not, be as close as the nearest positive."""
    low, high = (best - screening.errors) / screening.unit, (best + screening.errors) / screening.unit
    if screening.queries.dtype == torch.int8:
        limit = 2.0**31 - 2
        return low.floor().clamp(-limit, limit).to(torch.int32), high.ceil().clamp(-limit, limit).to(torch.int32)
    low32, high32 = low.float(), high.float()  # rounded outwards
    down, up = torch.full_like(low32, -torch.inf), torch.full_like(low32, torch.inf)
    return torch.nextafter(low32, down), torch.nextafter(high32, up)


class _Products:
    """All dot products of two blocks, both sides made a multiple of `_PIECE` by the least score.

    The result lies in one buffer that is used again: fresh memory would cost a fifth of the product's time.
    """

    def __init__(self, vectors: Tensor) -> None:
        kind = torch.int32 if vectors.dtype == torch.int8 else vectors.dtype
        self._buffer = torch.empty(_BLOCK * _BLOCK, dtype=kind, device=vectors.device)

    def __call__(self, queries: Tensor, gallery: Tensor) -> Tensor:
        rows, columns = len(queries), len(gallery)
        scores = self._buffer[: rows * columns].view(rows, columns)
        product = torch._int_mm if queries.dtype == torch.int8 else torch.mm
        product(queries, gallery.T, out=scores)
        if rows % _PIECE or columns % _PIECE:
            return F.pad(scores, (0, -columns % _PIECE, 0, -rows % _PIECE), value=_smallest(scores))
        return scores


def _hide_class(scores: Tensor, points: Points, rows: slice, columns: slice) -> None:
    """Takes pairs of one class out of a block; sorted labels make that a question of few blocks."""
    theirs, ours = points.gallery_labels[columns], points.query_labels[rows]
    if ours[-1] < theirs[0] or theirs[-1] < ours[0]:
        return
    same = ours[:, None] == theirs[None]
    scores[: same.shape[0], : same.shape[1]].masked_fill_(same, _smallest(scores))


def _smallest(scores: Tensor) -> float:
    return -torch.inf if scores.dtype.is_floating_point else torch.iinfo(scores.dtype).min


def _class_blocks(points: Points) -> Iterator[tuple[slice, slice]]:
    """Blocks that hold pairs of one class: near the diagonal, as both sides are sorted by label."""
    for rows in _slices(len(points.queries), 512):
        labels = points.query_labels[rows]
        ends = torch.stack((labels[0], labels[-1]))
        first = int(torch.searchsorted(points.gallery_labels, ends[:1])[0])
        last = int(torch.searchsorted(points.gallery_labels, ends[1:], right=True)[0])
        for columns in _slices(last - first, _BLOCK):
            yield rows, slice(columns.start + first, columns.stop + first)


def _blocks(queries: int, gallery: int, *, triangle: bool) -> Iterator[tuple[slice, slice]]:
    for rows in _slices(queries, _BLOCK):
        for columns in _slices(gallery, _BLOCK):
            if not triangle or columns.start >= rows.start:
                yield rows, columns


def _slices(length: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


def _positions(part: slice, device: torch.device) -> Int64[Tensor, " n"]:
    return torch.arange(part.start, part.stop, device=device)


def _share() -> tuple[int, int]:
    """(rank, number of processes) of those that hold the same points and share the blocks."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
