"""What a file in fewer bits is worth on the validation data of its run, and what one of 8 bits is calibrated with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from torch import nn

from visus import catalog
from visus.data.feed.loader import SampleDataset
from visus.errors import VisusError
from visus.metrics.metric import Measure, headlines
from visus.names import counted
from visus.nn.model import predict_batch
from visus.predict.exported import Accuracy, Exported
from visus.predict.faster import CALIBRATION_IMAGES
from visus.predict.items import Reading, items_of
from visus.predict.stored import StoredWeights
from visus.runs.feed import as_learned, open_split
from visus.runs.precision import Loss
from visus.training.run import RunFolder, is_run
from visus.types import Batch


@dataclass(frozen=True)
class Measured:
    """What a file and its network are worth.

    Args:
        rows: one for each headline; none where nothing could be measured.
        measures: what each headline means.
        why_not: the reason why nothing was measured; empty where it was.
    """

    rows: tuple[Accuracy, ...] = ()
    measures: tuple[Measure, ...] = ()
    why_not: str = ""

    def losses(self, precision: str) -> list[Loss]:
        """What the file loses of each headline."""
        return [
            Loss(row.metric, measure, precision, row.network, row.file)
            for row, measure in zip(self.rows, self.measures, strict=True)
        ]


def accuracy(stored: StoredWeights, run: str | Path, model: nn.Module, exported: Exported, count: int) -> Measured:
    """The headlines of the run's validation data with the network and with the file.

    Args:
        stored: the weights.
        run: the run that they are of.
        model: its network.
        exported: the file.
        count: so many images are looked at, at most.
    """
    if count < 1:
        return Measured(why_not="none of its validation images were to be looked at")
    try:
        split = _split(run, "val")
        recipe = RunFolder(Path(run).expanduser()).recipe()
        problem = catalog.problem_of(stored.model)
        data = as_learned(
            recipe, problem, model, stored.schema, split, of=f"the run {run}", other="its validation data"
        )
    except (VisusError, OSError) as error:
        return Measured(why_not=str(error))
    number = min(count, len(data))
    found: list[dict[str, float]] = []
    measures: dict[str, Measure] = {}
    for network in (model, exported):
        metric = problem.metric_of(model, recipe, stored.schema)
        metric.measure_all(inputs=number, num_classes=stored.schema.num_classes)
        measures = dict(metric.measures)
        transform: Any = network.transform
        for index in range(number):
            sample = data[index]
            inputs = transform.batch([sample.input])
            metric.update(predict_batch(network, inputs)[1], Batch(inputs, [sample.target], [sample.path]))
        found.append(metric.compute())
    names = [name for name in headlines(measures) if all(name in numbers for numbers in found)]
    rows = tuple(Accuracy(name, found[0][name], found[1][name], number) for name in names)
    return Measured(rows, tuple(measures[name] for name in names))


def calibration(run: str | Path, images: str | Path | None) -> tuple[list[Any], str]:
    """What a file of 8 bits is calibrated with, and what to say of it.

    Args:
        run: whose training data it is when there are no ``images``.
        images: a file, a folder or a pattern.

    Raises:
        VisusError: there are none.
    """
    if images is not None:
        given = list(islice(_read(images), CALIBRATION_IMAGES))
        if not given:
            raise VisusError(f"{images}: no image to calibrate int8 with")
        return given, f"{counted(len(given), 'images')} of {Path(images).name}"
    try:
        data: Any = _split(run, "train")
    except (VisusError, OSError) as error:
        raise VisusError(f"int8 needs images to be calibrated with, --images FOLDER: {error}") from error
    number = min(len(data), CALIBRATION_IMAGES)
    said = f"{counted(number, 'training images')} of {RunFolder(Path(run).expanduser()).recipe().data.dataset}"
    return [data[place].input for place in range(number)], said


def _read(images: str | Path) -> Iterator[Any]:
    for item in items_of(images, Reading()):
        yield item.read()


def _split(run: str | Path, part: str) -> SampleDataset:
    """The data of a run.

    Raises:
        VisusError: it has none, or it cannot be opened.
    """
    folder = Path(run).expanduser()
    if not is_run(folder):
        raise VisusError(f"{run} is no run, so it has no data")
    recipe = RunFolder(folder).recipe()
    if recipe.own.data:
        raise VisusError(f"{run} learned from {recipe.own.data}, data of a program")
    return open_split(recipe, part)
