"""The embedded store: one SQLite file, whose log (WAL) lets others read while one writes.

A transaction is on the disk when it returns (``synchronous = FULL``), and what is removed is overwritten with zeros
(``secure_delete``).
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from visus.galleries.entry import Box, Entry, NewEntry, SeenFile, Value
from visus.galleries.errors import GalleryError, GalleryNotFoundError
from visus.galleries.store import Description, StoreState, Vectors
from visus.whole_file import DiskFullError

_PATIENCE = 120.0  # seconds that one writer waits for another
_AT_ONCE = 4096
_MOST_VARIABLES = 500

_TABLES: Final = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE counters (
  added INTEGER NOT NULL,
  removed INTEGER NOT NULL,
  edited INTEGER NOT NULL,
  entries INTEGER NOT NULL,
  gone INTEGER NOT NULL
);
INSERT INTO counters VALUES (0, 0, 0, 0, 0);
CREATE TABLE entries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pixels BLOB NOT NULL,
  box TEXT NOT NULL,
  height INTEGER NOT NULL,
  width INTEGER NOT NULL,
  metadata TEXT NOT NULL,
  thumbnail BLOB NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0,
  UNIQUE (pixels, box)
);
CREATE TABLE vectors (id INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE paths (
  path BLOB NOT NULL,
  pixels BLOB NOT NULL,
  size INTEGER NOT NULL,
  modified INTEGER NOT NULL,
  seen REAL NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (path, pixels)
) WITHOUT ROWID;
CREATE INDEX paths_of_pixels ON paths (pixels);
CREATE TABLE decisions (id INTEGER PRIMARY KEY AUTOINCREMENT, content TEXT NOT NULL, entries TEXT NOT NULL);
"""


