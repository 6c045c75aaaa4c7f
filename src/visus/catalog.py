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

from visus.data.feed.loader import SampleDataset
from visus.data.formats import voc_fake
from visus.data.readers import (
    camvid,
    cars196,
    class_folder,
    coco,
    coil20,
    csv_boxes,
    cub200,
    image_folder,
    in_shop,
    mask_folder,
    orl_faces,
    pennfudan,
    sop,
    yolo,
)
from visus.data.readers.camvid import open_camvid
from visus.data.readers.cars196 import open_cars196
from visus.data.readers.class_folder import open_class_folder
from visus.data.readers.coco import open_coco
from visus.data.readers.coil20 import open_coil20
from visus.data.readers.csv_boxes import open_csv_boxes
from visus.data.readers.cub200 import open_cub200
from visus.data.readers.image_folder import open_image_folder
from visus.data.readers.in_shop import open_in_shop
from visus.data.readers.mask_folder import open_mask_folder
from visus.data.readers.orl_faces import open_orl_faces
from visus.data.readers.pennfudan import open_pennfudan
from visus.data.readers.sop import open_sop
from visus.data.readers.voc import open_voc
from visus.data.readers.voc_semantic import open_voc_semantic
from visus.data.readers.yolo import open_yolo
from visus.data.vignettes import Vignettes
from visus.data.vignettes.identities import VignetteIdentities
from visus.data.vignettes.objects import VignetteObjects
from visus.data.vignettes.semantic import SemanticVignettes
from visus.metrics.classification import ClassificationMetric
from visus.metrics.coco import CocoMetric
from visus.metrics.retrieval import RetrievalMetric
from visus.metrics.semantic import SemanticMetric
from visus.metrics.voc import VocMetric
from visus.nn.published import PUBLISHED
from visus.systems import classification, detection, instances, metric_learning, segmentation
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


def _generated(make: Callable[..., SampleDataset]) -> OpenDataset:
    """Opens a split of drawn data, which has no folder."""

    def open_split(root: Path, split: str, *, for_training: bool) -> SampleDataset:
        length = find(VIGNETTES_LENGTH, split, "split of drawn data")
        return make(split=split, length=length)

    return open_split


def _open_identities(root: Path, split: str, *, for_training: bool) -> SampleDataset:
    find(VIGNETTES_LENGTH, split, "split of drawn data")
    return VignetteIdentities(split=cast(Any, split))


