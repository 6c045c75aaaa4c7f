"""Which store a gallery's folder stands for: the file in it, or the server that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from visus.galleries.errors import GalleryNotFoundError
from visus.galleries.sqlite_store import SqliteStore
from visus.galleries.store import Store
from visus.new_folder import release_folder, take_folder
from visus.whole_file import write_whole

FILE: Final = "gallery.sqlite"
ADDRESS: Final = "server.txt"


def create_store(folder: Path, settings: Mapping[str, str], server: str | None = None) -> Store:
    """A new, empty store.

    Args:
        folder: of the gallery; new or empty.
        settings: what the gallery is made with.
        server: the address of a database that is to hold the entries, in a schema called after the folder.

    Raises:
        FolderTakenError: the folder holds something.
    """
    place = take_folder(folder)
    try:
        if server is None:
            return SqliteStore.create(place / FILE, settings)
        from visus.galleries.postgres_store import PostgresStore

        name = re.sub(r"[^a-z0-9_]", "_", f"visus_{place.resolve().name}".lower())[:50]
        store = PostgresStore.create(server, name, settings)
        write_whole(place / ADDRESS, f"{server}\n{name}\n")
        return store
    finally:
        release_folder(place)


def open_store(folder: Path) -> Store:
    """The store of a gallery.

    Raises:
        GalleryNotFoundError: the folder holds none.
    """
    address = folder / ADDRESS
    if not address.is_file():
        return SqliteStore(folder / FILE)
    from visus.galleries.postgres_store import PostgresStore

    lines = address.read_text(encoding="utf-8").split()
    if len(lines) != 2:
        raise GalleryNotFoundError(f"{address}: needs two lines, the server's address and the gallery's name")
    return PostgresStore(*lines)
