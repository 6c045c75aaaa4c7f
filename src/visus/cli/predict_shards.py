"""``visus predict --shards N``: the images of a command part by part, here, by a scheduler, or on a Ray cluster."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from visus.errors import VisusError
from visus.names import counted
from visus.predict.sources import STDIN, Source
from visus.terminal import bar

if TYPE_CHECKING:
    from rich.console import Console

    from visus.cli.predict import PredictArguments
    from visus.predict.shards import ShardFolder

_DECIDING = ("min_score", "labels", "batch_size", "precision", "pictures", "scales", "flip", "window")
"""The arguments that change what is written: shards made with others do not belong together."""


def predict_shards(
    arguments: PredictArguments, sources: list[Source], console: Console, run: Callable[[PredictArguments], int]
) -> int:
    """Does one shard, or all that are missing and joins them; the exit status, which is 1 where an image failed.

    Args:
        arguments: of the command.
        sources: its images.
        console: where to say what.
        run: does a command with its arguments, as a worker of Ray will.

    Raises:
        VisusError: what is asked for does not fit together, or the folder holds something else.
    """
    from visus.predict.shards import Plan, ShardFolder

    one, count = _asked(arguments, sources)
    names = [image.name for image in chain.from_iterable(source.images for source in sources)]
    settings = {name: getattr(arguments, name) for name in _DECIDING} | {"weights": _digest(arguments.model)}
    assert arguments.out is not None
    folder = ShardFolder(arguments.out.expanduser(), Plan.of(arguments.model, names, count, settings))
    if arguments.engine == "ray":
        from visus.cli.predict_ray import check_ray

        check_ray()
    folder.open()
    missing = folder.missing()
    if one is not None:
        return _one(one, missing, folder, arguments, sources, console)
    if len(missing) < count:
        console.print(f"{counted(count - len(missing), 'shards')} of {count} finished before", highlight=False)
    if missing and arguments.engine == "ray":
        from visus.cli.predict_ray import on_ray

        parts = [replace(arguments, shard=f"{i}/{count}", shards=None, engine="local", workers=None) for i in missing]
        with bar("shards", len(missing), console) as advance:
            on_ray(run, parts, workers=arguments.workers, on_done=advance)
    elif missing:
        _here(missing, folder, arguments, sources, console)
    with bar("joining shards", count, console) as advance:
        failures = folder.join(advance)
    done = f"{counted(len(names), 'images')} in {counted(count, 'shards')}"
    console.print(f"{done}; results in {folder.path}", soft_wrap=True, highlight=False, markup=False)
    if failures:
        console.print(f"{counted(len(failures), 'images')} failed:", style="red")
    for name, cause in failures:
        console.print(f"  {cause if name in cause else f'{name}: {cause}'}", soft_wrap=True, markup=False)
    return 1 if failures else 0


def _asked(arguments: PredictArguments, sources: Sequence[Source]) -> tuple[int | None, int]:
    """The one shard that is asked for, None for all, and how many there are."""
    if arguments.out is None:
        raise VisusError("--shards and --shard need --out FOLDER, which all shards share")
    if arguments.pages or any(source.video for source in sources):
        raise VisusError("--shards are of images: a video, and --pages, whose number nobody knows before, have none")
    if arguments.format is not None:
        raise VisusError("--format writes what one process found: leave out --shards, or join them without --format")
    if any(source.text == STDIN for source in sources):
        raise VisusError("--shards reads an image where it lies, and standard input (-) lies nowhere")
    if arguments.workers is not None and (arguments.engine != "ray" or arguments.workers < 1):
        raise VisusError("--workers is of --engine ray, and at least 1")
    if arguments.shard is None:
        if arguments.shards is None:
            raise VisusError("--engine ray needs --shards N: into how many parts the images are cut")
        return None, arguments.shards
    return shard_of(arguments.shard, alone=arguments.shards is None and arguments.engine == "local")


def shard_of(text: str, *, alone: bool = True) -> tuple[int, int]:
    """The number of a shard, from 0, and how many there are.

    Args:
        text: such as ``0/8``.
        alone: whether ``--shards`` and ``--engine`` are not given, too.

    Raises:
        VisusError: it says no shard, or one that there is not.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if found is None or not alone:
        raise VisusError(f"--shard {text}: give one shard as I/N, such as 0/8, without --shards and --engine")
    number, count = int(found[1]), int(found[2])
    if number >= count:
        raise VisusError(f"--shard {text}: shards are counted from 0, so the last one is {count - 1}/{count}")
    return number, count


def _digest(model: str) -> str:
    """What tells weights in a file from others under its name; empty for published ones."""
    path = Path(model).expanduser()
    file = path / "weights.safetensors" if path.is_dir() else path
    if not file.is_file():
        return ""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _one(
    number: int,
    missing: Sequence[int],
    folder: ShardFolder,
    arguments: PredictArguments,
    sources: list[Source],
    console: Console,
) -> int:
    """Does one shard, unless it is done; joins nothing, as others may still be at work."""
    status = 0
    if number in missing:
        status = _here([number], folder, arguments, sources, console)
    else:
        console.print(f"shard {arguments.shard} was finished before", highlight=False)
    if not folder.joined and not folder.missing():
        joins = f"the same command with --shards {folder.plan.shards} in place of --shard joins them"
        console.print(f"all shards are finished: {joins}", soft_wrap=True, highlight=False)
    return status


def _here(
    numbers: Sequence[int],
    folder: ShardFolder,
    arguments: PredictArguments,
    sources: list[Source],
    console: Console,
) -> int:
    """Does shards one after the other in this process; 1 where an image failed."""
    from visus.cli.predict_looking import Looking

    looking, status = Looking(arguments, sources, console), 0
    for number in numbers:
        with folder.writing(number) as part:
            results, seconds = looking.fill(part, _part(sources, folder.plan.part(number)))
        done = counted(len(results.images), "images")
        console.print(f"shard {number}/{folder.plan.shards}: {done} in {seconds:.1f} s", highlight=False)
        status |= bool(results.failures or results.undrawn)
    return int(status)


def _part(sources: list[Source], part: slice) -> list[Source]:
    """The sources with the images of a part alone."""
    images = list(chain.from_iterable(source.images for source in sources))
    return [Source(sources[0].text, tuple(images[part]))]
