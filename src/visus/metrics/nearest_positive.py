"""How many others come before the nearest image of the same class: counted block by block, never sorted.

Recall at every K needs little of each query: how many negatives are closer than its nearest positive, and how many of
either are exactly as close. So the similarity to the nearest positive is found first (only pairs of one class are
looked at), then blocks of the similarity matrix stream by and what lies above that threshold is counted. Where the
queries are the gallery the matrix is symmetric, and the upper triangle of blocks serves rows and columns at once.

Two computations of one similarity differ in the last digits, and a cheap one in more than that. So every block counts
twice, what is certainly closer and what is possibly closer, by a bound of the error that holds for every pair. Only
queries for which the difference matters are computed again: pair by pair where few are open, else in double precision
against all distinct vectors, and at last what is still open exactly. The counts are those of `Points.exact`, always.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from visus.metrics.points import Points
from visus.metrics.rounding import product_errors, rounded, rounding_loss, unit_for
from visus.metrics.ties import Ties, share_of_hits
from visus.ops.int8 import int8_products
from visus.ops.processes import share_of_this_process, sum_over_processes

Screen = Literal["int8", "float32"]

_BLOCK = 2048
_PIECE = 128
_FEW_CANDIDATES = 256  # a query with no more open pairs than this is settled pair by pair at once
_FEW_NEAR = 32  # so many near positives of a query are compared exactly at once
_PAIRS_AT_ONCE = 4_096


@dataclass(frozen=True)
class _Screening:
    """Cheap stand-ins for the vectors, the unit of their dot products, and each query's bound of the error."""

    queries: Tensor
    gallery: Tensor
    unit: float
    errors: Float[Tensor, " q"]


@dataclass(frozen=True)
class _Counts:
    """Of each query: the negatives that are closer than the nearest positive, and what is exactly as close as it."""

    closer: Int64[Tensor, " q"]
    tied: Int64[Tensor, " q"]
    positives: Int64[Tensor, " q"]

    @classmethod
    def zeros(cls, count: int, device: torch.device) -> _Counts:
        return cls(*(torch.zeros(count, dtype=torch.int64, device=device) for _ in range(3)))


def hits_at(
    points: Points, ks: Sequence[int], *, ties: Ties = "expected", screen: Screen = "float32"
) -> tuple[Float[Tensor, "q k"], Bool[Tensor, " q"]]:
    """How likely a positive lies among the K nearest, for each query and K; and whether the query has any positive.

    Args:
        points: who looks for whom.
        ks: the numbers of neighbours.
        ties: of negatives and positives that are exactly as close as the nearest positive, any is as likely to come
            first (then the result may lie between 0 and 1); or a positive does, for the optimist, or all the negatives.
        screen: the arithmetic of the first pass. ``int8`` is the faster one on CPUs for vectors of like lengths.
    """
    limits = torch.tensor(list(ks), device=points.gallery.labels.device)
    queries = points.all_stand_ins("queries", torch.float32)
    gallery = queries if points.symmetric else points.all_stand_ins("gallery", torch.float32)
    best = _nearest_positive(points, queries, gallery)  # float64 [q], -inf without a positive
    known = best > -torch.inf
    best = best.where(known, torch.inf)  # nothing is closer than that, so that lone queries cost nothing
    finest = _Screening(queries, gallery, 1.0, points.errors(slice(None), best, torch.float32))
    whole = screen == "int8" and points.similarity != "euclidean"
    screening = _rounded_screening(points, finest) if whole else finest
    certain, possible = _screen_all(points, screening, best)
    settled = ((1 + possible)[:, None] <= limits) | ((1 + certain)[:, None] > limits)
    shares = ((1 + possible)[:, None] <= limits).double()
    open_ = (~settled.all(1)).nonzero()[:, 0]
    few = (possible - certain)[open_] <= _FEW_CANDIDATES
    for chosen, count in ((open_[few], _count_few), (open_[~few], _count_many)):
        if len(chosen):
            counts = count(points, screening, finest, best, chosen)
            shares[chosen] = share_of_hits(counts.closer, counts.tied, counts.positives, limits, ties)
    return shares * known[:, None], known