class SqliteStore:
    """A store in one file.

    Args:
        path: of the file.

    Raises:
        GalleryNotFoundError: there is no such file, or it is no store.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise GalleryNotFoundError(
                f"{path.parent}: no gallery here; `visus gallery create {path.parent}` makes one"
            )
        self.path = path
        self._db = _connected(path)
        try:
            self.settings()
        except sqlite3.DatabaseError as error:
            raise GalleryNotFoundError(f"{path}: this file is no gallery, or damaged ({error})") from error

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, str]) -> SqliteStore:
        """A new, empty store; the file is there whole or not at all."""
        part = path.with_name(f".{path.name}.{os.getpid()}.new")
        try:
            db = sqlite3.connect(part, isolation_level=None)
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.executescript(f"BEGIN; {_TABLES} COMMIT;")
            db.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())
            db.close()
            os.link(part, path)  # unlike a rename, this never takes the place of another process's file
        finally:
            part.unlink(missing_ok=True)
        return cls(path)

    def settings(self) -> Mapping[str, str]:
        """See `visus.galleries.store.Store`."""
        return dict(self._db.execute("SELECT name, value FROM settings"))

    def state(self) -> StoreState:
        """See `visus.galleries.store.Store`."""
        row = self._db.execute("SELECT added, removed, edited, entries, gone FROM counters").fetchone()
        return StoreState(*row)

    def add(self, entries: Sequence[NewEntry], files: Sequence[SeenFile]) -> int:
        """See `visus.galleries.store.Store`."""
        with self._transaction("IMMEDIATE") as db:
            new = [number for entry in entries if (number := _insert(db, entry))]
            if new:
                db.execute("UPDATE counters SET added = MAX(added, ?), entries = entries + ?", (max(new), len(new)))
            changed = [file.pixels for file in files]
            for file in files:
                path = os.fsencode(file.path)
                query = "UPDATE paths SET gone = 1 WHERE path = ? AND pixels <> ? AND gone = 0 RETURNING pixels"
                changed += [pixels for (pixels,) in db.execute(query, (path, file.pixels)).fetchall()]
                db.execute(
                    "INSERT INTO paths VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT DO UPDATE SET "
                    "size = excluded.size, modified = excluded.modified, seen = excluded.seen, gone = 0",
                    (path, file.pixels, file.size, file.modified, time.time()),
                )
            _settle_gone(db, changed)
        return len(new)

    def known(self, pixels: Sequence[bytes]) -> dict[bytes, list[int]]:
        """See `visus.galleries.store.Store`."""
        found: dict[bytes, list[int]] = {}
        for start in range(0, len(pixels), _MOST_VARIABLES):
            part = pixels[start : start + _MOST_VARIABLES]
            query = f"SELECT pixels, id FROM entries WHERE pixels IN ({', '.join('?' * len(part))}) ORDER BY id"
            for one, number in self._db.execute(query, part):
                found.setdefault(one, []).append(number)
        return found

    def files(self) -> dict[str, SeenFile]:
        """See `visus.galleries.store.Store`."""
        rows = self._db.execute("SELECT path, size, modified, pixels FROM paths WHERE gone = 0")
        seen = (SeenFile(os.fsdecode(path), size, modified, pixels) for path, size, modified, pixels in rows)
        return {file.path: file for file in seen}

    def mark_gone(self, paths: Sequence[str]) -> int:
        """See `visus.galleries.store.Store`."""
        changed: list[bytes] = []
        with self._transaction("IMMEDIATE") as db:
            for path in paths:
                query = "UPDATE paths SET gone = 1 WHERE path = ? AND gone = 0 RETURNING pixels"
                changed += [pixels for (pixels,) in db.execute(query, (os.fsencode(path),)).fetchall()]
            return _settle_gone(db, changed)

    def vectors(self, after: int = 0) -> Iterator[Vectors]:
        """See `visus.galleries.store.Store`."""
        query = "SELECT id, vector FROM vectors WHERE id > ? ORDER BY id LIMIT ?"
        while rows := self._db.execute(query, (after, _AT_ONCE)).fetchall():
            ids = np.array([row[0] for row in rows], dtype=np.int64)
            yield ids, np.frombuffer(b"".join(row[1] for row in rows), dtype="<f4").reshape(len(rows), -1)
            after = int(ids[-1])

    def descriptions(self) -> Iterator[Description]:
        """See `visus.galleries.store.Store`."""
        for number, metadata, gone in self._db.execute("SELECT id, metadata, gone FROM entries ORDER BY id"):
            yield Description(number, json.loads(metadata) if metadata != "{}" else {}, bool(gone))

    def entries(self, ids: Sequence[int]) -> list[Entry]:
        """See `visus.galleries.store.Store`."""
        found = {}
        query = "SELECT id, pixels, box, height, width, metadata, thumbnail FROM entries WHERE id = ?"
        paths = "SELECT path, gone FROM paths WHERE pixels = ? ORDER BY gone, seen DESC, path"
        with self._transaction("DEFERRED") as db:
            for number in ids:
                row = db.execute(query, (int(number),)).fetchone()
                if row is None:
                    continue
                rows = [(os.fsdecode(path), gone) for path, gone in db.execute(paths, (row[1],))]
                now, past = (tuple(path for path, gone in rows if bool(gone) == wanted) for wanted in (False, True))
                found[number] = Entry(
                    row[0], row[1], box_of(row[2]), (row[3], row[4]), now, past, json.loads(row[5]), row[6]
                )
        return [found[number] for number in ids if number in found]

    def edit(self, ids: Sequence[int], metadata: Mapping[str, Value | None]) -> int:
        """See `visus.galleries.store.Store`."""
        count = 0
        with self._transaction("IMMEDIATE") as db:
            for number in ids:
                row = db.execute("SELECT metadata FROM entries WHERE id = ?", (int(number),)).fetchone()
                if row is not None:
                    text = edited(row[0], metadata)
                    db.execute("UPDATE entries SET metadata = ? WHERE id = ?", (text, int(number)))
                    count += 1
            db.execute("UPDATE counters SET edited = edited + 1")
        return count

    def remove(self, ids: Sequence[int]) -> int:
        """See `visus.galleries.store.Store`."""
        count = gone = 0
        with self._transaction("IMMEDIATE") as db:
            for number in ids:
                row = db.execute("DELETE FROM entries WHERE id = ? RETURNING pixels, gone", (int(number),)).fetchone()
                if row is None:
                    continue
                count, gone = count + 1, gone + row[1]
                db.execute("DELETE FROM vectors WHERE id = ?", (int(number),))
                if not db.execute("SELECT 1 FROM entries WHERE pixels = ?", row[:1]).fetchone():
                    db.execute("DELETE FROM paths WHERE pixels = ?", row[:1])
            told = db.execute("SELECT id, entries FROM decisions").fetchall()
            db.executemany("DELETE FROM decisions WHERE id = ?", [(one,) for one in about(told, ids)])
            query = "UPDATE counters SET removed = removed + 1, entries = entries - ?, gone = gone - ?"
            db.execute(query, (count, gone))
        self._db.execute("PRAGMA incremental_vacuum").fetchall()  # the file gets smaller by what is free
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # the log holds pages as they were
        return count

    def decide(self, content: str, entries: Sequence[int]) -> None:
        """See `visus.galleries.store.Store`."""
        with self._transaction("IMMEDIATE") as db:
            db.execute("INSERT INTO decisions (content, entries) VALUES (?, ?)", (content, json.dumps(list(entries))))

    def decisions(self) -> list[str]:
        """See `visus.galleries.store.Store`."""
        return [row[0] for row in self._db.execute("SELECT content FROM decisions ORDER BY id")]

    def drop_decision(self) -> None:
        """See `visus.galleries.store.Store`."""
        with self._transaction("IMMEDIATE") as db:
            db.execute("DELETE FROM decisions WHERE id = (SELECT MAX(id) FROM decisions)")

    def close(self) -> None:
        """See `visus.galleries.store.Store`."""
        self._db.close()

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[sqlite3.Connection]:
        """All or nothing: what an error or a kill leaves is as it was before."""
        try:
            self._db.execute(f"BEGIN {kind}")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            if "full" in str(error):
                raise DiskFullError(
                    f"{self.path}: the disk is full; what was reported as added is there: make room, then start again"
                ) from error
            if "locked" in str(error):
                raise GalleryError(f"{self.path}: another process has been writing for {_PATIENCE:.0f} s") from error
            raise GalleryError(f"{self.path}: {error}") from error


def _connected(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        for setting in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "temp_store = MEMORY"):
            db.execute(f"PRAGMA {setting}").fetchall()
    except sqlite3.DatabaseError as error:
        db.close()
        raise GalleryNotFoundError(f"{path}: this file is no gallery, or cannot be opened ({error})") from error
    return db


def _insert(db: sqlite3.Connection, entry: NewEntry) -> int:
    """The number of a new entry; 0 where it is there already."""
    query = (
        "INSERT INTO entries (pixels, box, height, width, metadata, thumbnail) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT DO NOTHING RETURNING id"
    )
    text = json.dumps(dict(entry.metadata))
    row = db.execute(query, (entry.pixels, box_text(entry.box_xyxy), *entry.size, text, entry.thumbnail)).fetchone()
    if row is None:
        return 0
    vector = np.ascontiguousarray(entry.vector, dtype="<f4").tobytes()
    db.execute("INSERT INTO vectors VALUES (?, ?)", (row[0], vector))
    return int(row[0])


def _settle_gone(db: sqlite3.Connection, pixels: Iterable[bytes]) -> int:
    """Entries are gone where all their files are; the number of those that are now and were not."""
    query = (
        "UPDATE entries SET gone = 1 - gone WHERE pixels = :pixels AND gone <> "
        "(EXISTS (SELECT 1 FROM paths WHERE pixels = :pixels) AND "
        "NOT EXISTS (SELECT 1 FROM paths WHERE pixels = :pixels AND gone = 0)) RETURNING gone"
    )
    turned = [row[0] for one in set(pixels) for row in db.execute(query, {"pixels": one}).fetchall()]
    if turned:
        net = 2 * sum(turned) - len(turned)
        db.execute("UPDATE counters SET edited = edited + 1, gone = gone + ?", (net,))
    return sum(turned)


def edited(text: str, metadata: Mapping[str, Value | None]) -> str:
    """Metadata as JSON with other values; fields without one (None) are not there any more."""
    told = {**json.loads(text), **metadata}
    return json.dumps({name: value for name, value in told.items() if value is not None})


def about(told: Iterable[tuple[int, str]], ids: Iterable[int]) -> list[int]:
    """The numbers of the decisions that are about some of the entries."""
    wanted = set(ids)
    return [number for number, entries in told if wanted & set(json.loads(entries))]


def box_text(box: Box | None) -> str:
    """A box as one text, equal for equal boxes; empty for a whole image."""
    return "" if box is None else json.dumps([round(float(value), 2) for value in box])


def box_of(text: str) -> Box | None:
    """The box that `box_text` wrote."""
    if not text:
        return None
    x1, y1, x2, y2 = json.loads(text)
    return (x1, y1, x2, y2)
