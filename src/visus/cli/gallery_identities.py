"""``visus gallery identify`` and ``visus gallery reid``: who it is, and where else the same was seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from visus.cli.gallery_arguments import IdentifyArguments, ReidArguments
from visus.cli.gallery_words import print_json, queries_of
from visus.errors import VisusError
from visus.names import counted
from visus.new_folder import new_folder

if TYPE_CHECKING:
    from visus.galleries.gallery import Gallery


def identify(arguments: IdentifyArguments) -> int:
    """Runs ``visus gallery identify``."""
    from visus.cli.gallery_page import identification_table, title_of, write_identification
    from visus.galleries.gallery import Gallery
    from visus.terminal import console

    with Gallery.open(arguments.gallery, device=arguments.device) as gallery:
        found = gallery.identify(
            *queries_of(arguments.images),
            by=arguments.by,
            box=arguments.box,
            where=arguments.where,
            fpir=arguments.fpir,
            threshold=arguments.threshold,
        )
    out = console()
    if arguments.json:
        print_json(found.to_dict())
    else:
        out.print(identification_table(found))
        out.print(str(found.threshold), soft_wrap=True)
    _write(arguments, lambda folder: write_identification(found, folder, title_of("Identify", arguments.images)))
    return 0


def reid(arguments: ReidArguments) -> int:
    """Runs ``visus gallery reid``."""
    from visus.galleries.gallery import Gallery

    with Gallery.open(arguments.gallery, device=arguments.device) as gallery:
        return _search(gallery, arguments) if arguments.images else _measure(gallery, arguments)


def _search(gallery: Gallery, arguments: ReidArguments) -> int:
    """The objects of images, as other cameras saw them."""
    from visus.cli.gallery_page import answer_table, title_of, write_seen
    from visus.galleries.detected import boxes_by
    from visus.galleries.filters import Condition
    from visus.predict.predictor import load
    from visus.terminal import console

    if not 0 <= arguments.min_score <= 1:
        raise VisusError("--min-score must lie between 0 and 1")
    own = [] if arguments.camera is None else [Condition(arguments.camera_field, "!=", arguments.camera)]
    seen = gallery.reid(
        *queries_of(arguments.images),
        boxes=boxes_by(load(arguments.detector or "", device=arguments.device), arguments.min_score),
        k=arguments.k,
        where=[*arguments.where, *own],
        rerank=arguments.rerank,
    )
    out = console()
    if arguments.json:
        print_json([one.to_dict() for one in seen])
    else:
        out.print(f"{counted(len(seen), 'objects')} in {counted(len(arguments.images), 'images')}")
        for one in seen:
            out.print(f"{one.image}, box {' '.join(f'{value:.0f}' for value in one.box_xyxy)}", style="bold")
            out.print(answer_table(one.answer))
    if seen:
        _write(arguments, lambda folder: write_seen(seen, folder, title_of("Seen again", arguments.images)))
    return 0


def _measure(gallery: Gallery, arguments: ReidArguments) -> int:
    """The protocol of re-identification on the entries."""
    from visus.cli.gallery_page import measures_table
    from visus.galleries.reid import Protocol
    from visus.terminal import console

    if arguments.detector is not None:
        raise VisusError(f"give the images in which {arguments.detector} should look for objects")
    protocol = Protocol(
        by=arguments.by,
        camera=arguments.camera_field,
        queries=arguments.queries,
        camera_rule=arguments.camera_rule,
        without_match=arguments.unmatched,
        rerank=arguments.rerank,
    )
    measures = gallery.measure(protocol)
    if arguments.json:
        print_json({"protocol": str(protocol), **measures})
    else:
        console().print(measures_table(measures, str(protocol)))
    return 0


def _write(arguments: IdentifyArguments | ReidArguments, write: Callable[[Path], None]) -> None:
    """The pictures of an answer, in a folder named after the first image."""
    from visus.terminal import console

    if not arguments.pictures:
        return
    first = Path(arguments.images[0].replace(":", "-").rstrip("/")).stem or "images"
    wanted = arguments.out.expanduser() if arguments.out else Path("runs") / "gallery" / first
    with new_folder(wanted, numbered=arguments.out is None) as folder:
        write(folder)
        shown = f"pictures in {folder / 'sheet.png'} and {folder / 'answer.html'}"
        console(stderr=True).print(shown, soft_wrap=True)
