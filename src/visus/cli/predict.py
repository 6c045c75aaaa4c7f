"""``visus predict``: look at images, folders, addresses, videos or a camera; write drawings and what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, count, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from visus.draw.labels import Labels
from visus.errors import VisusError
from visus.names import counted
from visus.new_folder import new_folder
from visus.predict.model_words import why_no_model
from visus.predict.sources import Source, find_sources

if TYPE_CHECKING:
    from PIL import Image
    from rich.console import Console

    from visus.predict.items import Item, Reading
    from visus.predict.predictor import Predictor
    from visus.predict.result import Result
    from visus.predict.results import ResultFolder


_SOURCES = tyro.conf.arg(metavar="SOURCE ...", help_behavior_hint="(one or more)")


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
        every: of a video, look at every n-th frame.
        frames: write a video's frames as images instead of one mp4.
        pages: look at all pages of a TIFF and all frames of a GIF, not at the first alone.
        pictures: write drawings; --no-pictures writes the predictions only.
        scales: segmentation models: average over several sizes, as factors on the usual one.
        flip: segmentation models: average with the mirrored image.
        window: segmentation models: a sliding window of so many rows and columns, for large images.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    sources: Annotated[tuple[str, ...], tyro.conf.Positional, _SOURCES]
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    min_score: float | None = None
    labels: Labels = "auto"
    batch_size: int = 1
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    every: int = 1
    frames: bool = False
    pages: bool = False
    pictures: bool = True
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    window: tuple[int, int] | None = None


def main(argv: list[str]) -> int:
    """Runs ``visus predict``; 1 where some image could not be read or drawn."""
    arguments = tyro.cli(PredictArguments, args=argv, prog="visus predict")
    if not 0 <= (arguments.min_score or 0) <= 1 or arguments.batch_size < 1 or arguments.every < 1:
        raise VisusError("--min-score must lie between 0 and 1, --batch-size and --every must be at least 1")
    _check_model(arguments.model)
    sources = find_sources(arguments.sources)
    if not sources:
        raise VisusError("visus predict MODEL SOURCE: name at least one source, such as photo.jpg or photos/")
    # What was wrong so far was said before anything heavy was imported, and leaves no folder.
    from visus.terminal import console

    wanted = arguments.out.expanduser() if arguments.out else Path("runs") / "predict" / sources[0].stem
    with new_folder(wanted, numbered=arguments.out is None) as folder:
        return _predict(arguments, sources, folder, console(stderr=True))


def _check_model(name: str) -> None:
    from visus.recipes import RECIPES

    if reason := why_no_model(name, models={make().model for make in RECIPES.values()}, recipes=RECIPES):
        raise VisusError(reason)


def _predict(arguments: PredictArguments, sources: list[Source], folder: Path, console: Console) -> int:
    """Loads the model, looks at every image, writes the results and tells of them."""
    from visus.predict.predictor import load
    from visus.predict.results import ResultFolder

    predictor = load(arguments.model, device=arguments.device)
    min_score = _least_score(arguments, predictor, console)
    if arguments.scales != (1.0,) or arguments.flip or arguments.window is not None:
        predictor = predictor.averaged(scales=arguments.scales, flip=arguments.flip, window=arguments.window)
    results = ResultFolder(folder, predictor.schema)
    start = time.perf_counter()
    try:
        _look_at(sources, predictor, results, arguments, min_score, console)
    except BaseException:  # also Ctrl-C: what was found until then is kept
        if results.images:
            with suppress(VisusError, OSError):  # of a full disk; the error that is raised says so already
                results.write_json()
        raise
    results.write_json()
    _tell(results, time.perf_counter() - start, console)
    return 1 if results.failures or results.undrawn else 0


def _look_at(
    sources: list[Source],
    predictor: Predictor,
    results: ResultFolder,
    arguments: PredictArguments,
    min_score: float,
    console: Console,
) -> None:
    """Predicts batch by batch, draws, and keeps a progress bar."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from visus.cli.tables import prediction_table
    from visus.predict.items import Reading

    how = Reading(pages=arguments.pages, every=arguments.every, on_note=console.print)
    total, number_of = _total(sources, arguments), _numbering(sources, arguments)
    drawn = partial(_drawn, results=results, min_score=min_score, labels=arguments.labels)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("looking at images", total=total)
        for video, group in groupby(sources, key=lambda source: source.video):
            items = _items(list(group), how, results, prefixed=len(sources) > 1)
            with ExitStack() as open_files:
                save = _saver(video, results, arguments, drawn, open_files)
                for result in predictor.stream(items, batch_size=arguments.batch_size, on_error=results.fail):
                    results.add(result, number_of(result))
                    save(result)
                    if total == 1:
                        console.print(prediction_table(result.prediction, result.schema, min_score=min_score))
                    progress.update(task, completed=len(results.images) + len(results.failures))


