"""Adding images in several processes, each with one thread: on several cores faster than as many threads.

Each opens the gallery, reads, describes and writes its share, as any other process could at the same time. What is
reported is on the disk.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias

import torch

from visus.galleries.adding import Adder, Report, Watch
from visus.galleries.describer import Exact
from visus.galleries.entry import Metadata
from visus.galleries.errors import GalleryError
from visus.galleries.gallery import Gallery
from visus.galleries.metadata import Say
from visus.predict.items import Item, Reading, items_of
from visus.stopping import be_worker

_SHARE: Final = 128
_WAITING: Final = 3  # shares for each process that are on their way

FileToAdd: TypeAlias = tuple[str, Metadata]
"""The path of an image and what is said of it."""

_opened: dict[str, Gallery] = {}  # of a worker process


def add_in_processes(
    gallery: Gallery, items: Iterable[Item], processes: int, *, metadata: Say, watch: Watch = lambda report: None
) -> Report:
    """`Gallery.add` of files in several processes.

    Args:
        gallery: where to.
        items: of image files.
        processes: how many.
        metadata: what is said of each.
        watch: as for `Gallery.add`.

    Raises:
        OutsideRootError: a file that does not lie below the root.
        GalleryError: an image that is no file by itself, a model that other processes cannot load, or a process that
            was killed.
    """
    total = Report()
    adder = Adder(gallery.store, gallery.describer, gallery.root, metadata=metadata)
    waiting: set[Future[Report]] = set()
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        files = files_to_add(adder, items, total)
        while share := list(islice(files, _SHARE)):
            waiting.add(pool.submit(_add, str(gallery.folder), gallery.precision, share))
            while len(waiting) >= _WAITING * processes:
                waiting = _collected(waiting, total, watch)
        while waiting:
            waiting = _collected(waiting, total, watch)
    except BrokenProcessPool as error:
        raise GalleryError(
            f"{gallery.folder}: a process ended early, perhaps for want of memory; what was reported is there: "
            "the same command goes on, with fewer --processes"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
    return total


def _begin() -> None:
    be_worker()
    torch.set_num_threads(1)


def _add(folder: str, precision: Exact, share: Sequence[FileToAdd]) -> Report:
    if folder not in _opened:
        _opened[folder] = Gallery.open(folder, precision=precision)
    return add_files(_opened[folder], share)


def add_files(gallery: Gallery, share: Sequence[FileToAdd]) -> Report:
    """Adds files that `files_to_add` gave; what became of them."""
    said = dict(share)
    adder = Adder(gallery.store, gallery.describer, gallery.root, metadata=lambda item: said[item.path])
    items = (item for path in said for item in items_of(Path(path), Reading()))
    report, _ = adder.add(items, known={})  # whoever made the share left out what is known
    return report


def files_to_add(adder: Adder, items: Iterable[Item], report: Report) -> Iterator[FileToAdd]:
    """Files that are to be read, with what is said of them; what need not be read is reported.

    Raises:
        OutsideRootError: a file that does not lie below the root.
        GalleryError: an image that is no file by itself.
    """
    for item, _ in adder.unread(items, report):
        report.images -= 1  # counted by whoever reads it
        yield _file(item, adder)


def _file(item: Item, adder: Adder) -> FileToAdd:
    if item.details or not Path(item.path).is_file():
        raise GalleryError(f"{item.name or 'an image in memory'}: several processes take image files alone")
    return item.path, adder.metadata(item)


def _collected(waiting: set[Future[Report]], total: Report, watch: Watch) -> set[Future[Report]]:
    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        total.count_in(future.result())
        watch(total)
    return waiting
