"""Groups of embeddings without names: whatever hangs together by near pairs, under pairs that are known.

``never`` holds pairs that must not share a group and ``always`` pairs that must, as a person says them. Both functions
are pure: taking a pair out and calling again undoes what it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

Pair = tuple[int, int]
BLOCK = 1 << 22
"""Entries of the matrix of distances that exist at a time."""


def connected_groups(
    embeddings: Float[Tensor, "n d"],
    *,
    threshold: float,
    never: Sequence[Pair] = (),
    always: Sequence[Pair] = (),
) -> Int64[Tensor, " n"]:
    """Groups of all that is connected by pairs nearer than ``threshold`` (single linkage).

    Pairs join from the nearest to the farthest; one that would bring a pair of ``never`` into one group is left out.

    Args:
        embeddings: one row per item.
        threshold: Euclidean distance.
        never: pairs of rows that do not share a group.
        always: pairs of rows that do, however far apart.

    Returns:
        The number of each row's group; groups count from 0 in the order of their first rows.

    Raises:
        ValueError: an embedding is NaN or infinite, a pair names a row that does not exist, or ``always`` and ``never``
            contradict each other.
    """
    rows, columns, distances = near_pairs(embeddings, threshold)
    order = distances.argsort(stable=True)
    return linked_groups(len(embeddings), rows[order], columns[order], never=never, always=always)


def linked_groups(
    count: int,
    one: Int64[Tensor, " p"],
    other: Int64[Tensor, " p"],
    *,
    never: Sequence[Pair] = (),
    always: Sequence[Pair] = (),
) -> Int64[Tensor, " count"]:
    """Groups of rows that hang together by links.

    Args:
        count: of the rows.
        one: a row of each link, the surest link first; one that would break ``never`` is left out.
        other: the other row of each.
        never: as for `connected_groups`.
        always: as for `connected_groups`.

    Returns:
        As `connected_groups`.

    Raises:
        ValueError: as for `connected_groups`.
    """
    forest = _Forest(count, never, always)
    for first, second in zip(one.tolist(), other.tolist(), strict=True):
        forest.join(first, second)
    return forest.groups()


def chinese_whispers(
    embeddings: Float[Tensor, "n d"],
    *,
    threshold: float,
    rounds: int = 20,
    seed: int = 0,
    never: Sequence[Pair] = (),
    always: Sequence[Pair] = (),
) -> Int64[Tensor, " n"]:
    """Groups by Chinese whispers (Biemann 2006): each item again and again takes the group of most of its neighbours.

    Neighbours are pairs nearer than ``threshold``, and count by how near they are, 1 at distance 0 and 0 at the
    threshold; of groups that count alike the lowest number wins. Unlike connected groups, two dense groups with a thin
    bridge between them stay two.

    Args:
        embeddings: one row per item.
        threshold: Euclidean distance.
        rounds: how often each item looks around, at most.
        seed: of the order in which they do.
        never: as for `connected_groups`.
        always: as for `connected_groups`.

    Returns:
        As `connected_groups`.

    Raises:
        ValueError: as for `connected_groups`.
    """
    forest = _Forest(len(embeddings), never, always)
    neighbours = _neighbours(embeddings, threshold)
    units = forest.members()  # what is always together moves together
    names, group = list(units), {unit: unit for unit in units}
    inside = {unit: {unit} for unit in units}
    generator = torch.Generator().manual_seed(seed)
    for _ in range(rounds):
        changed = False
        for place in torch.randperm(len(names), generator=generator).tolist():
            unit = names[place]
            votes: dict[int, float] = {}
            for other, weight in (pair for member in units[unit] for pair in neighbours[member]):
                if (root := forest.root(other)) != unit:
                    votes[group[root]] = votes.get(group[root], 0.0) + weight
            free = [name for name in votes if not any(forest.apart(unit, other) for other in inside[name] - {unit})]
            best = min(((-votes[name], name) for name in free), default=(0.0, group[unit]))[1]
            if best != group[unit]:
                inside[group[unit]].discard(unit)
                inside[best].add(unit)
                group[unit], changed = best, True
        if not changed:
            break
    return _numbered(group[forest.root(row)] for row in range(len(embeddings)))


def _neighbours(embeddings: Tensor, threshold: float) -> list[list[tuple[int, float]]]:
    """Of each row those nearer than ``threshold``, with their weights, from 1 at distance 0 to 0 at the threshold."""
    rows, columns, distances = near_pairs(embeddings, threshold)
    weights = (1 - distances.double() / threshold).tolist()
    neighbours: list[list[tuple[int, float]]] = [[] for _ in range(len(embeddings))]
    for one, other, weight in zip(rows.tolist(), columns.tolist(), weights, strict=True):
        neighbours[one].append((other, weight))
        neighbours[other].append((one, weight))
    return neighbours


def near_pairs(
    embeddings: Float[Tensor, "n d"], threshold: float
) -> tuple[Int64[Tensor, " p"], Int64[Tensor, " p"], Float[Tensor, " p"]]:
    """All pairs of rows nearer than ``threshold``, each once with the lower row first, and their distances.

    Raises:
        ValueError: an embedding is NaN or infinite.
    """
    if not bool(embeddings.isfinite().all()):
        raise ValueError("an embedding is NaN or infinite")
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    step = max(1, BLOCK // max(len(embeddings), 1))
    for start in range(0, len(embeddings), step):
        some = embeddings[start : start + step]
        distances = torch.cdist(some, embeddings[start:], compute_mode="donot_use_mm_for_euclid_dist")
        row, column = (distances < threshold).triu(diagonal=1).nonzero(as_tuple=True)
        parts.append((row + start, column + start, distances[row, column]))
    if not parts:
        empty = torch.zeros(0, dtype=torch.int64)
        return empty, empty, embeddings.new_zeros(0)
    rows, columns, near = (torch.cat(part) for part in zip(*parts, strict=True))
    return rows, columns, near


class _Forest:
    """Sets that are joined, and pairs of them that never are.

    Args:
        count: of the items.
        never: pairs that stay apart.
        always: pairs that are joined at once.
    """

    def __init__(self, count: int, never: Sequence[Pair], always: Sequence[Pair]) -> None:
        self.parents = list(range(count))
        self.enemies: dict[int, set[int]] = {}
        for pair in (*never, *always):
            if not all(0 <= row < count for row in pair):
                raise ValueError(f"there is no pair {tuple(pair)} among {count} rows")
        for one, other in never:
            if one == other:
                raise ValueError(f"row {one} cannot be kept apart from itself")
            self.enemies.setdefault(one, set()).add(other)
            self.enemies.setdefault(other, set()).add(one)
        for one, other in always:
            if not self.join(one, other):
                raise ValueError(f"rows {one} and {other} are always together, and by other pairs never")

    def root(self, row: int) -> int:
        """The item that stands for the set of a row."""
        while self.parents[row] != row:
            self.parents[row] = self.parents[self.parents[row]]
            row = self.parents[row]
        return row

    def apart(self, one: int, other: int) -> bool:
        """Whether two sets, by their roots, are never joined."""
        return other in self.enemies.get(one, ())

    def join(self, one: int, other: int) -> bool:
        """Makes one set of two; whether they now are one."""
        low, high = sorted((self.root(one), self.root(other)))
        if low == high:
            return True
        if self.apart(low, high):
            return False
        self.parents[high] = low
        for enemy in self.enemies.pop(high, set()):
            self.enemies[enemy].discard(high)
            self.enemies[enemy].add(low)
            self.enemies.setdefault(low, set()).add(enemy)
        return True

    def members(self) -> dict[int, list[int]]:
        """The rows of each set, by its root."""
        found: dict[int, list[int]] = {}
        for row in range(len(self.parents)):
            found.setdefault(self.root(row), []).append(row)
        return found

    def groups(self) -> Int64[Tensor, " n"]:
        """The number of each row's set."""
        return _numbered(self.root(row) for row in range(len(self.parents)))


def _numbered(names: Iterable[int]) -> Int64[Tensor, " n"]:
    """Names as numbers from 0 on, in the order in which they come."""
    numbers: dict[int, int] = {}
    return torch.tensor([numbers.setdefault(name, len(numbers)) for name in names], dtype=torch.int64)
