"""Where a gallery keeps its rows: one protocol, an embedded store and one on a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float32, Int64

from visus.galleries.entry import Entry, Metadata, NewEntry, SeenFile, Value


@dataclass(frozen=True)
class StoreState:
    """How far a store is: what is derived from it compares these numbers, which only grow.

    Args:
        added: the largest identifier of an entry that was ever given.
        removed: how often entries were removed.
        edited: how often the metadata of entries, or whether they are gone, changed.
        entries: how many there are now.
        gone: how many of them are gone.
    """

    added: int
    removed: int
    edited: int
    entries: int
    gone: int


@dataclass(frozen=True)
class Description:
    """An entry without its picture: what filters look at."""

    id: int
    metadata: Metadata
    gone: bool


Vectors = tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n d"]]


class Store(Protocol):
    """The only truth about a gallery. Every method is one transaction: done and on the disk when it returns, or not.

    Any number of processes may use one store at once. Identifiers rise in the order in which entries become visible.
    """

    def settings(self) -> Mapping[str, str]:
        """What the gallery was made with."""

    def state(self) -> StoreState:
        """How far it is."""

    def add(self, entries: Sequence[NewEntry], files: Sequence[SeenFile]) -> int:
        """Puts in entries and where they were found; the number of those that were not there.

        An entry with the pixels and the box of another one is that one. A file that now holds other pixels leaves its
        path to the past of the image that it held.
        """

    def known(self, pixels: Sequence[bytes]) -> dict[bytes, list[int]]:
        """The entries of each hash of which there are any."""

    def files(self) -> dict[str, SeenFile]:
        """The files of the present, by path."""

    def mark_gone(self, paths: Sequence[str]) -> int:
        """Says that files are missing; the number of entries that are gone now and were not."""

    def vectors(self, after: int = 0) -> Iterator[Vectors]:
        """Identifiers, rising, and vectors of the entries beyond ``after``, some thousands at once."""

    def descriptions(self) -> Iterator[Description]:
        """All entries, by rising identifier."""

    def entries(self, ids: Sequence[int]) -> list[Entry]:
        """Entries in the order of ``ids``; those that do not exist are left out."""

    def edit(self, ids: Sequence[int], metadata: Mapping[str, Value | None]) -> int:
        """Sets fields of entries, or takes them away (None), others stay; the number of entries that there were."""

    def remove(self, ids: Sequence[int]) -> int:
        """Removes entries and what only they need, so that nothing of them stays on the disk; how many there were."""

    def decide(self, content: str, entries: Sequence[int]) -> None:
        """Keeps what was decided about entries, see `visus.galleries.decisions`."""

    def decisions(self) -> list[str]:
        """What was decided, the oldest first; what is about an entry that was removed is not there any more."""

    def drop_decision(self) -> None:
        """Takes back the last of them."""

    def close(self) -> None:
        """Ends the use."""
