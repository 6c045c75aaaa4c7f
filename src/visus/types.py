"""The records that everything exchanges: samples, batches, targets and predictions, and the letters of their axes.

| letter | axis                                             |
|--------|--------------------------------------------------|
| b      | inputs of a batch                                |
| n      | objects of an image (targets or predictions)     |
| r      | regions of interest, over all images of a batch  |
| a      | anchors of an image                              |
| c      | channels                                         |
| h, w   | rows and columns of pixels or of a feature map   |
| k      | keypoints of an object                           |
| d      | dimensions of an embedding                       |
| m      | relationships of an image                        |

Boxes are ``xyxy`` in pixels: the left, top, right and bottom edge, where pixel ``i`` covers ``[i, i + 1]``. Labels
count from 0 and never include the background. All classes are data without behaviour beyond ``to``, indexing and
length. ``image_id`` tells the images of a data set apart; None means that nobody gave one, and such images are counted
one by one.

What is done with a kind of target or prediction (drawing, writing, warping ...) stands in one dict for each operation,
keyed by the exact type, beside the code that does it; `row` reads such a dict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Protocol, Self, TypeAlias, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from visus.dataclass_json import from_json

VOID: Final = 255
"""The label of pixels that are neither right nor wrong: not annotated, or outside of the image."""


@dataclass(frozen=True)
class Keypoints:
    """What the keypoints of a data set mean.

    Args:
        names: one name per keypoint.
        flip_pairs: pairs of indices that change places when an image is mirrored, () where none do; None where nobody
            knows, so that nothing with these keypoints may be mirrored.
        sigmas: the spread of each keypoint in COCO's object keypoint similarity.
        skeleton: pairs of indices that a drawing connects.
        labels: the labels of the categories that carry keypoints; empty means every category.
    """

    names: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...] | None
    sigmas: tuple[float, ...]
    skeleton: tuple[tuple[int, int], ...] = ()
    labels: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Schema:
    """What the numbers of a data set mean. A field that a problem adds is written and read like the others.

    Args:
        categories: the name of each label; label ``i`` is ``categories[i]``.
        category_ids: the identifier of each label in the data set's own files (COCO's are sparse: 1 to 90 for 80
            names).
        has_masks: whether objects carry masks.
        keypoints: the meaning of the keypoints, or None where objects carry none.
        colours: the red, green and blue in 0..255 that the data set gives to each category; empty where it gives none.
        attributes: the name of each attribute that an object may have.
        predicates: the name of each relationship that two objects may be in.
        parts: pairs of a category and the names of its parts, for the segmentation of parts.
    """

    categories: tuple[str, ...]
    category_ids: tuple[int, ...]
    has_masks: bool = False
    keypoints: Keypoints | None = None
    colours: tuple[tuple[int, int, int], ...] = ()
    attributes: tuple[str, ...] = ()
    predicates: tuple[str, ...] = ()
    parts: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def num_classes(self) -> int:
        """The number of categories, without a background."""
        return len(self.categories)

    @property
    def num_keypoints(self) -> int:
        """The number of keypoints of an object, 0 where objects carry none."""
        return len(self.keypoints) if self.keypoints else 0

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """The schema that `visus.dataclass_json.to_json` wrote.

        Raises:
            WrongKindError: for text that is none.
        """
        return from_json(cls, text, what="the schema")


class _OnDevice:
    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """A copy whose tensors lie on ``device``."""
        moved = {
            f.name: value.to(device, non_blocking=non_blocking)
            for f in fields(self)  # type: ignore[arg-type]
            if isinstance(value := getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)  # type: ignore[type-var]


@dataclass(frozen=True)
class InstanceTarget(_OnDevice):
    """The annotated objects of one image.

    ``keypoints_xyv`` holds x, y in pixels and v in {0: not labelled, 1: hidden, 2: visible}; an object without
    keypoints in a data set with them has all v = 0. ``areas`` is the annotated area (COCO's ``area``), which is what
    the size classes of COCO's measure look at. A crowd marks a region that is neither right nor wrong: training leaves
    it out. ``attributes`` says which of the schema's attributes each object has; a row of ``relationships`` holds the
    index of the subject, the number of the predicate in the schema, and the index of the object. Indexing a target
    renumbers its relationships and drops those of objects that are gone.
    """

    boxes_xyxy: Float[Tensor, "n 4"]
    labels: Int64[Tensor, " n"]
    areas: Float[Tensor, " n"]
    is_crowd: Bool[Tensor, " n"]
    size: tuple[int, int]
    image_id: int | None = None
    masks: Bool[Tensor, "n h w"] | None = None
    keypoints_xyv: Float[Tensor, "n k 3"] | None = None
    attributes: Bool[Tensor, "n attributes"] | None = None
    relationships: Int64[Tensor, "m 3"] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Bool[Tensor, " n"] | Int64[Tensor, " m"]) -> InstanceTarget:
        picked = _indexed(replace(self, relationships=None), index)
        if self.relationships is None:
            return picked
        return replace(picked, relationships=_renumbered(self.relationships, index, len(self))[0])


@dataclass(frozen=True)
class InstancePrediction(_OnDevice):
    """The objects found in one image, best first, in the pixels of an image of ``size`` (h, w)."""

    boxes_xyxy: Float[Tensor, "n 4"]
    labels: Int64[Tensor, " n"]
    scores: Float[Tensor, " n"]
    size: tuple[int, int]
    masks: Bool[Tensor, "n h w"] | Float[Tensor, "n h w"] | None = None
    keypoints_xyv: Float[Tensor, "n k 3"] | None = None
    keypoint_scores: Float[Tensor, "n k"] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Bool[Tensor, " n"] | Int64[Tensor, " m"]) -> InstancePrediction:
        return _indexed(self, index)


@dataclass(frozen=True)
class GraphPrediction(_OnDevice):
    """The scene graph found in one image: objects, best first, their attributes, and their relationships, best first.

    ``attribute_scores`` holds the probability of each of the schema's attributes. A row of ``relationships`` is the
    index of the subject, the number of the predicate in the schema and the index of the object;
    ``relationship_scores`` are the products of the probabilities of the three. A pair of objects may occur with several
    predicates. Indexing picks objects, renumbers the relationships and drops those of objects that are gone.
    """

    boxes_xyxy: Float[Tensor, "n 4"]
    labels: Int64[Tensor, " n"]
    scores: Float[Tensor, " n"]
    size: tuple[int, int]
    attribute_scores: Float[Tensor, "n attributes"]
    relationships: Int64[Tensor, "m 3"]
    relationship_scores: Float[Tensor, " m"]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Bool[Tensor, " n"] | Int64[Tensor, " m"]) -> GraphPrediction:
        moved, kept = _renumbered(self.relationships, index, len(self))
        return replace(
            self,
            boxes_xyxy=self.boxes_xyxy[index],
            labels=self.labels[index],
            scores=self.scores[index],
            attribute_scores=self.attribute_scores[index],
            relationships=moved,
            relationship_scores=self.relationship_scores[kept],
        )

    @property
    def objects(self) -> InstancePrediction:
        """The objects alone."""
        return InstancePrediction(self.boxes_xyxy, self.labels, self.scores, self.size)


_Objects = TypeVar("_Objects", InstanceTarget, InstancePrediction)


def _indexed(record: _Objects, index: Tensor) -> _Objects:
    """The objects of ``record`` that ``index`` names, in its order."""
    values = {f.name: getattr(record, f.name) for f in fields(record)}
    picked: dict[str, Any] = {name: value[index] for name, value in values.items() if isinstance(value, Tensor)}
    return replace(record, **picked)


def _renumbered(relationships: Tensor, index: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The relationships among the objects that ``index`` picks out of ``count``, by their new indices; which were kept.

    An object that is picked twice keeps its relationships at its first new place.
    """
    kept = torch.arange(count, device=index.device)[index]
    places = torch.full((count,), -1, dtype=torch.int64, device=relationships.device)
    places[kept.flip(0)] = torch.arange(len(kept), device=kept.device).flip(0)
    subject, predicate, object_ = relationships.unbind(1)
    moved = torch.stack((places[subject], predicate, places[object_]), dim=1)
    kept_rows = (moved >= 0).all(dim=1)
    return moved[kept_rows], kept_rows


@dataclass(frozen=True)
class SemanticTarget(_OnDevice):
    """The class of every pixel of one image, `VOID` where it does not count. At most 255 classes."""

    labels: UInt8[Tensor, "h w"]
    size: tuple[int, int]
    image_id: int | None = None


@dataclass(frozen=True)
class SemanticPrediction(_OnDevice):
    """The class found for every pixel of one image, and the probability that the network gives to it."""

    labels: UInt8[Tensor, "h w"]
    scores: Float[Tensor, "h w"]
    size: tuple[int, int]


@dataclass(frozen=True)
class ClassTarget(_OnDevice):
    """The class of one image, and the box of what it names where that is annotated.

    ``probabilities`` replace the label in training where two images were mixed (mixup, CutMix). ``is_query`` says
    whether retrieval looks for images of the same class as this one, or looks at this one; None where every image is
    both.
    """

    label: Int64[Tensor, ""]
    size: tuple[int, int]
    image_id: int | None = None
    box_xyxy: Float[Tensor, " 4"] | None = None
    probabilities: Float[Tensor, " c"] | None = None
    is_query: bool | None = None


@dataclass(frozen=True)
class ClassPrediction(_OnDevice):
    """The classes of one image, best first, their probabilities, and the box of the object they name."""

    labels: Int64[Tensor, " n"]
    scores: Float[Tensor, " n"]
    size: tuple[int, int]
    box_xyxy: Float[Tensor, " 4"] | None = None


@dataclass(frozen=True)
class EmbeddingPrediction(_OnDevice):
    """The embedding of one image: near those of images of the same class, far from others."""

    embedding: Float[Tensor, " d"]
    size: tuple[int, int]


Target: TypeAlias = InstanceTarget | SemanticTarget | ClassTarget
Prediction: TypeAlias = (
    InstancePrediction | SemanticPrediction | ClassPrediction | EmbeddingPrediction | GraphPrediction
)

_Row = TypeVar("_Row")


class NoRowError(KeyError):
    """An operation that has no row for a kind of target or prediction."""

    def __str__(self) -> str:
        return str(self.args[0])


def row(table: Mapping[type, _Row], thing: object, operation: str) -> _Row:
    """The entry of ``table`` for the exact type of ``thing``.

    Args:
        table: one entry for each kind of target or prediction.
        thing: of some kind.
        operation: what the table does ("drawing"), for the message.

    Raises:
        NoRowError: the table has none; the message names the kind and all that the table has.
    """
    if type(thing) in table:
        return table[type(thing)]
    known = ", ".join(kind.__name__ for kind in table)
    raise NoRowError(f"{operation} knows no {type(thing).__name__}; it knows {known}")


@dataclass(frozen=True)
class Sample:
    """One input (an image, a point cloud ...) and what is known of it.

    ``path`` says where the input came from, for messages.
    """

    input: Any
    target: Any
    path: str = ""


@runtime_checkable
class Inputs(Protocol):
    """A batch of what a model looks at, in tensors: images, point clouds, voxels, views, graphs, episodes.

    A model's ``transform.batch`` makes it, and refuses what does not fit.
    """

    @property
    def frames(self) -> list[tuple[int, ...]]:
        """The shape of each input as it was given, without channels: (h, w) of an image. Predictions are in it."""

    def __len__(self) -> int: ...

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """A copy whose tensors lie on ``device``."""


@dataclass(frozen=True)
class ImageBatch(_OnDevice):
    """Images of one batch in one tensor, each in the upper left corner of its slot, the rest padding.

    ``pixels`` is RGB, either uint8 in 0..255 or float in 0..1; ``sizes`` holds each image's (h, w) without the padding,
    ``originals`` that before it was resized; empty where nothing was.
    """

    pixels: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    sizes: Int64[Tensor, "b 2"]
    originals: tuple[tuple[int, int], ...] = ()

    @property
    def frames(self) -> list[tuple[int, ...]]:
        """The (h, w) of each image as it was given."""
        return list(self.originals) or [(int(h), int(w)) for h, w in self.sizes.tolist()]

    def __len__(self) -> int:
        return len(self.sizes)


@dataclass(frozen=True)
class Batch:
    """What a loader yields: the inputs, their targets (all of one kind), and where they came from."""

    inputs: Any
    targets: list[Any]
    paths: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """A copy whose tensors lie on ``device``."""
        inputs = self.inputs.to(device, non_blocking)
        return replace(self, inputs=inputs, targets=[target.to(device, non_blocking) for target in self.targets])
