"""Killed at any moment, out of disk, or several at once: what was reported is there, and nothing is half there."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from galleries.painted import MeanColours, painted
from visus.galleries import Gallery, adding
from visus.galleries.answer import as_picture
from visus.whole_file import DiskFullError

TIMES = [3, pytest.param(20, marks=pytest.mark.slow)]
IMAGES = 120


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "BATCH", 6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Gallery.create(tmp_path / "gallery", model=MeanColours()).close()
    return tmp_path / "gallery"


def opened(folder: Path) -> Gallery:
    return Gallery.open(folder, model=MeanColours())


def in_child(work: Callable[[], None]) -> int:
    """Starts a process of its own that does the work; its number."""
    if child := os.fork():
        return child
    try:
        torch.set_num_threads(1)
        work()
        os._exit(0)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)


def ended_well(child: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def killed_in_between(work: Callable[[], None], seconds: float) -> None:
    """Starts the work and kills it at a random moment of so many seconds."""
    child = in_child(work)
    time.sleep(random.uniform(0, seconds))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def said(log: Path, number: int) -> None:
    with log.open("a") as file:
        file.write(f"{number}\n")


def heard(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().splitlines()] if log.exists() else []


def check_whole(folder: Path) -> int:
    """Every row has all its parts, the scan holds what the store does; how many entries there are."""
    with sqlite3.connect(folder / "gallery.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        ids = [row[0] for row in db.execute("SELECT id FROM entries ORDER BY id")]
        assert ids == [row[0] for row in db.execute("SELECT id FROM vectors ORDER BY id")]
        orphans = "SELECT COUNT(*) FROM paths WHERE pixels NOT IN (SELECT pixels FROM entries)"
        assert db.execute(orphans).fetchone() == (0,)
        gone = db.execute("SELECT COUNT(*) FROM entries WHERE gone = 1").fetchone()[0]
        assert db.execute("SELECT entries, gone FROM counters").fetchone() == (len(ids), gone)
    with opened(folder) as gallery:
        for entry in gallery.store.entries(ids):
            as_picture(entry.thumbnail).load()
        vectors = [row for _, rows in gallery.store.vectors() for row in rows]
        if ids:
            found, scores = gallery.nearest(torch.from_numpy(np.stack(vectors)), 1, gone=True)
            assert found[:, 0].tolist() == ids
            assert bool((scores > 1 - 1e-12).all())
    return len(ids)


@pytest.mark.parametrize("times", TIMES)
def test_adding_survives_being_killed(folder: Path, tmp_path: Path, times: int) -> None:
    images = painted(tmp_path / "images", IMAGES)
    log = tmp_path / "log"
    before = 0

    def add() -> None:
        with opened(folder) as gallery:
            gallery.add(str(images), watch=lambda report: said(log, before + report.added))

    for _ in range(times):
        killed_in_between(add, 1.0)
        now = check_whole(folder)
        assert now >= max([before, *heard(log)])
        before = now
    add()
    assert check_whole(folder) == IMAGES


@pytest.mark.parametrize("times", TIMES)
def test_syncing_survives_being_killed(folder: Path, tmp_path: Path, times: int) -> None:
    images = painted(tmp_path / "images", IMAGES)
    with opened(folder) as gallery:
        gallery.sync(images)
    for turn in range(times):
        painted(images / f"new{turn}", 30 * (turn + 5) % 97)
        for number, path in enumerate(sorted(images.glob("*.png"))[:12]):
            if number % 2:
                path.unlink()
            else:
                path.rename(path.with_name(f"moved_{turn}_{path.name}"))
        killed_in_between(lambda: opened(folder).sync(images) and None, 1.0)
        check_whole(folder)
    with opened(folder) as gallery:
        gallery.sync(images)
        check_whole(folder)
        there = {str(path.resolve()) for path in images.rglob("*.png")}
        assert set(gallery.store.files()) == there
        ids = [one.id for one in gallery.store.descriptions()]
        for entry in gallery.store.entries(ids):
            assert entry.gone == (not there & set(entry.paths))


@pytest.mark.parametrize("times", TIMES)
def test_removing_survives_being_killed(folder: Path, tmp_path: Path, times: int) -> None:
    images = painted(tmp_path / "images", IMAGES)
    with opened(folder) as gallery:
        gallery.add(str(images))
        vectors = [row.tobytes() for _, rows in gallery.store.vectors() for row in rows]
    log = tmp_path / "log"

    def remove() -> None:
        with opened(folder) as gallery:
            gallery.search(gallery.store.state().added)  # so that there is something derived
            for number in range(1, IMAGES):
                if gallery.store.entries([number]):
                    gallery.remove([number])
                    said(log, number)

    for _ in range(times):
        killed_in_between(remove, 1.0)
        count = check_whole(folder)
        assert count <= IMAGES - len(heard(log))
        with opened(folder) as gallery:
            assert gallery.store.entries(heard(log)) == []
    remove()
    assert check_whole(folder) == 1
    left = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert not any(vector in left for vector in vectors[: IMAGES - 1])


def test_two_add_while_a_third_searches(folder: Path, tmp_path: Path) -> None:
    """Both are given some of the same images."""
    images = painted(tmp_path / "images", IMAGES)
    paths = sorted(map(str, images.iterdir()))
    with opened(folder) as gallery:
        gallery.add(paths[:1])

    def add(part: list[str]) -> Callable[[], None]:
        return lambda: opened(folder).add(part) and None

    def search() -> None:
        with opened(folder) as gallery:
            vector = gallery.store.entries([1]) and next(gallery.store.vectors())[1][:1].copy()
            sizes = []
            while not sizes or sizes[-1] < IMAGES:
                ids, scores = gallery.nearest(torch.from_numpy(vector), 2 * IMAGES)
                assert int(ids[0, 0]) == 1
                assert bool((scores.diff() <= 0).all())
                sizes.append(ids.shape[1])
            assert sizes == sorted(sizes)

    children = [in_child(work) for work in (add(paths[:80]), add(paths[40:]), search)]
    assert [ended_well(child) for child in children] == [True] * 3
    assert check_whole(folder) == IMAGES


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_loses_nothing_that_was_reported(small_disk: Path, tmp_path: Path) -> None:
    images = painted(tmp_path / "images", IMAGES)
    folder = small_disk / "gallery"
    Gallery.create(folder, model=MeanColours()).close()
    reported: list[int] = []
    filler = small_disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - 200_000))
    with opened(folder) as gallery, pytest.raises(DiskFullError, match="the disk is full"):
        gallery.add(str(images), watch=lambda report: reported.append(report.added))
    assert reported
    (small_disk / "more").write_bytes(bytes(max(shutil.disk_usage(small_disk).free - 5_000, 0)))
    with opened(folder) as gallery:  # asking needs no room
        assert gallery.search(1, k=1).matches[0].entry.id == 1
    (small_disk / "more").unlink()
    filler.unlink()
    count = check_whole(folder)
    assert max(reported) <= count < IMAGES
    with opened(folder) as gallery:
        assert gallery.add(str(images)).added == IMAGES - count
    assert check_whole(folder) == IMAGES
