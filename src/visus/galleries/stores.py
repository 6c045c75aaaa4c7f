"""Which store a gallery's folder stands for: the file in it, or the server that it names."""

from __future__ import annotations

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
        server: the address of a database that is to hold the entries.

    Raises:
        FolderTakenError: the folder holds something.
    """
    place = take_folder(folder)
    try:
        if server is None:
            return SqliteStore.create(place / FILE, settings)
        from visus.galleries.postgres_store import PostgresStore

        store = PostgresStore.create(server, settings)
        write_whole(place / ADDRESS, store.address + "\n")
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

    text = address.read_text(encoding="utf-8").strip()
    if not text:
        raise GalleryNotFoundError(f"{address}: the address of the server is missing")
    return PostgresStore(text)
