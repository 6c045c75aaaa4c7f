"""Groups of entries: near-duplicates, and what lies together."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from visus.galleries.scan import at_least, nearest
from visus.galleries.screens import ScanTable

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


def mutual_neighbours(table: ScanTable, limit: float, *, neighbours: int = 10) -> list[Int64[Tensor, " m"]]:
    """Rows of entries that are linked by pairs as near as ``limit``, each among the nearest of the other.

    Args:
        table: the entries.
        limit: the least cosine, or the largest distance, of a link.
        neighbours: how many of the nearest of an entry count.
    """
    found, near = [], []
    for start in range(0, len(table), _AT_ONCE):
        rows, scores = nearest(table, table.vectors[start : start + _AT_ONCE], neighbours + 1)
        found.append(rows)
        near.append(scores >= limit if table.closeness == "cosine" else scores <= limit)
    if not found:
        return []
    rows, close = torch.cat(found), torch.cat(near)
    one = torch.arange(len(table))[:, None].expand_as(rows)[close]
    two = rows[close]
    keys, other_way = one * len(table) + two, two * len(table) + one
    mutual = torch.isin(keys, other_way) & (one < two)
    return _groups(linked(len(table), one[mutual], two[mutual]))


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
