"""``visus predict``: look at images, folders, lists or videos; write drawings and what was found."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from visus.names import counted

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor

    from visus.predict.predictor import Predictor
    from visus.predict.results import ResultFolder

USUAL_SCORE = 0.5
"""From which score objects are drawn where no run suggests another."""

Labels = Literal["auto", "all", "none"]


@dataclass(frozen=True)
class PredictArguments:
    """Look at images; write drawings, predictions.json and images.json (which image is which).

    predictions.json holds COCO results where the model finds objects, else an entry for each image: its classes, or its
    embedding, or the share of each class of its pixels beside a mask in masks/.

    Args:
        model: a run folder, a .safetensors file, or published weights by name (`visus list weights`), fetched once.
        source: an image, a folder, a quoted glob, a list file (.txt, one path a line) or a video.
        out: the folder to write to; default: a new one, runs/predict/ and the name of the source.
        min_score: draw objects from this score on; default: what the run's validation suggests, else 0.5.
            predictions.json holds all that the model reports.
        labels: write the names of objects beside them: auto those that hide nothing by it, all, or none.
        batch_size: images that go through the network together.
        device: such as cpu or cuda:1; default: a GPU where there is one.
        every: of a video, look at every n-th frame.
        frames: write a video's frames as images instead of one mp4.
        pictures: write drawings; --no-pictures writes the predictions only.
        scales: segmentation models: average over several sizes, as factors on the usual one.
        flip: segmentation models: average with the mirrored image.
        window: segmentation models: a sliding window of so many rows and columns, for large images.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    min_score: float | None = None
    labels: Labels = "auto"
    batch_size: int = 1
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    every: int = 1
    frames: bool = False
    pictures: bool = True
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    window: tuple[int, int] | None = None


@dataclass(frozen=True)
class _Item:
    """An image to look at: its name, number, pixels, and what else its record keeps."""

    name: str
    image_id: int
    image: Tensor
    details: dict[str, float]


def main(argv: list[str]) -> int:
    """Runs ``visus predict``; 1 where some image could not be read."""
    arguments = tyro.cli(PredictArguments, args=argv, prog="visus predict")
    from rich.console import Console

    from visus.errors import VisusError

    if not 0 <= (arguments.min_score or 0) <= 1 or arguments.batch_size < 1 or arguments.every < 1:
        raise VisusError("--min-score must lie between 0 and 1, --batch-size and --every must be at least 1")
    return _predict(arguments, Console(stderr=True))


def _predict(arguments: PredictArguments, console: Console) -> int:
    """Loads the model, looks at every image, writes the results and tells of them."""
    from visus.predict.predictor import load
    from visus.predict.results import ResultFolder
    from visus.predict.sources import is_video, list_images

    video = is_video(arguments.source)
    # The source comes first: a wrong one fails before anything is downloaded.
    names = [] if video else [file.name for file in list_images(arguments.source)]
    predictor = load(arguments.model, device=arguments.device)
    min_score = _least_score(arguments, console)
    if arguments.scales != (1.0,) or arguments.flip or arguments.window is not None:
        predictor = predictor.averaged(scales=arguments.scales, flip=arguments.flip, window=arguments.window)
    results = ResultFolder(arguments.out or _new_folder(arguments.source), predictor.schema)
    start = time.perf_counter()
    try:
        items = _video_items(arguments, results) if video else _image_items(arguments, results, names)
        _look_at(items, _total(arguments, names), predictor, results, replace(arguments, min_score=min_score), console)
    finally:  # also after Ctrl-C: what was found until then is kept
        results.write_json()
    _tell(results, time.perf_counter() - start, console)
    return 1 if results.failures else 0


