"""Data that a program holds itself: a list of pairs, or an object of its own, as a data set like any other.

An image is a path, a Pillow image, an array [h, w, 3] or a tensor [3, h, w] in RGB, of uint8 or of floats in 0..1.
A target is one of `visus.types`, or what other libraries use for it:

==================================================  =====================================================
``{"boxes": ..., "labels": ...}``                   objects, as torchvision's detectors take them: boxes in
                                                    x1, y1, x2, y2, perhaps ``masks`` [n, h, w] and
                                                    ``keypoints`` [n, k, 3]
a whole number                                      the class of the image
a uint8 or int64 map [h, w]                         the class of every pixel, 255 where it does not count
==================================================  =====================================================

Labels are positions in the list of categories: they count from 0, and no category is the background of objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from visus.clouds import PointCloud
from visus.data.errors import AnnotationError, ImageError
from visus.data.feed.loader import SampleDataset
from visus.data.files.arrays import array_images
from visus.data.files.images import read_image, rgb_pixels
from visus.scenes import SceneGraph
from visus.types import (
    VOID,
    ClassTarget,
    Episode,
    EpisodeTarget,
    ImageTarget,
    InstanceTarget,
    PartTarget,
    Sample,
    Schema,
    SemanticTarget,
    row,
)


@runtime_checkable
class Indexable(Protocol):
    """What can be trained on: samples or (image, target) pairs by their numbers, and what the labels mean."""

    @property
    def schema(self) -> Schema | Sequence[str]:
        """What the numbers in targets mean; the names of the categories where those are all there is to say."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class ListDataset:
    """A list of (image, target) pairs as a data set.

    Args:
        pairs: images and targets; this module says which kinds.
        schema: what the labels mean, or just the names of the categories.

    Raises:
        ValueError: there is no pair.

    >>> black = torch.zeros(3, 20, 30, dtype=torch.uint8)
    >>> data = ListDataset([(black, {"boxes": [[2, 3, 9, 9]], "labels": [0]})], ["cat", "dog"])
    >>> data[0].target.boxes_xyxy.tolist(), data.schema.categories
    ([[2.0, 3.0, 9.0, 9.0]], ('cat', 'dog'))
    """

    def __init__(self, pairs: Sequence[tuple[Any, Any]], schema: Schema | Sequence[str]) -> None:
        if not len(pairs):
            raise ValueError("a ListDataset needs at least one pair of an image and a target")
        self.pairs = pairs
        self.schema = _schema(schema, lambda: as_sample(pairs[0], 0, "the first pair").target)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        return _checked(as_sample(self.pairs[index], index, self.path(index)), self.schema)

    def size(self, index: int) -> tuple[int, ...]:
        """The (h, w) of an image, the number of points of a shape."""
        found = self[index].input
        return row(FRAMES, found, "the size of an input")(found)

    def path(self, index: int) -> str:
        """The path of an image where one was given, else the number of the pair."""
        image = self.pairs[index][0]
        return str(image) if isinstance(image, str | Path) else f"pair {index}"


class GivenDataset:
    """An object that a program brings, as a data set.

    Args:
        dataset: its ``schema``, its length and its items, which are samples or pairs.
    """

    def __init__(self, dataset: Indexable) -> None:
        self.dataset = dataset
        self.schema = _schema(dataset.schema, lambda: as_sample(dataset[0], 0, self.path(0)).target)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        return _checked(as_sample(self.dataset[index], index, self.path(index)), self.schema)

    def size(self, index: int) -> tuple[int, ...]:
        """The (h, w) of an image or the points of a shape, for which the object has to make it."""
        found = self[index].input
        return row(FRAMES, found, "the size of an input")(found)

    def path(self, index: int) -> str:
        """The number of the sample in the object."""
        return f"sample {index} of {type(self.dataset).__name__}"


def as_dataset(thing: object) -> SampleDataset:
    """A data set of what a program brings: itself where it is one already.

    Raises:
        AnnotationError: it is none, or it holds nothing; the message says what is missing.
    """
    if isinstance(thing, SampleDataset) and isinstance(thing.schema, Schema):
        return thing
    missing = [name for name in ("__len__", "__getitem__", "schema") if not hasattr(thing, name)]
    if missing or not isinstance(thing, Indexable):
        raise AnnotationError(
            f"a {type(thing).__name__} is no data set: it lacks {', '.join(missing)}; visus.data.ListDataset makes one "
            "of pairs of an image and a target"
        )
    if not len(thing):
        raise AnnotationError(f"a {type(thing).__name__} without a single sample cannot be learned from")
    return GivenDataset(thing)