def _nearest_positive(points: Points, queries: Tensor, gallery: Tensor) -> Float[Tensor, " q"]:
    """The exact similarity (float64) to the nearest image of the same class; -inf where there is none."""
    best = torch.full((len(points.queries),), -torch.inf, dtype=torch.float64, device=queries.device)
    for rows, columns in _class_blocks(points):
        positive = points.queries.labels[rows, None] == points.gallery.labels[None, columns]
        alone = points.gallery.counts[columns] < 2
        own = points.own[rows, None] == _positions(columns, queries.device)[None]
        positive &= ~(own & alone)
        near = positive & _near_positives(points, queries[rows] @ gallery[columns].T, positive, rows)
        if int(near.sum()) > _FEW_NEAR * len(near):
            ours = points.stand_ins("queries", rows, torch.float64)
            theirs = points.stand_ins("gallery", columns, torch.float64)
            near = positive & _near_positives(points, ours @ theirs.T, positive, rows)
        row, column = near.nonzero(as_tuple=True)
        for part in torch.split(torch.arange(len(row), device=row.device), _PAIRS_AT_ONCE):
            query, other = row[part] + rows.start, column[part] + columns.start
            best.scatter_reduce_(0, query, points.exact(query, other), "amax")
    return best


def _near_positives(points: Points, scores: Tensor, positive: Tensor, rows: slice) -> Bool[Tensor, "r c"]:
    """The positives that may be the nearest one of their block."""
    scores = scores.masked_fill_(~positive, -torch.inf)
    nearest = scores.amax(1)
    return scores >= (nearest - 2 * points.errors(rows, nearest, scores.dtype))[:, None]


def _screen_all(points: Points, screening: _Screening, best: Tensor) -> tuple[Int64[Tensor, " q"], Int64[Tensor, " q"]]:
    """How many negatives are certainly, and how many possibly, at least as close as the nearest positive."""
    low, high = _thresholds(points, screening, best)
    certain = torch.zeros(len(best), dtype=torch.int64, device=best.device)
    possible = certain.clone()
    products = _Products(screening.queries)
    weights = F.pad(points.gallery.counts, (0, _PIECE)) if points.merged else None
    rank, processes = share_of_this_process()
    blocks = list(_blocks(len(points.queries), len(points.gallery), triangle=points.shared))
    for rows, columns in blocks[rank::processes]:
        scores = products(screening.queries[rows], screening.gallery[columns])
        _hide_class(scores, points, rows, columns)
        for part, across in ((rows, False), (columns, True)):
            if not across or (points.shared and columns.start > rows.start):
                them = None if weights is None else weights[(rows if across else columns).start :]
                _count(scores, (low[part], high[part]), (certain[part], possible[part]), them, columns=across)
    sum_over_processes(certain, possible)
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


def _count(
    scores: Tensor,
    limits: tuple[Tensor, Tensor],
    counts: tuple[Tensor, Tensor],
    weights: Int64[Tensor, " g"] | None,
    *,
    columns: bool,
) -> None:
    """Adds to the counts of each row (or column) what is above its high limit and what is not below its low one."""
    (low, high), (certain, possible) = limits, counts
    row, first, pieces = _near(scores, low, columns=columns)
    above, within = pieces > high[row, None], pieces >= low[row, None]
    if weights is None:
        certain.index_add_(0, row, above.sum(1))
        possible.index_add_(0, row, within.sum(1))
        return
    each = weights.unfold(0, _PIECE, 1)[first]  # [m, s]
    certain.index_add_(0, row, (above * each).sum(1))
    possible.index_add_(0, row, (within * each).sum(1))


