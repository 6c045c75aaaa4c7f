"""``visus gallery create``, ``add`` and ``sync``: what fills a gallery."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visus.cli.gallery_arguments import AddArguments, CreateArguments, SyncArguments
from visus.cli.gallery_words import print_json
from visus.cli.predict_ray import check_ray, on_ray
from visus.cli.predict_shards import shard_of
from visus.errors import VisusError
from visus.names import counted
from visus.predict.sources import STDIN, Source, find_sources
from visus.terminal import bar, console

if TYPE_CHECKING:
    from visus.galleries.adding import Report
    from visus.galleries.metadata import Say
    from visus.predict.items import Item


def create(arguments: CreateArguments) -> int:
    """Runs ``visus gallery create``."""
    from visus.galleries.gallery import Gallery
    from visus.galleries.rebuild import rebuild

    place = arguments.gallery.expanduser()
    if arguments.rebuild:
        with _progress("describing images", None) as watch:
            report = rebuild(place, arguments.model, device=arguments.device, watch=watch)
        _tell_report(report, arguments.gallery, as_json=False)
        return 1 if report.failures else 0
    with Gallery.create(
        place,
        model=arguments.model,
        root=arguments.root,
        closeness=arguments.closeness,
        server=arguments.server,
        device=arguments.device,
    ) as gallery:
        dimensions = gallery.settings["dimensions"]
    console(stderr=True).print(f"{place}: an empty gallery of vectors of {dimensions} dimensions", soft_wrap=True)
    return 0


def add(arguments: AddArguments) -> int:
    """Runs ``visus gallery add``; 1 where some image could not be read."""
    from visus.runs.launch import launched_processes, process_rank

    devices, nodes = launched_processes() or (arguments.devices, arguments.nodes)
    _check(arguments, devices, nodes)
    sources = _part(find_sources(arguments.sources), arguments.shard)
    total = None if any(source.video for source in sources) else sum(len(source.images) for source in sources)
    shared = devices * nodes > 1
    report: Report | None
    with _progress("adding", total, shown=not shared or process_rank() == 0) as watch:
        if arguments.engine == "ray":
            report = _add_on_ray(arguments)
        elif shared:
            report = _add_on_devices(arguments, sources, (devices, nodes), watch)
        else:
            report = _add_here(arguments, sources, watch)
    if report is None:  # the first process tells
        return 0
    _tell_report(report, arguments.gallery, as_json=arguments.json)
    return 1 if report.failures else 0


def _check(arguments: AddArguments, devices: int, nodes: int) -> None:
    """Refuses what does not fit together."""
    if min(arguments.processes, arguments.devices, arguments.nodes) < 1 or not 0 <= arguments.min_score <= 1:
        raise VisusError("--processes, --devices and --nodes must be at least 1, and --min-score lie between 0 and 1")
    several = "--processes" if arguments.processes > 1 else "--devices and --nodes" if devices * nodes > 1 else ""
    if several and arguments.detector:
        raise VisusError(f"--detector works in one process: leave out {several}")
    if arguments.processes > 1 and devices * nodes > 1:
        raise VisusError("--processes share the processors of one machine: leave them out beside --devices and --nodes")
    if devices * nodes > 1 and arguments.device not in (None, "cpu", "cuda"):
        raise VisusError(f"--device {arguments.device} is one device, and {devices * nodes} processes need one each")
    in_parts = arguments.engine == "ray" or arguments.shard is not None or devices * nodes > 1
    if in_parts and STDIN in arguments.sources:
        raise VisusError(
            "standard input (-) is read by one process: leave out --devices, --nodes, --shard and --engine"
        )
    _check_shards(arguments, devices * nodes)


def _check_shards(arguments: AddArguments, processes: int) -> None:
    if arguments.shard is not None:
        shard_of(arguments.shard, alone=arguments.shards is None and arguments.engine == "local")
    if arguments.engine == "local" and (arguments.shards is not None or arguments.workers is not None):
        raise VisusError("--shards and --workers are of --engine ray; for a scheduler, --shard I/N adds one part")
    if arguments.engine == "ray":
        if not arguments.shards or arguments.shards < 1:
            raise VisusError("--engine ray needs --shards N, at least 1: into how many parts the images are cut")
        if (arguments.workers or 1) < 1 or processes > 1 or arguments.processes > 1:
            raise VisusError("--workers is at least 1, and --engine ray takes no --processes, --devices and --nodes")
        check_ray()


def _add_here(arguments: AddArguments, sources: list[Source], watch: Callable[[Report], None]) -> Report:
    from visus.galleries.detected import boxes_by
    from visus.galleries.gallery import Gallery
    from visus.galleries.processes import add_in_processes
    from visus.predict.predictor import load

    form: Any = {"device": arguments.device, "precision": arguments.precision}
    say, items = _said(arguments), _items(sources)
    with Gallery.open(arguments.gallery, **form) as gallery:
        if arguments.processes > 1:
            return add_in_processes(gallery, items, arguments.processes, metadata=say, watch=watch)
        boxes = None
        if arguments.detector:
            boxes = boxes_by(load(arguments.detector, device=arguments.device), arguments.min_score)
        return gallery.add(items, metadata=say, boxes=boxes, watch=watch)


def _add_on_devices(
    arguments: AddArguments, sources: list[Source], count: tuple[int, int], watch: Callable[[Report], None]
) -> Report | None:
    from visus.galleries.devices import add_on_devices
    from visus.runs.feed import check_devices

    devices, nodes = count
    kind = arguments.device or "auto"
    check_devices(kind, devices, named="--")
    return add_on_devices(
        arguments.gallery.expanduser(),
        _items(sources),
        accelerator=kind,
        devices=devices,
        nodes=nodes,
        metadata=_said(arguments),
        precision=arguments.precision,
        watch=watch,
    )


def _add_on_ray(arguments: AddArguments) -> Report:
    from visus.galleries.adding import Report

    total, count = Report(), arguments.shards or 1
    alone = replace(arguments, shards=None, engine="local", workers=None)
    parts = [replace(alone, shard=f"{number}/{count}") for number in range(count)]
    with bar("shards", count, console(stderr=True)) as advance:
        for report in on_ray(_add_shard, parts, workers=arguments.workers, on_done=advance):
            total.count_in(report)
    return total


def _add_shard(arguments: AddArguments) -> Report:
    """What a worker of Ray does."""
    return _add_here(arguments, _part(find_sources(arguments.sources), arguments.shard), lambda report: None)


def _part(sources: list[Source], shard: str | None) -> list[Source]:
    """The sources with the images of one shard: by their paths, so that new files move no others to another shard."""
    if shard is None:
        return sources
    number, count = shard_of(shard)

    def within(path: str | Path) -> bool:
        return zlib.crc32(os.fsencode(str(path))) % count == number

    parts = [
        replace(
            source,
            images=tuple(image for image in source.images if within(image.path)),
            video=source.video if source.video and within(source.video) else "",
        )
        for source in sources
    ]
    return [part for part in parts if part.images or part.video]


def _items(sources: list[Source]) -> Iterator[Item]:
    from visus.predict.items import Reading, items_of_source

    return (item for source in sources for item in items_of_source(source, Reading()))


def sync(arguments: SyncArguments) -> int:
    """Runs ``visus gallery sync``; 1 where some image could not be read."""
    from visus.galleries.gallery import Gallery

    form: Any = {"device": arguments.device, "precision": arguments.precision}
    with Gallery.open(arguments.gallery, **form) as gallery, _progress("looking", None) as watch:
        report = gallery.sync(arguments.folder, metadata=_said(arguments), watch=watch)
    _tell_report(report, arguments.gallery, as_json=arguments.json)
    return 1 if report.failures else 0


def _said(arguments: AddArguments | SyncArguments) -> Say:
    from visus.galleries.metadata import from_words, of_items

    return of_items(from_words(arguments.set), folder_as=arguments.folder_as, table=arguments.table)


@contextmanager
def _progress(what: str, total: int | None, *, shown: bool = True) -> Iterator[Callable[[Report], None]]:
    """A bar on a terminal, that follows the report of what is on the disk."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    out = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True, disable=not (shown and out.is_terminal)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda report: progress.update(task, completed=report.images)


def _tell_report(report: Report, gallery: Path, *, as_json: bool) -> None:
    if as_json:
        numbers = {name: value for name, value in vars(report).items() if name != "failures"}
        print_json({**numbers, "failures": [{"name": name, "cause": cause} for name, cause in report.failures]})
        return
    named = {"known": "known", "unchanged": "unchanged", "moved": "moved", "gone": "gone"}
    parts = [f"{getattr(report, name):,} {word}" for name, word in named.items() if getattr(report, name)]
    parts += [f"nothing found in {report.empty:,}"] if report.empty else []
    line = f"{counted(report.images, 'images')}: {', '.join([f'{report.added:,} added', *parts])}; in {gallery}"
    out = console(stderr=True)
    out.print(line, soft_wrap=True)
    if report.failures:
        out.print(f"{len(report.failures)} could not be read:", style="red")
    for name, cause in report.failures:
        out.print(f"  {cause if name in cause else f'{name}: {cause}'}", soft_wrap=True)
