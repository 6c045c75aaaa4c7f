"""The store on a server: PostgreSQL with pgvector, for galleries that many machines fill and ask.

Each gallery is a schema of the database. Those who write wait for each other (an advisory lock), so that identifiers
rise in the order in which entries become visible. asyncpg runs in a thread of its own, so that this store can be used
where another event loop runs already, as in notebooks.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import numpy as np

from visus.errors import VisusError
from visus.galleries.entry import Entry, NewEntry, SeenFile, Value
from visus.galleries.errors import GalleryError, GalleryNotFoundError
from visus.galleries.sqlite_store import about, box_of, box_text, edited
from visus.galleries.store import Description, StoreState, Vectors

_AT_ONCE = 4096
_MOST_DIMENSIONS = 16_000  # of a column of pgvector
_NAME = re.compile(r"[a-z][a-z0-9_]{0,50}")
_Found = TypeVar("_Found")

_TABLES: Final = """
CREATE TABLE settings (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE counters (added bigint NOT NULL, removed bigint NOT NULL, edited bigint NOT NULL, entries bigint NOT NULL,
  gone bigint NOT NULL);
INSERT INTO counters VALUES (0, 0, 0, 0, 0);
CREATE TABLE entries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pixels bytea NOT NULL,
  box text NOT NULL,
  height integer NOT NULL,
  width integer NOT NULL,
  metadata text NOT NULL,
  thumbnail bytea NOT NULL,
  gone boolean NOT NULL DEFAULT false,
  vector {vector} NOT NULL,
  UNIQUE (pixels, box)
);
CREATE TABLE paths (
  path bytea NOT NULL,
  pixels bytea NOT NULL,
  size bigint NOT NULL,
  modified bigint NOT NULL,
  seen timestamptz NOT NULL DEFAULT clock_timestamp(),
  gone boolean NOT NULL DEFAULT false,
  PRIMARY KEY (path, pixels)
);
CREATE INDEX ON paths (pixels);
CREATE TABLE decisions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, content text NOT NULL, entries text NOT NULL
);
"""
_SETTLE: Final = """
UPDATE entries SET gone = NOT gone WHERE pixels = $1 AND gone <>
(EXISTS (SELECT 1 FROM paths WHERE pixels = $1) AND
NOT EXISTS (SELECT 1 FROM paths WHERE pixels = $1 AND NOT paths.gone)) RETURNING gone
"""


class PostgresStore:
    """A store in a schema of a database.

    Args:
        address: of the database, ``postgresql://user@host/name``; what it leaves out is taken from the variables of
            libpq, such as ``PGPASSWORD``.
        name: of the schema.

    Raises:
        GalleryNotFoundError: there is no such gallery.
        GalleryError: the database cannot be reached.
        VisusError: asyncpg is not installed.
    """

    def __init__(self, address: str, name: str) -> None:
        self.address, self.name = address, name
        self._thread = _LoopThread()
        self._db = self._thread.run(_connected(address, name))
        if not self._thread.run(self._db.fetchval("SELECT to_regclass($1)", f"{name}.counters")):
            self.close()
            raise GalleryNotFoundError(f"{_shown(address)}: no gallery called {name} in this database")
        self._thread.run(_take_vectors(self._db))

    @classmethod
    def create(cls, address: str, name: str, settings: Mapping[str, str]) -> PostgresStore:
        """A new, empty store.

        Raises:
            GalleryError: the database has one of this name already, or no pgvector, or cannot be reached.
        """
        if not _NAME.fullmatch(name):
            raise GalleryError(f"{name!r}: on a server a gallery is called by small letters, digits and _")
        if int(settings["dimensions"]) > _MOST_DIMENSIONS:
            raise GalleryError(f"pgvector holds at most {_MOST_DIMENSIONS} dimensions, not {settings['dimensions']}")
        thread = _LoopThread()
        try:
            thread.run(_create(address, name, settings))
        finally:
            thread.stop()
        return cls(address, name)

    def settings(self) -> Mapping[str, str]:
        """See `visus.galleries.store.Store`."""
        return {row["name"]: row["value"] for row in self._rows("SELECT name, value FROM settings")}

    def state(self) -> StoreState:
        """See `visus.galleries.store.Store`."""
        (row,) = self._rows("SELECT added, removed, edited, entries, gone FROM counters")
        return StoreState(*row)

    def add(self, entries: Sequence[NewEntry], files: Sequence[SeenFile]) -> int:
        """See `visus.galleries.store.Store`."""
        return self._alone(self._add(entries, files))

    async def _add(self, entries: Sequence[NewEntry], files: Sequence[SeenFile]) -> int:
        new = []
        insert = (
            "INSERT INTO entries (pixels, box, height, width, metadata, thumbnail, vector) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING id"
        )
        for one in entries:
            text, box = json.dumps(dict(one.metadata)), box_text(one.box_xyxy)
            number = await self._db.fetchval(insert, one.pixels, box, *one.size, text, one.thumbnail, one.vector)
            new += [] if number is None else [number]
        if new:
            query = "UPDATE counters SET added = GREATEST(added, $1), entries = entries + $2"
            await self._db.execute(query, max(new), len(new))
        changed = [file.pixels for file in files]
        left = "UPDATE paths SET gone = true WHERE path = $1 AND pixels <> $2 AND NOT gone RETURNING pixels"
        here = (
            "INSERT INTO paths (path, pixels, size, modified) VALUES ($1, $2, $3, $4) ON CONFLICT (path, pixels) DO "
            "UPDATE SET size = excluded.size, modified = excluded.modified, seen = excluded.seen, gone = false"
        )
        for file in files:
            path = os.fsencode(file.path)
            changed += [row["pixels"] for row in await self._db.fetch(left, path, file.pixels)]
            await self._db.execute(here, path, file.pixels, file.size, file.modified)
        await self._settle_gone(changed)
        return len(new)

    def known(self, pixels: Sequence[bytes]) -> dict[bytes, list[int]]:
        """See `visus.galleries.store.Store`."""
        found: dict[bytes, list[int]] = {}
        for row in self._rows("SELECT pixels, id FROM entries WHERE pixels = ANY($1) ORDER BY id", list(pixels)):
            found.setdefault(row["pixels"], []).append(row["id"])
        return found

    def files(self) -> dict[str, SeenFile]:
        """See `visus.galleries.store.Store`."""
        rows = self._rows("SELECT path, size, modified, pixels FROM paths WHERE NOT gone")
        seen = (SeenFile(os.fsdecode(row["path"]), row["size"], row["modified"], row["pixels"]) for row in rows)
        return {file.path: file for file in seen}

    def mark_gone(self, paths: Sequence[str]) -> int:
        """See `visus.galleries.store.Store`."""
        return self._alone(self._mark_gone([os.fsencode(path) for path in paths]))

    async def _mark_gone(self, paths: Sequence[bytes]) -> int:
        query = "UPDATE paths SET gone = true WHERE path = ANY($1) AND NOT gone RETURNING pixels"
        return await self._settle_gone([row["pixels"] for row in await self._db.fetch(query, paths)])

    def vectors(self, after: int = 0) -> Iterator[Vectors]:
        """See `visus.galleries.store.Store`."""
        query = "SELECT id, vector FROM entries WHERE id > $1 ORDER BY id LIMIT $2"
        while rows := self._rows(query, after, _AT_ONCE):
            ids = np.array([row["id"] for row in rows], dtype=np.int64)
            yield ids, np.stack([row["vector"] for row in rows])
            after = int(ids[-1])

    def descriptions(self) -> Iterator[Description]:
        """See `visus.galleries.store.Store`."""
        after = 0
        query = "SELECT id, metadata, gone FROM entries WHERE id > $1 ORDER BY id LIMIT $2"
        while rows := self._rows(query, after, _AT_ONCE):
            for row in rows:
                yield Description(row["id"], json.loads(row["metadata"]), row["gone"])
            after = rows[-1]["id"]

    def entries(self, ids: Sequence[int]) -> list[Entry]:
        """See `visus.galleries.store.Store`."""
        query = "SELECT id, pixels, box, height, width, metadata, thumbnail FROM entries WHERE id = ANY($1)"
        rows = self._rows(query, [int(one) for one in ids])
        where = "SELECT pixels, path, gone FROM paths WHERE pixels = ANY($1) ORDER BY gone, seen DESC, path"
        places: dict[tuple[bytes, bool], list[str]] = {}
        for row in self._rows(where, [row["pixels"] for row in rows]):
            places.setdefault((row["pixels"], row["gone"]), []).append(os.fsdecode(row["path"]))
        found = {
            row["id"]: Entry(
                row["id"],
                row["pixels"],
                box_of(row["box"]),
                (row["height"], row["width"]),
                tuple(places.get((row["pixels"], False), ())),
                tuple(places.get((row["pixels"], True), ())),
                json.loads(row["metadata"]),
                row["thumbnail"],
            )
            for row in rows
        }
        return [found[one] for one in ids if one in found]

    def edit(self, ids: Sequence[int], metadata: Mapping[str, Value | None]) -> int:
        """See `visus.galleries.store.Store`."""
        return self._alone(self._edit([int(one) for one in ids], metadata))

    async def _edit(self, ids: Sequence[int], metadata: Mapping[str, Value | None]) -> int:
        rows = await self._db.fetch("SELECT id, metadata FROM entries WHERE id = ANY($1)", ids)
        for row in rows:
            text = edited(row["metadata"], metadata)
            await self._db.execute("UPDATE entries SET metadata = $2 WHERE id = $1", row["id"], text)
        await self._db.execute("UPDATE counters SET edited = edited + 1")
        return len(rows)

    def remove(self, ids: Sequence[int]) -> int:
        """See `visus.galleries.store.Store`; the log and the backups of the server are its administrator's."""
        count = self._alone(self._remove([int(one) for one in ids]))
        for table in ("entries", "paths", "decisions") if count else ():
            self._rows(f"VACUUM FULL {table}")
        return count

    async def _remove(self, ids: Sequence[int]) -> int:
        rows = await self._db.fetch("DELETE FROM entries WHERE id = ANY($1) RETURNING pixels, gone", ids)
        orphans = "DELETE FROM paths WHERE pixels = ANY($1) AND pixels NOT IN (SELECT pixels FROM entries)"
        await self._db.execute(orphans, [row["pixels"] for row in rows])
        told = [(row["id"], row["entries"]) for row in await self._db.fetch("SELECT id, entries FROM decisions")]
        await self._db.execute("DELETE FROM decisions WHERE id = ANY($1)", about(told, ids))
        query = "UPDATE counters SET removed = removed + 1, entries = entries - $1, gone = gone - $2"
        await self._db.execute(query, len(rows), sum(row["gone"] for row in rows))
        return len(rows)

    def decide(self, content: str, entries: Sequence[int]) -> None:
        """See `visus.galleries.store.Store`."""
        query = "INSERT INTO decisions (content, entries) VALUES ($1, $2)"
        self._alone(self._db.execute(query, content, json.dumps(list(entries))))

    def decisions(self) -> list[str]:
        """See `visus.galleries.store.Store`."""
        return [row["content"] for row in self._rows("SELECT content FROM decisions ORDER BY id")]

    def drop_decision(self) -> None:
        """See `visus.galleries.store.Store`."""
        self._alone(self._db.execute("DELETE FROM decisions WHERE id = (SELECT MAX(id) FROM decisions)"))

    def close(self) -> None:
        """See `visus.galleries.store.Store`."""
        if not self._db.is_closed():
            self._thread.run(self._db.close())
        self._thread.stop()

    async def _settle_gone(self, pixels: Iterable[bytes]) -> int:
        turned = [row["gone"] for one in set(pixels) for row in await self._db.fetch(_SETTLE, one)]
        if turned:
            net = 2 * sum(turned) - len(turned)
            await self._db.execute("UPDATE counters SET edited = edited + 1, gone = gone + $1", net)
        return sum(turned)

    def _rows(self, query: str, *values: Any) -> list[Any]:
        return self._thread.run(self._db.fetch(query, *values))

    def _alone(self, work: Coroutine[Any, Any, _Found]) -> _Found:
        """The work in one transaction, while no other process writes."""

        async def transaction() -> _Found:
            async with self._db.transaction():
                await self._db.execute("SELECT pg_advisory_xact_lock(hashtext($1))", self.name)
                return await work

        return self._thread.run(transaction())


