"""A validation part of a data set that comes with a training and a test part alone."""

from __future__ import annotations

EVERY = 10


def held_out(count: int, split: str) -> list[int]:
    """The places, ascending, of what a split has of ``count`` things of a class: "val" is every tenth.

    "train" has the others; "all" and "test" have everything. At least one is held out where there are two.

    >>> held_out(12, "val"), held_out(12, "train")
    ([0, 10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 11])
    """
    if split in ("all", "test"):
        return list(range(count))
    kept = {place for place in range(count) if place % EVERY == 0} if count > 1 else set()
    return [place for place in range(count) if (place in kept) == (split == "val")]