def as_sample(item: object, index: int, path: str) -> Sample:
    """A sample of a sample or of an (image, target) pair.

    Raises:
        AnnotationError: it is neither, or its image or target is of no known kind.
    """
    if isinstance(item, Sample):
        return item
    if not (isinstance(item, tuple | list) and len(item) == 2):
        raise AnnotationError(f"{path}: must be a Sample or a pair of an image and a target, not {_kind(item)}")
    found = _pixels(item[0], path)
    size = row(FRAMES, found, "the size of an input")(found)
    return Sample(input=found, target=_target(item[1], size, index, path), path=path)


def _schema(schema: Schema | Sequence[str], first: Callable[[], Any]) -> Schema:
    """A schema as it is, or one for names; whether objects have masks is looked up in the ``first`` target."""
    if isinstance(schema, Schema):
        return schema
    names = () if schema is None or isinstance(schema, str) else tuple(schema)
    if not names or not all(isinstance(name, str) for name in names):
        raise AnnotationError(f"a schema must be a visus.types.Schema or a list of category names, not {schema!r}")
    details = _details(first())
    if "keypoints" in details:
        raise AnnotationError("targets with keypoints need a visus.types.Schema that names them, not just categories")
    return Schema(categories=names, category_ids=tuple(range(1, len(names) + 1)), has_masks="masks" in details)


def _details(target: Any) -> list[str]:
    return row(PARTS, target, "making a schema")(target)


def _checked(sample: Sample, schema: Schema) -> Sample:
    """The sample, if its labels are in the schema."""
    real = row(LABELS, sample.target, "checking labels")(sample.target)
    if real.numel() and not 0 <= int(real.min()) <= int(real.max()) < schema.num_classes:
        wrong = int(real.max()) if int(real.max()) >= schema.num_classes else int(real.min())
        raise AnnotationError(
            f"{sample.path}: label {wrong} is none of the {schema.num_classes} categories; labels count from 0, and "
            "the background of objects is no category"
        )
    return sample


LABELS: dict[type, Callable[[Any], Tensor]] = {
    InstanceTarget: lambda target: target.labels,
    SemanticTarget: lambda target: target.labels[target.labels != VOID],
    ClassTarget: lambda target: target.label,
    EpisodeTarget: lambda target: target.classes,
    ImageTarget: lambda target: target.labels,
    PartTarget: lambda target: target.label,
}
"""The labels of each kind of target that have to be in the schema."""

PARTS: dict[type, Callable[[Any], list[str]]] = {
    InstanceTarget: lambda target: [
        name for name, value in (("masks", target.masks), ("keypoints", target.keypoints_xyv)) if value is not None
    ],
    SemanticTarget: lambda target: [],
    ClassTarget: lambda target: [],
    EpisodeTarget: lambda target: [],
    ImageTarget: lambda target: [] if target.masks is None else ["masks"],
    PartTarget: lambda target: [],
}
"""What each kind of target holds beside boxes and labels."""


def _pixels(image: object, path: str) -> Any:
    """Upright RGB pixels of any kind of image; a shape as it is."""
    read = next((READERS[base] for base in type(image).__mro__ if base in READERS), None)
    found = [] if read is None else _read(read, image, path)
    if len(found) != 1:
        raise AnnotationError(
            f"{path}: an image must be a path, an image of Pillow's, an array [h, w, 3] or a tensor [3, h, w], "
            f"not {_kind(image)}"
        )
    return found[0]


def _read(read: Callable[[Any], list[Any]], image: object, path: str) -> list[Any]:
    """What a reader makes of an image; an error names the pair."""
    try:
        return read(image)
    except ImageError as error:
        raise error if path in str(error) else ImageError(f"{path}: {error}") from error


READERS: Mapping[type, Callable[[Any], list[Any]]] = {
    str: lambda image: [read_image(image)],
    PurePath: lambda image: [read_image(image)],
    Image.Image: lambda image: [rgb_pixels(image)],
    np.ndarray: array_images,
    Tensor: array_images,
    PointCloud: lambda cloud: [cloud],
    SceneGraph: lambda graph: [graph],
}
"""What reads each kind of image, by the base of its class."""