class _LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _Found]) -> _Found:
        """What the work gives.

        Raises:
            GalleryError: the server refuses or cannot be reached.
        """
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except (OSError, ValueError) as error:
            raise GalleryError(f"the server of the gallery cannot be reached: {error}") from error
        except Exception as error:
            if type(error).__module__.startswith("asyncpg"):
                raise GalleryError(f"the server of the gallery: {error}") from error
            raise

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _connected(address: str, name: str) -> Any:
    try:
        import asyncpg
    except ImportError as error:
        raise VisusError('a gallery on a server needs asyncpg: pip install "visus[gallery-server]"') from error
    return await asyncpg.connect(address, server_settings={"search_path": f"{name}, public"})


async def _create(address: str, name: str, settings: Mapping[str, str]) -> None:
    db = await _connected(address, name)
    try:
        if await db.fetchval("SELECT to_regnamespace($1)", name):
            raise GalleryError(f"{_shown(address)}: this database has something called {name} already")
        await db.execute("CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public")
        async with db.transaction():
            await db.execute(f"CREATE SCHEMA {name}")
            await db.execute(_TABLES.format(vector=f"vector({int(settings['dimensions'])})"))
            await db.executemany("INSERT INTO settings VALUES ($1, $2)", list(settings.items()))
    finally:
        await db.close()


async def _take_vectors(db: Any) -> None:
    """Has vectors travel as they are: pgvector's form is the number of dimensions, two bytes, and single precision."""
    query = "SELECT nspname FROM pg_type JOIN pg_namespace ON pg_namespace.oid = typnamespace WHERE typname = 'vector'"
    schema = await db.fetchval(query)
    await db.set_type_codec("vector", schema=schema, encoder=_encoded, decoder=_decoded, format="binary")


def _encoded(vector: np.ndarray[Any, np.dtype[np.float32]]) -> bytes:
    return len(vector).to_bytes(2, "big") + b"\0\0" + np.asarray(vector, dtype=">f4").tobytes()


def _decoded(data: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.frombuffer(data, dtype=">f4", offset=4).astype(np.float32)


def _shown(address: str) -> str:
    """An address without its password."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1@", address)
