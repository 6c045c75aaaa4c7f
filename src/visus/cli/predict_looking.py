"""What ``visus predict`` does with images: a loaded model looks at them, and what it finds is drawn and written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import partial
from itertools import chain, count, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from visus.draw.labels import Labels
from visus.errors import VisusError
from visus.predict.sources import STDIN, Source

if TYPE_CHECKING:
    from PIL import Image
    from rich.console import Console

    from visus.cli.predict import PredictArguments
    from visus.predict.annotations import Annotations
    from visus.predict.items import Input, Item, Reading
    from visus.predict.predictor import Predictor
    from visus.predict.result import Result
    from visus.predict.results import ResultFolder


def _annotations(arguments: PredictArguments, predictor: Predictor, min_score: float) -> Annotations | None:
    """What collects annotations, where they are asked for."""
    from visus.predict.annotations import Annotations

    if arguments.format is None:
        return None
    return Annotations(
        arguments.format,
        predictor.schema,
        model=Path(arguments.model).name,
        min_score=min_score,
        outlines=arguments.outlines,
        address=arguments.address,
    )


class Looking:
    """A loaded model that looks at images of a command, all at once or part by part.

    Args:
        arguments: of the command.
        sources: all of its images.
        console: where to say what.
    """

    def __init__(self, arguments: PredictArguments, sources: list[Source], console: Console) -> None:
        from visus.predict.predictor import load
        from visus.runs.own_words import part_of

        self.arguments, self.console, self.total = arguments, console, _total(sources, arguments)
        word = arguments.own.backbone
        backbone = part_of(word, "backbone") if word else None
        predictor = load(arguments.model, device=arguments.device, backbone=backbone)
        self.min_score = _least_score(arguments, predictor, console)
        if arguments.scales != (1.0,) or arguments.flip or arguments.window is not None:
            predictor = predictor.averaged(scales=arguments.scales, flip=arguments.flip, window=arguments.window)
        self.predictor = predictor.faster(
            arguments.precision,
            count=self.total,
            calibration=partial(_calibration, sources),
            on_note=partial(console.print, soft_wrap=True, highlight=False, markup=False),
        )
        self.number_of = _numbering(sources, arguments)

    def fill(self, folder: Path, sources: list[Source]) -> tuple[ResultFolder, float]:
        """Looks at every image of ``sources`` and writes what is found to ``folder``; what that is, and the seconds."""
        from visus.predict.results import ResultFolder

        annotations = _annotations(self.arguments, self.predictor, self.min_score)
        results = ResultFolder(folder, self.predictor.schema, annotations=annotations)
        start = time.perf_counter()
        try:
            self._look_at(sources, results)
        except BaseException:  # also Ctrl-C: what was found until then is kept
            if results.images:
                with suppress(VisusError, OSError):  # of a full disk; the error that is raised says so already
                    results.write_json()
            raise
        results.write_json()
        return results, time.perf_counter() - start

    def _look_at(self, sources: list[Source], results: ResultFolder) -> None:
        """Predicts batch by batch, draws, and keeps a progress bar."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from visus.cli.tables import prediction_table
        from visus.predict.ahead import Beside
        from visus.predict.items import Reading

        arguments, console, min_score = self.arguments, self.console, self.min_score
        how = Reading(pages=arguments.pages, every=arguments.every, on_note=console.print)
        total = _total(sources, arguments)
        drawn = partial(_drawn, results=results, min_score=min_score, labels=arguments.labels)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("looking at images", total=total)
            for video, group in groupby(sources, key=lambda source: source.video):
                items = _items(list(group), how, results, prefixed=len(sources) > 1)
                batches, fail = arguments.batch_size, results.fail
                found: Any = self.predictor.stream(items, batch_size=batches, on_error=fail, ahead=True)
                with ExitStack() as open_files, Beside() as beside, closing(found):
                    save = _saver(video, results, arguments, drawn, open_files)
                    for result in found:
                        if self.total == 1:
                            console.print(prediction_table(result.prediction, result.schema, min_score=min_score))
                        beside.do(partial(_keep, result, self.number_of(result), results, save))
                        progress.update(task, completed=len(results.images) + len(results.failures))


def _keep(result: Result, number: int, results: ResultFolder, save: Callable[[Result], object]) -> None:
    results.add(result, number)
    save(result)


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


def _calibration(sources: list[Source]) -> Iterator[Input]:
    """The first images that can be read, for int8."""
    from visus.predict.faster import CALIBRATION_IMAGES
    from visus.predict.items import Reading, items_of_source

    seen = 0
    for item in chain.from_iterable(items_of_source(source, Reading()) for source in sources if source.text != STDIN):
        if seen == CALIBRATION_IMAGES:
            return
        with suppress(VisusError):
            yield item.read()
            seen += 1
    if not seen:
        raise VisusError("--precision int8 is calibrated with the images, and none of these can be read twice")


def _least_score(arguments: PredictArguments, predictor: Predictor, console: Console) -> float:
    """The score from which objects are drawn: as told, else as the run's validation suggests, which is said."""
    from visus.predict.result import SHOWN_SCORE

    if arguments.min_score is not None:
        return arguments.min_score
    if (arguments.pictures or arguments.format) and predictor.threshold != SHOWN_SCORE:
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
