"""Targets and predictions: what is known of an input, and what a model finds in it.

The letters of the axes stand in `visus.types`, which gives all of these as its own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final, Self, TypeAlias, TypeVar

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

VOID: Final = 255
"""The label of pixels that are neither right nor wrong: not annotated, or outside of the image."""


class OnDevice:
    """A record of tensors that moves from device to device."""

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """A copy whose tensors lie on ``device``."""
        moved = {
            f.name: value.to(device, non_blocking=non_blocking)
            for f in fields(self)  # type: ignore[arg-type]
            if isinstance(value := getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)  # type: ignore[type-var]


@dataclass(frozen=True)
class InstanceTarget(OnDevice):
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
class InstancePrediction(OnDevice):
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
class GraphPrediction(OnDevice):
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
class SemanticTarget(OnDevice):
    """The class of every pixel of one image, `VOID` where it does not count. At most 255 classes."""

    labels: UInt8[Tensor, "h w"]
    size: tuple[int, int]
    image_id: int | None = None


@dataclass(frozen=True)
class SemanticPrediction(OnDevice):
    """The class found for every pixel of one image, and the probability that the network gives to it."""

    labels: UInt8[Tensor, "h w"]
    scores: Float[Tensor, "h w"]
    size: tuple[int, int]


@dataclass(frozen=True)
class ClassTarget(OnDevice):
    """The class of one image or shape, and the box of what it names where that is annotated.

    ``probabilities`` replace the label in training where two images were mixed (mixup, CutMix). ``is_query`` says
    whether retrieval looks for images of the same class as this one, or looks at this one; None where every image is
    both. ``camera`` is the number of the camera that took it, for re-identification.
    """

    label: Int64[Tensor, ""]
    size: tuple[int, ...]
    image_id: int | None = None
    box_xyxy: Float[Tensor, " 4"] | None = None
    probabilities: Float[Tensor, " c"] | None = None
    is_query: bool | None = None
    camera: int | None = None


@dataclass(frozen=True)
class ClassPrediction(OnDevice):
    """The classes of one image or shape, best first, their probabilities, and the box of the object they name."""

    labels: Int64[Tensor, " n"]
    scores: Float[Tensor, " n"]
    size: tuple[int, ...]
    box_xyxy: Float[Tensor, " 4"] | None = None


@dataclass(frozen=True)
class EmbeddingPrediction(OnDevice):
    """The embedding of one image: near those of images of the same class, far from others."""

    embedding: Float[Tensor, " d"]
    size: tuple[int, int]


@dataclass(frozen=True)
class EpisodeTarget(OnDevice):
    """The classes of the queries of one episode, counted from 0 inside of it.

    ``classes`` has the label in the schema of each of its classes. ``size`` is that of the episode's sheet, as
    `Episode` explains. ``k_shot`` labelled images of each class were given.
    """

    labels: Int64[Tensor, " q"]
    classes: Int64[Tensor, " n"]
    size: tuple[int, int]
    image_id: int | None = None
    k_shot: int = 1

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class EpisodePrediction(OnDevice):
    """The probability of each class of an episode for each of its queries.

    ``transductive`` says whether a query was judged with the others in view, as batch norms with the statistics of the
    batch do.
    """

    scores: Float[Tensor, "q n"]
    size: tuple[int, int]
    transductive: bool = False

    @property
    def labels(self) -> Int64[Tensor, " q"]:
        """The likeliest class of each query."""
        return self.scores.argmax(dim=1)

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class PartTarget(OnDevice):
    """The part that each point of one shape belongs to, and the category of the shape.

    Parts are numbered through over the categories of the schema, as `Schema.part_names` lists them.
    """

    labels: Int64[Tensor, " p"]
    label: Int64[Tensor, ""]
    size: tuple[int, ...]
    image_id: int | None = None


@dataclass(frozen=True)
class PartPrediction(OnDevice):
    """The part found for every point of one shape, and the probability that the network gives to it."""

    labels: Int64[Tensor, " p"]
    scores: Float[Tensor, " p"]
    size: tuple[int, ...]


@dataclass(frozen=True)
class ImageTarget(OnDevice):
    """The image that belongs to a scene graph, and where in it the objects of the graph are, in their order.

    Boxes are in its pixels. ``masks`` is None where outlines are not annotated.
    """

    pixels: UInt8[Tensor, "3 h w"]
    boxes_xyxy: Float[Tensor, "n 4"]
    labels: Int64[Tensor, " n"]
    size: tuple[int, int]
    image_id: int | None = None
    masks: Bool[Tensor, "n h w"] | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImagePrediction(OnDevice):
    """An image that was made of a scene graph, and its layout: where the objects of the graph should be in it.

    ``masks`` holds how much of each pixel an object takes.
    """

    pixels: UInt8[Tensor, "3 h w"]
    boxes_xyxy: Float[Tensor, "n 4"]
    labels: Int64[Tensor, " n"]
    masks: Float[Tensor, "n h w"]
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def objects(self) -> InstancePrediction:
        """The layout as objects, all of them sure."""
        sure = torch.ones_like(self.boxes_xyxy[:, 0])
        return InstancePrediction(self.boxes_xyxy, self.labels, sure, self.size, masks=self.masks >= 0.5)


Target: TypeAlias = InstanceTarget | SemanticTarget | ClassTarget | EpisodeTarget | PartTarget | ImageTarget
Prediction: TypeAlias = (
    InstancePrediction
    | SemanticPrediction
    | ClassPrediction
    | EmbeddingPrediction
    | EpisodePrediction
    | PartPrediction
    | GraphPrediction
    | ImagePrediction
)
