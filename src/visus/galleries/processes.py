"""Adding images in several processes, each with one thread: on several cores faster than as many threads.

Each opens the gallery, reads, describes and writes its share, as any other process could at the same time. What is
reported is on the disk.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Final

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

Files = list[tuple[str, Metadata]]

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
        for share in _shares(adder, items, total):
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


def _add(folder: str, precision: Exact, share: Files) -> Report:
    if folder not in _opened:
        _opened[folder] = Gallery.open(folder, precision=precision)
    gallery = _opened[folder]
    said = dict(share)
    adder = Adder(gallery.store, gallery.describer, gallery.root, metadata=lambda item: said[item.path])
    items = (item for path in said for item in items_of(Path(path), Reading()))
    report, _ = adder.add(items, known={})  # whoever made the share left out what is known
    return report


def _shares(adder: Adder, items: Iterable[Item], report: Report) -> Iterator[Files]:
    """Files that are to be read, some at a time; what need not be read is reported."""
    unread = adder.unread(items, report)
    while share := [_file(item, adder) for item, _ in islice(unread, _SHARE)]:
        report.images -= len(share)  # counted by whoever reads them
        yield share


def _file(item: Item, adder: Adder) -> tuple[str, Metadata]:
    if item.details or not Path(item.path).is_file():
        raise GalleryError(f"{item.name or 'an image in memory'}: several processes take image files alone")
    return item.path, adder.metadata(item)


def _collected(waiting: set[Future[Report]], total: Report, watch: Watch) -> set[Future[Report]]:
    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        report = future.result()
        for field in fields(Report):
            setattr(total, field.name, getattr(total, field.name) + getattr(report, field.name))
        watch(total)
    return waiting