FRAMES: dict[type, Callable[[Any], tuple[int, ...]]] = {
    Tensor: lambda pixels: (int(pixels.shape[1]), int(pixels.shape[2])),
    PointCloud: lambda cloud: cloud.frame,
    Episode: lambda episode: episode.size,
    SceneGraph: lambda graph: graph.size,
}
"""The shape of each kind of input without its channels."""


def _target(target: Any, size: tuple[int, ...], index: int, path: str) -> Any:
    """A target of `visus.types` of what was given for one."""
    if type(target) in LABELS:
        return target
    if isinstance(target, Mapping):
        return _objects(target, size, index, path)
    if isinstance(target, int | np.integer) and not isinstance(target, bool):
        return ClassTarget(torch.tensor(int(target)), size=size, image_id=index)
    if isinstance(target, Tensor | np.ndarray | Image.Image):
        labels = target if isinstance(target, Tensor) else torch.as_tensor(np.array(target))
        if labels.dtype in (torch.uint8, torch.int64) and labels.ndim == 0:
            return ClassTarget(labels.long(), size=size, image_id=index)
        if labels.dtype in (torch.uint8, torch.int64) and tuple(labels.shape) == size:
            if int(labels.min()) < 0 or int(labels.max()) > VOID:
                raise AnnotationError(f"{path}: labels of pixels must lie in 0..{VOID}")
            return SemanticTarget(labels.to(torch.uint8), size=(size[0], size[1]), image_id=index)
    raise AnnotationError(
        f"{path}: a target must be one of visus.types, a dict with boxes and labels, a whole number, or a uint8 or "
        f"int64 map {list(size)} of labels, not {_kind(target)}"
    )


def _objects(target: Mapping[str, Any], size: Any, index: int, path: str) -> InstanceTarget:
    """Objects, from the dict that torchvision's detectors take."""
    known = ("boxes", "labels", "masks", "keypoints", "area", "iscrowd", "image_id")
    if unknown := [key for key in target if key not in known]:
        raise AnnotationError(f"{path}: a target has no {unknown[0]!r}; it has {', '.join(known)}")
    if lacking := [key for key in ("boxes", "labels") if key not in target]:
        raise AnnotationError(f"{path}: a target of objects lacks {lacking[0]!r}")
    boxes = torch.as_tensor(np.asarray(target["boxes"]), dtype=torch.float32).reshape(-1, 4)
    count = len(boxes)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    parts = {
        "labels": _per_object(target["labels"], torch.int64, (count,), "labels", path),
        "areas": _per_object(target.get("area", areas), torch.float32, (count,), "area", path),
        "is_crowd": _per_object(target.get("iscrowd", [0] * count), torch.bool, (count,), "iscrowd", path),
    }
    if "masks" in target:
        parts["masks"] = _per_object(target["masks"], torch.bool, (count, *size), "masks", path)
    if "keypoints" in target:
        points = torch.as_tensor(np.asarray(target["keypoints"]), dtype=torch.float32)
        parts["keypoints_xyv"] = _per_object(points, torch.float32, (count, *points.shape[1:2], 3), "keypoints", path)
    if not bool((boxes[:, 2:] > boxes[:, :2]).all()):
        wrong = next(box.tolist() for box in boxes if not bool((box[2:] > box[:2]).all()))
        raise AnnotationError(f"{path}: the box {wrong} is no x1, y1, x2, y2 with x1 < x2 and y1 < y2")
    return InstanceTarget(boxes_xyxy=boxes, size=size, image_id=index, **parts)


def _per_object(values: Any, dtype: torch.dtype, shape: tuple[int, ...], name: str, path: str) -> Tensor:
    """Values with a row for each object."""
    found = values if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))
    if not found.numel() and not shape[0]:
        return torch.zeros(shape, dtype=dtype)
    if tuple(found.shape) != shape:
        raise AnnotationError(f"{path}: {name} must be {list(shape)}, a row for each of the boxes, not {_kind(values)}")
    return found.to(dtype)


def _kind(thing: object) -> str:
    """What something is, with its shape where it has one."""
    if isinstance(thing, Tensor | np.ndarray):
        return f"{thing.dtype} of {list(thing.shape)}"
    return f"{type(thing).__name__} {thing!r}"[:80] if isinstance(thing, str | int | float) else type(thing).__name__
