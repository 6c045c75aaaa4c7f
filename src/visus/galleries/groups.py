"""Groups of entries: near-duplicates, and what lies together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from visus.galleries.errors import GalleryError
from visus.galleries.scan import at_least, nearest
from visus.galleries.screens import ScanTable
from visus.metrics.clustering import k_means
from visus.ops.groups import Pair, linked_groups

_AT_ONCE = 1024


def near_duplicates(table: ScanTable, limit: float) -> list[Int64[Tensor, " m"]]:
    """Rows of entries that are linked by pairs at least as near as ``limit``, for each group of two and more."""
    one, two = [], []
    for start in range(0, len(table), _AT_ONCE):
        query, row, _ = at_least(table, table.vectors[start : start + _AT_ONCE], limit)
        query = query + start
        one.append(query[row > query])
        two.append(row[row > query])
    if not one:
        return []
    return _groups(linked(len(table), torch.cat(one), torch.cat(two)))


def mutual_neighbours(
    table: ScanTable,
    limit: float,
    *,
    neighbours: int = 10,
    never: Sequence[Pair] = (),
    always: Sequence[Pair] = (),
) -> list[Int64[Tensor, " m"]]:
    """Rows of entries that are linked by pairs as near as ``limit``, each among the nearest of the other.

    Args:
        table: the entries.
        limit: the least cosine, or the largest distance, of a link.
        neighbours: how many of the nearest of an entry count.
        never: pairs of rows that are kept apart: links join groups from the nearest to the farthest.
        always: pairs of rows that are together.
    """
    found, near, scores_of = [], [], []
    for start in range(0, len(table), _AT_ONCE):
        rows, scores = nearest(table, table.vectors[start : start + _AT_ONCE], neighbours + 1)
        found.append(rows)
        scores_of.append(scores)
        near.append(scores >= limit if table.closeness == "cosine" else scores <= limit)
    if not found:
        return []
    rows, close = torch.cat(found), torch.cat(near)
    one = torch.arange(len(table))[:, None].expand_as(rows)[close]
    two = rows[close]
    keys, other_way = one * len(table) + two, two * len(table) + one
    mutual = torch.isin(keys, other_way) & (one < two)
    if not never and not always:
        return _groups(linked(len(table), one[mutual], two[mutual]))
    order = torch.cat(scores_of)[close][mutual].argsort(stable=True, descending=table.closeness == "cosine")
    one, two = one[mutual][order], two[mutual][order]
    return _groups(linked_groups(len(table), one, two, never=never, always=always))


def means_of(points: Float[Tensor, "n d"], count: int) -> list[Int64[Tensor, " m"]]:
    """Rows of each of ``count`` groups of k-means that has any, the largest first.

    Raises:
        GalleryError: ``count`` is below 1.
    """
    if count < 1:
        raise GalleryError(f"count must be at least 1, not {count}")
    found = k_means(points, count)
    rows = [(found == number).nonzero()[:, 0] for number in range(count)]
    return sorted((one for one in rows if len(one)), key=len, reverse=True)


def linked(count: int, one: Int64[Tensor, " m"], two: Int64[Tensor, " m"]) -> Int64[Tensor, " count"]:
    """The smallest row that each row is linked with, through any number of links.

    >>> linked(5, torch.tensor([3, 1]), torch.tensor([4, 3])).tolist()
    [0, 1, 2, 1, 1]
    """
    least = torch.arange(count)
    while True:
        before = least.clone()
        smaller = torch.minimum(least[one], least[two])
        least.scatter_reduce_(0, one, smaller, "amin")
        least.scatter_reduce_(0, two, smaller, "amin")
        least = least[least]
        if torch.equal(least, before):
            return least


def _groups(group_of: Tensor) -> list[Tensor]:
    """The rows of each group of more than one, the largest groups first."""
    order = group_of.argsort(stable=True)
    sizes = torch.unique_consecutive(group_of[order], return_counts=True)[1]
    groups = [rows for rows in torch.split(order, sizes.tolist()) if len(rows) > 1]
    return sorted(groups, key=lambda rows: (-len(rows), int(rows[0])))