def _look_at(
    items: Iterator[_Item],
    total: int | None,
    predictor: Predictor,
    results: ResultFolder,
    arguments: PredictArguments,
    console: Console,
) -> None:
    """Predicts batch by batch, draws, and keeps a progress bar."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from visus.cli.tables import prediction_table
    from visus.draw.draw import draw

    min_score = USUAL_SCORE if arguments.min_score is None else arguments.min_score
    legend: Literal["below", "inside"] = "inside" if _writes_video(arguments) else "below"
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress, ExitStack() as open_files:
        task = progress.add_task("looking at images", total=total)
        save = _saver(results, arguments, open_files)
        for batch in _batches(items, arguments.batch_size):
            predictions = predictor.predict([item.image for item in batch], batch_size=arguments.batch_size)
            for item, prediction in zip(batch, predictions, strict=True):
                results.add(item.name, item.image_id, prediction, **item.details)
                if arguments.pictures:
                    picture = draw(
                        item.image,
                        prediction,
                        predictor.schema,
                        min_score=min_score,
                        legend=legend,
                        labels=arguments.labels,
                        on_error=partial(_undrawn, results, item.name),
                    )
                    save(item.name, picture)
                if total == 1:
                    console.print(prediction_table(prediction, predictor.schema, min_score=min_score))
            progress.update(task, completed=len(results.images) + len(results.failures))


def _undrawn(results: ResultFolder, name: str, error: Exception) -> None:
    """Notes an image that was not drawn, which is kept without a drawing."""
    from visus.errors import VisusError

    results.fail(name, VisusError(f"not drawn: {error}"))


def _least_score(arguments: PredictArguments, console: Console) -> float:
    """The score from which objects are drawn: as told, else as the run's validation suggests, which is said."""
    from visus.training.run import RunFolder

    run = Path(arguments.model)
    suggested = RunFolder(run).threshold() if run.is_dir() else None
    if arguments.min_score is not None or suggested is None:
        return USUAL_SCORE if arguments.min_score is None else arguments.min_score
    if arguments.pictures:
        console.print(
            f"objects are drawn from a score of {suggested:.2f} on, as the run's validation suggests (--min-score)",
            soft_wrap=True,
            highlight=False,
        )
    return suggested


def _batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """The items in groups of ``size``, read no earlier than they are needed."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def _image_items(arguments: PredictArguments, results: ResultFolder, names: list[str]) -> Iterator[_Item]:
    """The readable images of the source; the others are noted as failures."""
    from visus.predict.results import image_ids
    from visus.predict.sources import images_from

    ids = dict(zip(names, image_ids(names), strict=True))
    for name, image in images_from(arguments.source, on_error=results.fail):
        yield _Item(name, ids[name], image, {})


def _video_items(arguments: PredictArguments, results: ResultFolder) -> Iterator[_Item]:
    """The frames of a video; one that breaks off is a failure, its frames before that count."""
    from visus.errors import VisusError
    from visus.predict.video import read_frames

    try:
        for frame in read_frames(Path(arguments.source), every=arguments.every):
            details = {"frame": frame.index, "seconds": round(frame.seconds, 4)}
            yield _Item(frame.name, frame.index + 1, frame.image, details)
    except VisusError as error:
        if not results.images:
            raise
        results.fail(Path(arguments.source).name, error)


def _saver(results: ResultFolder, arguments: PredictArguments, open_files: ExitStack):  # type: ignore[no-untyped-def]
    """What takes each drawing: the folder, or the video that is being written."""
    from visus.predict.video import VideoWriter, video_info

    if not _writes_video(arguments):
        return results.save_picture
    results.path.mkdir(parents=True, exist_ok=True)
    rate = video_info(Path(arguments.source)).frame_rate / arguments.every
    writer = open_files.enter_context(VideoWriter(results.path / f"{Path(arguments.source).stem}.mp4", frame_rate=rate))
    return lambda _, picture: writer.write(picture)


def _writes_video(arguments: PredictArguments) -> bool:
    """Whether the drawings become one video, whose frames have to be of one size."""
    from visus.predict.sources import is_video

    return arguments.pictures and not arguments.frames and is_video(arguments.source)


def _total(arguments: PredictArguments, names: list[str]) -> int | None:
    """How many images there will be, None where a video does not say."""
    if names:
        return len(names)
    from visus.predict.video import video_info

    return -(-video_info(Path(arguments.source)).frames // arguments.every) or None


def _new_folder(source: str) -> Path:
    """A folder named after the source that does not exist yet."""
    from visus.training.run import new_run

    stem = Path(source).resolve().stem
    name = "".join(c if c.isalnum() or c in "._-" else "-" for c in stem).strip("-.") or "pictures"
    return new_run(Path("runs") / "predict" / name).path


def _tell(results: ResultFolder, seconds: float, console: Console) -> None:
    """The last lines: how much was done, where it lies, and what failed."""
    from rich.markup import escape

    done = len(results.images)
    speed = f", {done / seconds:.1f} a second" if done > 1 else ""
    console.print(
        f"{counted(done, 'images')} in {seconds:.1f} s{speed}; results in [bold]{escape(str(results.path))}[/]",
        soft_wrap=True,
    )
    if results.failures:
        console.print(f"[red]{len(results.failures)} could not be read:[/]")
    for name, cause in results.failures:
        line = cause if name in cause else f"{name}: {cause}"
        console.print(f"  {escape(line)}", soft_wrap=True, highlight=False)
