"""What is scanned, in files that are mapped into memory: derived from the store, made again where they are stale.

Where entries were only added since, theirs are appended. Where some were removed, new files take the place of the old
ones, which go before the store forgets, as removed vectors are to be nowhere. A file of a few numbers, written last and
whole, says how much of the others counts: a process that was killed in between leaves nothing that is believed.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

import torch
from jaxtyping import Shaped
from torch import Tensor

from visus.galleries.scan import table_of
from visus.galleries.screens import Closeness, ScanTable, coded, directions, lengths_of
from visus.galleries.store import Store
from visus.metrics.rounding import LARGEST, unit_for
from visus.whole_file import DiskFullError, full_disk, write_whole

_STORED: Final = {"ids": torch.int64, "vectors": torch.float32, "lengths": torch.float64}
_WRITTEN = "written.json"
_INDEX: Final = ("index.json", "index.faiss")  # what `visus.galleries.approximate` derives from these
_CHUNK = 65_536


@dataclass(frozen=True)
class _Written:
    """What the files hold: ``rows`` entries, as of an entry ``last`` and ``removed`` removals of the store.

    ``generation`` is in the names of the files of what the store holds, ``coding`` in that of the codes.
    """

    generation: str
    coding: str
    rows: int
    last: int
    removed: int
    unit: float
    loss: float


class ScanFiles:
    """The files of one gallery.

    Args:
        folder: where they are; made when it is needed.
        dimensions: of the vectors.
        closeness: what is near.
    """

    def __init__(self, folder: Path, dimensions: int, closeness: Closeness) -> None:
        self.folder, self.dimensions, self.closeness = folder, dimensions, closeness
        self._table: ScanTable | None = None
        self._written: _Written | None = None

    def table(self, store: Store) -> ScanTable:
        """The entries of the store as they are now, ready to be scanned."""
        state, written = store.state(), self._written
        if self._table is None or written is None or (written.last, written.removed) != (state.added, state.removed):
            try:
                with self._alone():
                    self._written = self._up_to_date(store)
                    self._table = self._mapped(self._written)
            except DiskFullError:  # asking needs no room
                self._table = self._written = None
                return self._in_memory(store)
        return self._table

    def _in_memory(self, store: Store) -> ScanTable:
        parts = [(torch.from_numpy(ids), torch.from_numpy(vectors.copy())) for ids, vectors in store.vectors()]
        if not parts:
            return table_of(torch.empty(0, self.dimensions), self.closeness)
        ids, vectors = (torch.cat(column) for column in zip(*parts, strict=True))
        return table_of(vectors, self.closeness, ids)

    @contextmanager
    def without(self) -> Iterator[None]:
        """Inside ``with``, there are no files, and no other process makes any: for removing entries from the store."""
        with self._alone():
            self._delete()
            yield

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other process changes the files; the system ends the wait for one that was killed."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            except OSError as error:
                raise full_disk(error, self.folder / "lock") or error from error

    def _up_to_date(self, store: Store) -> _Written:
        state, written = store.state(), self._read()
        if written is None or written.removed != state.removed:
            self._delete()
            written = _Written(secrets.token_hex(8), "", 0, 0, state.removed, 0.0, 0.0)
        if written.last == state.added and written.coding:
            return written
        grown = self._coded(self._grown(store, written, state.added), written.rows)
        write_whole(self.folder / _WRITTEN, json.dumps(asdict(grown)))
        for path in self.folder.glob("codes.*"):
            if path.suffix != f".{grown.coding}":
                path.unlink()
        return grown

    def _grown(self, store: Store, written: _Written, last: int) -> _Written:
        """With the entries of the store that were not there."""
        rows = written.rows
        with ExitStack() as open_files:
            files = {kind: open_files.enter_context(self._from_row(kind, written.generation, rows)) for kind in _STORED}
            for ids, array in store.vectors(written.last):
                vectors = torch.from_numpy(array.copy())
                parts = {"ids": torch.from_numpy(ids), "vectors": vectors, "lengths": lengths_of(vectors)}
                for kind, part in parts.items():
                    files[kind].write(part.numpy().data)
                rows, last = rows + len(ids), max(last, int(ids[-1]))
        return replace(written, rows=rows, last=last)

    def _coded(self, grown: _Written, start: int) -> _Written:
        """With codes from row ``start`` on; of all rows where the unit is too small for the new ones, or is none."""
        parts = range(start, grown.rows, _CHUNK)
        largest = max((float(self._directions(grown, first).abs().max()) for first in parts), default=0.0)
        if not grown.coding or largest > LARGEST * grown.unit * (1 + 1e-6):
            if start:
                return self._coded(replace(grown, coding=""), 0)
            grown = replace(grown, coding=secrets.token_hex(8), unit=unit_for(largest), loss=0.0)
        loss = grown.loss
        with self._from_row("codes", grown.coding, start) as file:
            for first in parts:
                codes, lost = coded(self._directions(grown, first), grown.unit)
                file.write(codes.numpy().data)
                loss = max(loss, lost)
        return replace(grown, loss=loss)

    def _directions(self, written: _Written, first: int) -> Tensor:
        part = slice(first, first + _CHUNK)
        vectors = self._rows("vectors", written.generation, written.rows, torch.float32)[part]
        return directions(
            vectors, self._rows("lengths", written.generation, written.rows, torch.float64)[part], self.closeness
        )

    @contextmanager
    def _from_row(self, kind: str, generation: str, row: int) -> Iterator[BinaryIO]:
        """A file to write to behind its first rows, whatever follows them; on the disk at the end."""
        with (self.folder / f"{kind}.{generation}").open("ab") as file:
            each = {"ids": 8, "lengths": 8, "vectors": 4 * self.dimensions, "codes": self.dimensions}[kind]
            file.truncate(row * each)
            yield file
            file.flush()
            os.fsync(file.fileno())

    def _rows(self, kind: str, generation: str, rows: int, dtype: torch.dtype) -> Shaped[Tensor, " ..."]:
        wide = kind in ("vectors", "codes")
        if not rows:
            return torch.empty((0, self.dimensions) if wide else 0, dtype=dtype)
        size = rows * (self.dimensions if wide else 1)
        flat = torch.from_file(str(self.folder / f"{kind}.{generation}"), shared=False, size=size, dtype=dtype)
        return flat.view(rows, self.dimensions) if wide else flat

    def _mapped(self, written: _Written) -> ScanTable:
        if not written.rows:
            return table_of(torch.empty(0, self.dimensions), self.closeness)
        stored = {kind: self._rows(kind, written.generation, written.rows, dtype) for kind, dtype in _STORED.items()}
        codes = self._rows("codes", written.coding, written.rows, torch.int8)
        return ScanTable(
            stored["ids"], stored["vectors"], codes, stored["lengths"], written.unit, written.loss, self.closeness
        )

    def _read(self) -> _Written | None:
        """What the last process wrote; None where there is nothing, or files are missing."""
        try:
            written = _Written(**json.loads((self.folder / _WRITTEN).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        names = [f"{kind}.{written.generation}" for kind in _STORED] + [f"codes.{written.coding}"]
        return written if all((self.folder / name).is_file() for name in names) else None

    def _delete(self) -> None:
        """The file that says what counts first: without it, none of the others does."""
        self._table = self._written = None
        derived = [path for kind in (*_STORED, "codes") for path in self.folder.glob(f"{kind}.*")]
        for path in (self.folder / _WRITTEN, *(self.folder / name for name in _INDEX), *derived):
            path.unlink(missing_ok=True)
