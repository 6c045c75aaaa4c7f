"""The catalog: everything that has a name, in plain dicts. The only place where a string becomes an object."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from torch import nn

from visus.data.datasets.coco import open_coco
from visus.data.datasets.coco import write_fake as write_fake_coco
from visus.data.datasets.pennfudan import open_pennfudan
from visus.data.datasets.pennfudan import write_fake as write_fake_pennfudan
from visus.data.loader import SampleDataset
from visus.data.vignettes import Vignettes
from visus.metrics.coco import CocoMetric
from visus.nn.published import PUBLISHED
from visus.systems import detection, instances
from visus.types import Schema

if TYPE_CHECKING:
    from visus.training.recipe import Recipe
    from visus.training.task import Task


class OpenDataset(Protocol):
    """Opens one split of a data set."""

    def __call__(self, root: Path, split: str, *, for_training: bool) -> SampleDataset:
        """The split of the data set in ``root``."""


@dataclass(frozen=True)
class DatasetEntry:
    """How a data set is opened, and how a miniature of it is written for tests and trials.

    Args:
        open: opens one split.
        write_fake: writes a miniature in the real layout; None where the data is generated.
        summary: one line for the list.
    """

    open: OpenDataset
    write_fake: Callable[[Path], object] | None
    summary: str


VIGNETTES_LENGTH = {"train": 100_000, "val": 5_000, "test": 5_000}


def _open_vignettes(root: Path, split: str, *, for_training: bool) -> SampleDataset:
    length = find(VIGNETTES_LENGTH, split, "split of vignettes")
    return Vignettes(split=cast(Any, split), length=length)


MODELS: dict[str, Callable[..., nn.Module]] = {**detection.MODELS, **instances.MODELS}
LOSSES: dict[str, Callable[..., Any]] = {**detection.LOSSES, **instances.LOSSES}
METRICS: dict[str, Callable[..., Any]] = {"coco": CocoMetric}
WEIGHTS = PUBLISHED
DATASETS: dict[str, DatasetEntry] = {
    "coco": DatasetEntry(open_coco, write_fake_coco, "COCO json: boxes, polygons or RLE, crowds, keypoints"),
    "coco_keypoints": DatasetEntry(
        partial(open_coco, keypoints=True), write_fake_coco, "the same, from COCO's person_keypoints files"
    ),
    "pennfudan": DatasetEntry(
        open_pennfudan, write_fake_pennfudan, "Penn-Fudan pedestrians: images and instance masks"
    ),
    "vignettes": DatasetEntry(_open_vignettes, None, "drawn scenes with complete ground truth, made while you train"),
}


def _detection_task(model: nn.Module, recipe: Recipe, schema: Schema) -> Task:
    from visus.systems.detection.task import detection_task

    return detection_task(model, recipe, schema)  # type: ignore[arg-type]


def _instance_task(model: nn.Module, recipe: Recipe, schema: Schema) -> Task:
    from visus.systems.instances.task import instance_task

    return instance_task(model, recipe, schema)  # type: ignore[arg-type]


# The tasks import the training engine, which takes seconds: only who trains pays for it.
TASKS: dict[str, Callable[[nn.Module, Recipe, Schema], Task]] = {
    "detection": _detection_task,
    "instances": _instance_task,
}
_ROOMS: dict[str, Mapping[str, object]] = {"detection": detection.MODELS, "instances": instances.MODELS}

_Entry = TypeVar("_Entry")


def find(entries: Mapping[str, _Entry], name: str, kind: str) -> _Entry:
    """The entry called ``name``.

    Raises:
        ValueError: there is none; the message has the nearest names and all that exist.
    """
    if name in entries:
        return entries[name]
    near = difflib.get_close_matches(name, entries, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ValueError(f"there is no {kind} called {name!r}.{hint} There are: {', '.join(sorted(entries))}")


def task_of(model_name: str) -> str:
    """The room that a model belongs to."""
    find(MODELS, model_name, "model")
    return next(room for room, models in _ROOMS.items() if model_name in models)


def build_model(name: str, schema: Schema, options: Mapping[str, Any] | None = None) -> nn.Module:
    """The model called ``name`` for the categories and keypoints of ``schema``.

    Args:
        name: a key of `MODELS`.
        schema: decides the numbers of classes and keypoints, where the builder takes them.
        options: further arguments of the builder.

    Raises:
        ValueError: the name or an option does not exist.
    """
    builder = find(MODELS, name, "model")
    known = inspect.signature(builder).parameters
    chosen = dict(options or {})
    for option in chosen:
        find(known, option, f"option of {name}")
    facts = {
        "num_classes": schema.num_classes,
        "num_keypoints": schema.num_keypoints,
        "keypoint_labels": schema.keypoints.labels if schema.keypoints else (),
        "masks": schema.has_masks,
    }
    return builder(**{key: value for key, value in facts.items() if key in known} | chosen)


def build_task(model: nn.Module, recipe: Recipe, schema: Schema) -> Task:
    """What trains ``model`` by ``recipe`` on data of ``schema``."""
    return TASKS[task_of(recipe.model)](model, recipe, schema)
