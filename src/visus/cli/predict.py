"""``visus predict``: look at images, folders, addresses, videos or a camera; write drawings and what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from visus.draw.labels import Labels
from visus.errors import VisusError
from visus.names import counted
from visus.new_folder import new_folder
from visus.predict.model_words import why_no_model
from visus.predict.sources import find_sources

if TYPE_CHECKING:
    from rich.console import Console

    from visus.predict.results import ResultFolder


Precision = Literal["auto", "plain", "fp32", "bf16", "int8"]

_SOURCES = tyro.conf.arg(metavar="SOURCE ...", help_behavior_hint="(one or more)")


@dataclass(frozen=True)
class OwnNetwork:
    """Parts of your own, FILE.py:NAME or MODULE:NAME, as in training.

    Args:
        backbone: that the run was trained with.
    """

    backbone: str = ""


@dataclass(frozen=True)
class PredictArguments:
    """Look at images; write drawings, predictions.json and images.json (which image is which).

    predictions.json holds COCO results where the model finds objects, else an entry for each image: its classes, or its
    embedding, or the share of each class of its pixels beside a mask in masks/.

    Args:
        model: a run folder, a .safetensors file, or published weights by name (`visus list weights`), fetched once.
        sources: images, shapes (.off, .obj ...), folders, quoted globs, list files (.txt, one path a line), videos,
            addresses (http, https, rtsp), a camera (webcam, webcam:1), or - for an image in standard input.
        out: the folder to write to, new or empty; default: a new one, runs/predict/ and the name of the source.
        min_score: draw objects from this score on; default: what the run's validation suggests, else 0.5.
            predictions.json holds all that the model reports.
        labels: write the names of objects beside them: auto those that hide nothing by it, all, or none.
        batch_size: images that go through the network together, at most; on a CPU, large images go one by one.
        device: such as cpu or cuda:1; default: a GPU where there is one.
        precision: auto takes the fastest form of the network that gives the same here (of fewer than 16 images the
            plain one); int8 is calibrated with the first 100 images.
        every: of a video, look at every n-th frame.
        frames: write a video's frames as images instead of one mp4.
        pages: look at all pages of a TIFF and all frames of a GIF, not at the first alone.
        pictures: write drawings; --no-pictures writes the predictions only.
        format: write the objects from the least score on as annotations to correct, too: labelme/, tasks.json and
            config.xml of Label Studio, annotations.xml and labels.json of CVAT, or annotations.json in COCO's format.
        outlines: of --format: exact masks, or polygons with few corners for people to move.
        address: of --format label-studio: what stands before the names of images (https://host/photos/); default:
            what it calls the files that it serves itself.
        scales: segmentation models: average over several sizes, as factors on the usual one.
        flip: segmentation models: average with the mirrored image.
        window: segmentation models: a sliding window of so many rows and columns, for large images.
        shards: cut the images into so many parts, each finished on its own in --out; what was finished before is left
            alone, and in the end all are joined.
        shard: do one of these parts alone and join nothing, such as 0/8 for the first of eight: for a scheduler.
        engine: where the shards are done: here, one after the other, or by the workers of a Ray cluster (extra ray).
        workers: shards that Ray does at a time on this machine; default: one for each processor.
        own: parts of your own that the run was trained with, FILE.py:NAME or MODULE:NAME.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    sources: Annotated[tuple[str, ...], tyro.conf.Positional, _SOURCES]
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    min_score: float | None = None
    labels: Labels = "auto"
    batch_size: int = 1
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    precision: Precision = "auto"
    every: int = 1
    frames: bool = False
    pages: bool = False
    pictures: bool = True
    format: Literal["labelme", "label-studio", "cvat", "coco"] | None = None
    outlines: Literal["masks", "polygons"] = "masks"
    address: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS")] = None
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    window: tuple[int, int] | None = None
    shards: int | None = None
    shard: Annotated[str | None, tyro.conf.arg(metavar="I/N")] = None
    engine: Literal["local", "ray"] = "local"
    workers: int | None = None
    own: OwnNetwork = field(default_factory=OwnNetwork)


def main(argv: list[str]) -> int:
    """Runs ``visus predict``; 1 where some image could not be read or drawn."""
    return run(tyro.cli(PredictArguments, args=argv, prog="visus predict"))


def run(arguments: PredictArguments) -> int:
    """Does what the arguments say; the exit status.

    Raises:
        VisusError: something is asked for that is not there, or does not fit the rest.
    """
    if not 0 <= (arguments.min_score or 0) <= 1 or arguments.batch_size < 1 or arguments.every < 1:
        raise VisusError("--min-score must lie between 0 and 1, --batch-size and --every must be at least 1")
    _check_model(arguments.model)
    sources = find_sources(arguments.sources)
    if not sources:
        raise VisusError("visus predict MODEL SOURCE: name at least one source, such as photo.jpg or photos/")
    # What was wrong so far was said before anything heavy was imported, and leaves no folder.
    from visus.terminal import console

    if arguments.shards is not None or arguments.shard is not None or arguments.engine != "local":
        from visus.cli.predict_shards import predict_shards

        return predict_shards(arguments, sources, console(stderr=True), run)
    wanted = arguments.out.expanduser() if arguments.out else Path("runs") / "predict" / sources[0].stem
    from visus.cli.predict_looking import Looking

    with new_folder(wanted, numbered=arguments.out is None) as folder:
        looking = Looking(arguments, sources, console(stderr=True))
        results, seconds = looking.fill(folder, sources)
        _tell(results, seconds, looking.console)
    return 1 if results.failures or results.undrawn else 0


def _check_model(name: str) -> None:
    from visus.recipes import RECIPES

    if reason := why_no_model(name, models={make().model for make in RECIPES.values()}, recipes=RECIPES):
        raise VisusError(reason)


def _tell(results: ResultFolder, seconds: float, console: Console) -> None:
    """The last lines: how much was done, where it lies, and what failed."""
    from rich.text import Text

    done = len(results.images)
    speed = f", {done / seconds:.1f} a second" if done > 1 else ""
    words = f"{counted(done, 'images')} in {seconds:.1f} s{speed}; results in "
    console.print(Text.assemble(words, (str(results.path), "bold")), soft_wrap=True)
    for what, failures in (("read", results.failures), ("drawn", results.undrawn)):
        if failures:
            console.print(f"{len(failures)} could not be {what}:", style="red")
        for name, cause in failures:
            console.print(f"  {cause if name in cause else f'{name}: {cause}'}", soft_wrap=True)