def _count_few(
    points: Points, screening: _Screening, finest: _Screening, best: Tensor, chosen: Int64[Tensor, " m"]
) -> _Counts:
    """The exact counts of queries with few open pairs."""
    counts = _Counts.zeros(len(best), best.device)
    low, high = _thresholds(points, screening, best)
    products = _Products(screening.queries)
    weights = F.pad(points.gallery.counts, (0, _PIECE)) if points.merged else None
    for queries in torch.split(chosen, _BLOCK):
        ours = screening.queries[queries]
        own = points.own[queries]
        for columns in _slices(len(points.gallery), _BLOCK):
            scores = products(ours, screening.gallery[columns])
            inside = ((own >= columns.start) & (own < columns.stop)).nonzero()[:, 0]
            scores[inside, own[inside] - columns.start] = _smallest(scores)
            row, first, pieces = _near(scores, low[queries])
            query = queries[row]
            above = pieces > high[query, None]  # no positive is: none is closer than the nearest one
            each = 1 if weights is None else weights[columns.start :].unfold(0, _PIECE, 1)[first]
            counts.closer.index_add_(0, query, (above * each).sum(1))
            piece, place = ((pieces >= low[query, None]) & ~above).nonzero(as_tuple=True)
            _add_rows(counts, points, finest, best, query[piece], columns.start + first[piece] + place)
    twins = chosen[points.own[chosen] >= 0]
    twins = twins[points.gallery.counts[points.own[twins]] > 1]
    as_close = twins[points.exact(twins, points.own[twins]) >= best[twins] - points.slack(best[twins])]
    counts.positives[as_close] += points.gallery.counts[points.own[as_close]] - 1
    return _Counts(counts.closer[chosen], counts.tied[chosen], counts.positives[chosen])


def _add_rows(counts: _Counts, points: Points, finest: _Screening, best: Tensor, query: Tensor, other: Tensor) -> None:
    """Adds pairs of queries and rows of the gallery. Float32 settles nearly all of them."""
    pairs = torch.stack((query, other))
    for query, other in (part.unbind() for part in torch.split(pairs, _PAIRS_AT_ONCE, dim=1)):
        ahead = torch.linalg.vecdot(finest.queries[query], finest.gallery[other]).double() - best[query]
        bound = finest.errors[query] + points.slack(best[query])
        counts.closer.index_add_(0, query, torch.where(ahead > bound, points.gallery.counts[other], 0))
        unsettled = ahead.abs() <= bound
        query, other = query[unsettled], other[unsettled]
        ahead, slack = points.exact(query, other) - best[query], points.slack(best[query])
        same = points.queries.labels[query] == points.gallery.labels[other]
        weight, tied = points.gallery.counts[other], ahead.abs() <= slack
        counts.closer.index_add_(0, query, torch.where(ahead > slack, weight, 0))
        counts.tied.index_add_(0, query, torch.where(tied & ~same, weight, 0))
        counts.positives.index_add_(0, query, torch.where(tied & same, weight, 0))


def _count_many(
    points: Points, screening: _Screening, finest: _Screening, best: Tensor, chosen: Int64[Tensor, " m"]
) -> _Counts:
    """The exact counts of queries with many open pairs: in double precision, against each distinct vector once."""
    counts = _Counts.zeros(len(best), best.device)
    totals = torch.zeros(len(points.places), dtype=torch.int64, device=best.device)
    totals.index_add_(0, points.place_of, points.gallery.counts)
    keys = (points.place_of * _classes(points) + points.gallery.labels).sort()
    bounds = points.slack(best) + points.errors(slice(None), best, torch.float64)
    own_row = points.own[chosen]
    here = own_row >= 0
    for columns in _slices(len(points.places), _BLOCK):
        theirs = points.stand_ins("gallery", points.places[columns], torch.float64)
        for queries in torch.split(chosen, _BLOCK):
            ahead = points.stand_ins("queries", queries, torch.float64) @ theirs.T
            ahead -= best[queries, None]
            bound = bounds[queries, None]
            above = ahead > bound
            closer = (above.double() @ totals[columns].double()).long() if points.merged else above.sum(1)
            counts.closer.index_add_(0, queries, closer)
            row, place = (ahead.abs_() <= bound).nonzero(as_tuple=True)
            _add_places(counts, points, (totals, keys), best, queries[row], place + columns.start)
    images, rows = chosen[here], own_row[here]
    ahead, slack = points.exact(images, rows) - best[images], points.slack(best[images])
    counts.closer[images] -= (ahead > slack).long()  # they themselves
    counts.positives[images] -= (ahead.abs() <= slack).long()
    return _Counts(counts.closer[chosen], counts.tied[chosen], counts.positives[chosen])