def _items(sources: list[Source], how: Reading, results: ResultFolder, *, prefixed: bool) -> Iterator[Item]:
    """The images of sources one after the other; a video that breaks off is a failure, its frames before that count.

    The frames of one video among other sources get its name in front of theirs.
    """
    from visus.predict.items import items_of_source

    for source in sources:
        seen = False
        try:
            for item in items_of_source(source, how):
                yield replace(item, name=f"{source.stem}/{item.name}") if source.video and prefixed else item
                seen = True
        except VisusError as error:
            if not seen:
                raise
            results.fail(Path(source.text).name, error)


def _least_score(arguments: PredictArguments, predictor: Predictor, console: Console) -> float:
    """The score from which objects are drawn: as told, else as the run's validation suggests, which is said."""
    from visus.predict.result import SHOWN_SCORE

    if arguments.min_score is not None:
        return arguments.min_score
    if arguments.pictures and predictor.threshold != SHOWN_SCORE:
        at = f"{predictor.threshold:.2f}"
        console.print(f"objects are drawn from a score of {at} on, as the run's validation suggests (--min-score)")
    return predictor.threshold


def _numbering(sources: list[Source], arguments: PredictArguments) -> Callable[[Result], int]:
    """What gives an image its number: of a video that of the frame, of images the number in all their names."""
    from visus.predict.results import image_ids

    if len(sources) == 1 and sources[0].video:
        return lambda result: int(result.details["frame"]) + 1
    if arguments.pages or any(source.video for source in sources):
        running = count(1)
        return lambda result: next(running)
    names = [image.name for image in chain.from_iterable(source.images for source in sources)]
    ids = dict(zip(names, image_ids(names), strict=True))
    return lambda result: ids[result.name]


def _saver(
    video: str,
    results: ResultFolder,
    arguments: PredictArguments,
    drawn: Callable[..., Image.Image],
    open_files: ExitStack,
) -> Callable[[Result], Any]:
    """What takes each result that there is something to draw of: the folder, or the video that is being written."""
    from visus.predict.results import DRAWN
    from visus.predict.video import VideoWriter, video_info

    as_video = bool(video) and not arguments.frames
    writers: list[VideoWriter] = []

    def save(result: Result) -> None:
        if not arguments.pictures or not DRAWN[type(result.prediction)]:
            return
        if not as_video:
            results.save_picture(result.name, drawn(result, legend="below"))
            return
        if not writers:
            rate = video_info(video).frame_rate / arguments.every
            path = results.new_file(f"{Source(video).stem}.mp4")
            writers.append(open_files.enter_context(VideoWriter(path, frame_rate=rate)))
        writers[0].write(drawn(result, legend="inside"))

    return save


def _drawn(
    result: Result, *, results: ResultFolder, min_score: float, labels: Labels, legend: Literal["below", "inside"]
) -> Image.Image:
    """The drawing of a result; where that fails, which is noted, the image without one."""
    from visus.draw.draw import draw

    return draw(
        result.image,
        result.prediction,
        result.schema,
        min_score=min_score,
        legend=legend,
        labels=labels,
        on_error=lambda error: results.undrawn.append((result.name, str(error) or type(error).__name__)),
    )


def _total(sources: list[Source], arguments: PredictArguments) -> int | None:
    """How many images there will be, None where a source does not say."""
    from visus.predict.video import video_info

    counts = [
        -(-video_info(source.video).frames // arguments.every) if source.video else len(source.images)
        for source in sources
    ]
    return sum(counts) if all(counts) and not arguments.pages else None


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