MODELS: dict[str, Callable[..., nn.Module]] = {
    **detection.MODELS,
    **instances.MODELS,
    **classification.MODELS,
    **segmentation.MODELS,
    **metric_learning.MODELS,
}
LOSSES: dict[str, Callable[..., Any]] = {
    **detection.LOSSES,
    **instances.LOSSES,
    **classification.LOSSES,
    **segmentation.LOSSES,
    **metric_learning.LOSSES,
}
METRICS: dict[str, Callable[..., Any]] = {
    "coco": CocoMetric,
    "voc": VocMetric,
    "semantic": SemanticMetric,
    "classification": ClassificationMetric,
    "retrieval": RetrievalMetric,
}
WEIGHTS = PUBLISHED
DATASETS: dict[str, DatasetEntry] = {
    "coco": DatasetEntry(open_coco, coco.write_fake, "COCO json: boxes, polygons or RLE, crowds, keypoints"),
    "coco_keypoints": DatasetEntry(
        partial(open_coco, keypoints=True), coco.write_fake, "the same, from COCO's person_keypoints files"
    ),
    "pennfudan": DatasetEntry(
        open_pennfudan, pennfudan.write_fake, "Penn-Fudan pedestrians: images and instance masks"
    ),
    "voc": DatasetEntry(open_voc, voc_fake.write_fake, "Pascal VOC's layout: boxes in Annotations/*.xml"),
    "voc_semantic": DatasetEntry(
        open_voc_semantic, voc_fake.write_fake, "Pascal VOC's layout: classes of pixels in SegmentationClass/*.png"
    ),
    "yolo": DatasetEntry(open_yolo, yolo.write_fake, "YOLO txt: data.yaml, images/ and labels/"),
    "camvid": DatasetEntry(open_camvid, camvid.write_fake, "CamVid as SegNet's tutorial splits it: 11 classes"),
    "mask_folder": DatasetEntry(
        open_mask_folder, mask_folder.write_fake, "images/ and masks/ (paletted or class-number PNG) and a class list"
    ),
    "image_folder": DatasetEntry(open_image_folder, image_folder.write_fake, "a folder for each class of pictures"),
    "csv": DatasetEntry(open_csv_boxes, csv_boxes.write_fake, "a CSV of image, label and, if known, a box"),
    "sop": DatasetEntry(open_sop, sop.write_fake, "Stanford Online Products' layout (Ebay_train.txt, Ebay_test.txt)"),
    "cub200": DatasetEntry(open_cub200, cub200.write_fake, "CUB-200-2011: 100 classes learn, the other 100 test"),
    "cars196": DatasetEntry(open_cars196, cars196.write_fake, "CARS196: the first 98 classes learn, the others test"),
    "in_shop": DatasetEntry(open_in_shop, in_shop.write_fake, "In-Shop Clothes: queries and a gallery"),
    "class_folder": DatasetEntry(
        open_class_folder, class_folder.write_fake, "a folder for each class, half of the classes unseen"
    ),
    "coil20": DatasetEntry(open_coil20, coil20.write_fake, "COIL-20: objects on a turntable, half of them unseen"),
    "orl_faces": DatasetEntry(open_orl_faces, orl_faces.write_fake, "ORL faces, half of the people unseen"),
    "vignettes": DatasetEntry(
        _generated(Vignettes), None, "drawn scenes with complete ground truth, made while you train"
    ),
    "vignettes_semantic": DatasetEntry(_generated(SemanticVignettes), None, "drawn scenes, the class of every pixel"),
    "vignettes_objects": DatasetEntry(_generated(VignetteObjects), None, "drawn pictures of one object, with its box"),
    "vignettes_identities": DatasetEntry(
        _open_identities, None, "drawn individuals, each seen many times, half of them unseen"
    ),
}


def _detection_task(model: nn.Module, recipe: Recipe, schema: Schema) -> Task:
    from visus.systems.detection.task import detection_task

    return detection_task(model, recipe, schema)  # type: ignore[arg-type]


def _instance_task(model: nn.Module, recipe: Recipe, schema: Schema) -> Task:
    from visus.systems.instances.task import instance_task

    return instance_task(model, recipe, schema)  # type: ignore[arg-type]


def _classification_task(model: nn.Module, recipe: Recipe, schema: Schema) -> Task:
    from visus.systems.classification.task import classification_task

    return classification_task(model, recipe, schema)  # type: ignore[arg-type]


def _segmentation_task(model: nn.Module, recipe: Recipe, schema: Schema) -> Task:
    from visus.systems.segmentation.task import segmentation_task

    return segmentation_task(model, recipe, schema)  # type: ignore[arg-type]


def _metric_learning_task(model: nn.Module, recipe: Recipe, schema: Schema) -> Task:
    from visus.systems.metric_learning.task import metric_learning_task

    return metric_learning_task(model, recipe, schema)


# The tasks import the training engine, which takes seconds: only who trains pays for it.
TASKS: dict[str, Callable[[nn.Module, Recipe, Schema], Task]] = {
    "detection": _detection_task,
    "instances": _instance_task,
    "classification": _classification_task,
    "segmentation": _segmentation_task,
    "metric_learning": _metric_learning_task,
}
_ROOMS: dict[str, Mapping[str, object]] = {
    "detection": detection.MODELS,
    "instances": instances.MODELS,
    "classification": classification.MODELS,
    "segmentation": segmentation.MODELS,
    "metric_learning": metric_learning.MODELS,
}

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