def _add_places(
    counts: _Counts, points: Points, known: tuple[Tensor, Any], best: Tensor, query: Tensor, place: Tensor
) -> None:
    """Adds pairs of queries and distinct vectors, whose images may be of several classes."""
    totals, (keys, order) = known
    pairs = torch.stack((query, place))
    for query, place in (part.unbind() for part in torch.split(pairs, _PAIRS_AT_ONCE, dim=1)):
        ahead, slack = points.exact(query, points.places[place]) - best[query], points.slack(best[query])
        key = place * _classes(points) + points.queries.labels[query]
        found = torch.searchsorted(keys, key).clamp(max=len(keys) - 1)
        same = torch.where(keys[found] == key, points.gallery.counts[order[found]], 0)
        tied = ahead.abs() <= slack
        counts.closer.index_add_(0, query, torch.where(ahead > slack, totals[place], 0))
        counts.tied.index_add_(0, query, torch.where(tied, totals[place] - same, 0))
        counts.positives.index_add_(0, query, torch.where(tied, same, 0))


def _classes(points: Points) -> int:
    """How many classes there are; labels are sorted and count from 0."""
    return int(max(points.gallery.labels[-1], points.queries.labels[-1])) + 1


def _rounded_screening(points: Points, finest: _Screening) -> _Screening:
    """The stand-ins in whole numbers, and the bound of what they get wrong, by what rounding takes from the vectors."""
    longest = float(finest.gallery.norm(dim=1).max()) * (1 + 1e-6)
    unit = unit_for(max(float(finest.queries.abs().max()), float(finest.gallery.abs().max())))
    queries = rounded(finest.queries, unit)
    gallery = queries if points.symmetric else rounded(finest.gallery, unit)
    loss = float(rounding_loss(finest.gallery, gallery, unit).max())
    errors = product_errors(finest.queries, queries, unit, longest=longest, loss=loss)
    return _Screening(queries, gallery, unit * unit, errors + finest.errors)


def _thresholds(points: Points, screening: _Screening, best: Tensor) -> tuple[Tensor, Tensor]:
    """The least score that may, and the largest that need not, be as close as the nearest positive."""
    bound = screening.errors + points.slack(best)
    low, high = (best - bound) / screening.unit, (best + bound) / screening.unit
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
        if queries.dtype == torch.int8:
            int8_products(queries, gallery, out=scores)
        else:
            torch.mm(queries, gallery.T, out=scores)
        if rows % _PIECE or columns % _PIECE:
            return F.pad(scores, (0, -columns % _PIECE, 0, -rows % _PIECE), value=_smallest(scores))
        return scores


def _hide_class(scores: Tensor, points: Points, rows: slice, columns: slice) -> None:
    """Takes pairs of one class out of a block; sorted labels make that a question of few blocks."""
    theirs, ours = points.gallery.labels[columns], points.queries.labels[rows]
    if ours[-1] < theirs[0] or theirs[-1] < ours[0]:
        return
    same = ours[:, None] == theirs[None]
    scores[: same.shape[0], : same.shape[1]].masked_fill_(same, _smallest(scores))


def _smallest(scores: Tensor) -> float:
    return -torch.inf if scores.dtype.is_floating_point else torch.iinfo(scores.dtype).min


def _class_blocks(points: Points) -> Iterator[tuple[slice, slice]]:
    """Blocks that hold pairs of one class: near the diagonal, as both sides are sorted by label."""
    for rows in _slices(len(points.queries), 512):
        labels = points.queries.labels[rows]
        ends = torch.stack((labels[0], labels[-1]))
        first = int(torch.searchsorted(points.gallery.labels, ends[:1])[0])
        last = int(torch.searchsorted(points.gallery.labels, ends[1:], right=True)[0])
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
