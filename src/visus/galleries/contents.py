"""What is derived from a store to be searched: the table of vectors, the columns of metadata, the law of chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from visus.galleries.approximate import ApproximateIndex
from visus.galleries.calibration import Calibration, calibrate
from visus.galleries.errors import EmptyGalleryError, GalleryError
from visus.galleries.filters import Columns, Condition, condition
from visus.galleries.scan import nearest
from visus.galleries.scan_files import ScanFiles
from visus.galleries.screens import Closeness, ScanTable
from visus.galleries.store import Store


class Contents:
    """The entries of one gallery, ready to be searched; made again whenever the store has changed.

    Args:
        folder: of the gallery.
        store: its entries.
        dimensions: of their vectors.
        closeness: what is near.
    """

    def __init__(self, folder: Path, store: Store, dimensions: int, closeness: Closeness) -> None:
        self.folder, self.store, self.dimensions = folder, store, dimensions
        self._files = ScanFiles(folder / "cache", dimensions, closeness)
        self._index = ApproximateIndex(folder / "cache")
        self._columns: tuple[tuple[int, ...], Columns] | None = None
        self._calibration: tuple[ScanTable, Calibration | None] | None = None

    def table(self) -> ScanTable:
        """The vectors of all entries."""
        return self._files.table(self.store)

    def filled_table(self) -> ScanTable:
        """The vectors of all entries.

        Raises:
            EmptyGalleryError: there is none.
        """
        table = self.table()
        if not len(table):
            raise EmptyGalleryError(
                f"{self.folder}: this gallery is empty; `visus gallery add {self.folder} IMAGES` fills it"
            )
        return table

    def columns(self, table: ScanTable) -> Columns:
        """The metadata of the rows of a table."""
        key = (self.store.state().edited, len(table), int(table.ids[-1]) if len(table) else 0)
        if self._columns is None or self._columns[0] != key:
            self._columns = key, Columns(self.store.descriptions(), table.ids)
        return self._columns[1]

    def allowed(
        self, table: ScanTable, where: Sequence[str | Condition], *, gone: bool = False
    ) -> Bool[Tensor, " n"] | None:
        """The rows that fulfil conditions, of those that are not gone unless ``gone``; None for all.

        Raises:
            GalleryError: a text that is no condition, or a field that no entry has.
        """
        if not where and (gone or not self.store.state().gone):
            return None
        return self.columns(table).allowed(_conditions(where), gone=gone)

    def chosen(self, where: Sequence[str | Condition], *, gone: bool) -> list[int]:
        """The identifiers of entries that fulfil conditions (of none: no entry), and of those that are gone."""
        table = self.table()
        rows = torch.zeros(len(table), dtype=torch.bool)
        if where:
            rows |= self.columns(table).allowed(_conditions(where), gone=True)
        if gone:
            rows |= ~self.columns(table).present
        found: list[int] = table.ids[rows].tolist()
        return found

    def nearest(
        self, vectors: Float[Tensor, "q d"], k: int, *, where: Sequence[str | Condition], gone: bool, approximate: bool
    ) -> tuple[Int64[Tensor, "q k"], Float64[Tensor, "q k"]]:
        """See `visus.galleries.gallery.Gallery.nearest`."""
        if k < 1:
            raise GalleryError(f"k must be at least 1, not {k}")
        table = self.filled_table()
        self.check(vectors)
        allowed = self.allowed(table, where, gone=gone)
        if approximate and allowed is None:
            rows, scores = self._index.nearest(table, self.store.state().removed, vectors.float(), k)
        else:
            rows, scores = nearest(table, vectors.float(), k, allowed=allowed)
        return table.ids[rows], scores

    def calibration(self, table: ScanTable) -> Calibration | None:
        """What scores come about by chance; None of a gallery that is too small."""
        if self._calibration is None or self._calibration[0] is not table:
            self._calibration = table, calibrate(table)
        return self._calibration[1]

    def vector(self, table: ScanTable, number: int) -> Float[Tensor, "1 d"]:
        """The vector of an entry.

        Raises:
            GalleryError: there is no such entry.
        """
        row = int(torch.searchsorted(table.ids, number))
        if row == len(table) or int(table.ids[row]) != number:
            raise GalleryError(f"{self.folder}: there is no entry {number}")
        return table.vectors[row : row + 1]

    def check(self, vectors: Float[Tensor, "q d"]) -> None:
        """Whether vectors can be compared with those of the gallery.

        Raises:
            GalleryError: they have other dimensions, or are not finite.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.dimensions:
            raise GalleryError(f"vectors of shape {list(vectors.shape)}: this gallery needs [q, {self.dimensions}]")
        if not bool(vectors.isfinite().all()):
            raise GalleryError("vectors must be finite, and one holds NaN or infinity")

    @contextmanager
    def without(self) -> Iterator[None]:
        """Inside ``with``, nothing that is derived is there: for removing entries from the store."""
        self._columns = self._calibration = None
        with self._files.without():
            yield


def _conditions(where: Sequence[str | Condition]) -> list[Condition]:
    return [condition(one) if isinstance(one, str) else one for one in where]
