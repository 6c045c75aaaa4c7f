"""The nouns of the house: images, samples, targets and predictions, and the letters of their axes.

| letter | axis                                             |
|--------|--------------------------------------------------|
| b      | images of a batch                                |
| n      | objects of an image (targets or predictions)     |
| r      | regions of interest, over all images of a batch  |
| a      | anchors of an image                              |
| c      | channels                                         |
| h, w   | rows and columns of pixels or of a feature map   |
| k      | keypoints of an object                           |
| d      | dimensions of an embedding                       |

Boxes are ``xyxy`` in pixels: the left, top, right and bottom edge, where pixel ``i`` covers ``[i, i + 1]``. Labels
count from 0 and never include the background. All classes are data without behaviour beyond ``to``, indexing and
length.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Self, TypeAlias, TypeVar

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

VOID: Final = 255
"""The label of pixels that are neither right nor wrong: not annotated, or outside of the picture."""


@dataclass(frozen=True)
class Keypoints:
    """What the keypoints of a data set mean.

    Args:
        names: one name per keypoint.
        flip_pairs: pairs of indices that change places when a picture is mirrored.
        sigmas: the spread of each keypoint in COCO's object keypoint similarity.
        skeleton: pairs of indices that a drawing connects.
        labels: the labels of the categories that carry keypoints; empty means every category.
    """

    names: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    skeleton: tuple[tuple[int, int], ...] = ()
    labels: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Schema:
    """What the numbers of a data set mean: its categories, and its keypoints where it has them.

    Args:
        categories: the name of each label; label ``i`` is ``categories[i]``.
        category_ids: the identifier of each label in the data set's own files (COCO's are sparse: 1 to 90 for 80
            names).
        has_masks: whether objects carry masks.
        keypoints: the meaning of the keypoints, or None where objects carry none.
        colours: the red, green and blue in 0..255 that the data set gives to each category; empty where it gives none.
    """

    categories: tuple[str, ...]
    category_ids: tuple[int, ...]
    has_masks: bool = False
    keypoints: Keypoints | None = None
    colours: tuple[tuple[int, int, int], ...] = ()

    @property
    def num_classes(self) -> int:
        """The number of categories, without a background."""
        return len(self.categories)

    @property
    def num_keypoints(self) -> int:
        """The number of keypoints of an object, 0 where objects carry none."""
        return len(self.keypoints) if self.keypoints else 0


def _moved(record: Any, device: torch.device | str, non_blocking: bool) -> Any:
    """A copy of a dataclass whose tensors lie on ``device``."""
    moved = {
        f.name: value.to(device, non_blocking=non_blocking)
        for f in fields(record)
        if hasattr(value := getattr(record, f.name), "to")
    }
    return replace(record, **moved)


class _OnDevice:
    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """A copy whose tensors lie on ``device``."""
        moved: Self = _moved(self, device, non_blocking)
        return moved


@dataclass(frozen=True)
class InstanceTarget(_OnDevice):
    """The annotated objects of one image.

    ``keypoints_xyv`` holds x, y in pixels and v in {0: not labelled, 1: hidden, 2: visible}; an object without
    keypoints in a data set with them has all v = 0. ``areas`` is the annotated area (COCO's ``area``), which is what
    the size classes of COCO's measure look at. A crowd marks a region that is neither right nor wrong: training leaves
    it out.
    """

    boxes_xyxy: Float[Tensor, "n 4"]
    labels: Int64[Tensor, " n"]
    areas: Float[Tensor, " n"]
    is_crowd: Bool[Tensor, " n"]
    size: tuple[int, int]
    image_id: int = 0
    masks: Bool[Tensor, "n h w"] | None = None
    keypoints_xyv: Float[Tensor, "n k 3"] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Bool[Tensor, " n"] | Int64[Tensor, " m"]) -> InstanceTarget:
        return _indexed(self, index)


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


_Objects = TypeVar("_Objects", InstanceTarget, InstancePrediction)


def _indexed(record: _Objects, index: Tensor) -> _Objects:
    """The objects of ``record`` that ``index`` names, in its order."""
    values = {f.name: getattr(record, f.name) for f in fields(record)}
    picked: dict[str, Any] = {name: value[index] for name, value in values.items() if isinstance(value, Tensor)}
    return replace(record, **picked)


@dataclass(frozen=True)
class SemanticTarget(_OnDevice):
    """The class of every pixel of one image, `VOID` where it does not count. At most 255 classes."""

    labels: UInt8[Tensor, "h w"]
    size: tuple[int, int]
    image_id: int = 0


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
    whether retrieval looks for this image's like, or looks at it; None where every image is both.
    """

    label: Int64[Tensor, ""]
    size: tuple[int, int]
    image_id: int = 0
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
    """What one image looks like, as a point: near those of images of the same class, far from others."""

    embedding: Float[Tensor, " d"]
    size: tuple[int, int]


Target: TypeAlias = InstanceTarget | SemanticTarget | ClassTarget
Prediction: TypeAlias = InstancePrediction | SemanticPrediction | ClassPrediction | EmbeddingPrediction


@dataclass(frozen=True)
class Sample:
    """One image and what is known of it.

    ``path`` says where the image came from, for messages; ``extras`` holds what one problem needs beyond the target.
    """

    image: UInt8[Tensor, "3 h w"]
    target: Target
    path: str = ""
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageBatch(_OnDevice):
    """Images of one batch in one tensor, each in the upper left corner of its slot, the rest padding.

    ``pixels`` is RGB, either uint8 in 0..255 or float in 0..1; ``sizes`` holds each image's (h, w) without the padding.
    """

    pixels: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]
    sizes: Int64[Tensor, "b 2"]

    def __len__(self) -> int:
        return len(self.sizes)


@dataclass(frozen=True)
class Batch:
    """What a loader yields: the images, their targets (all of one kind of `Target`), and where they came from."""

    images: ImageBatch
    targets: list[Any]
    paths: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """A copy whose tensors lie on ``device``."""
        images = self.images.to(device, non_blocking)
        return replace(self, images=images, targets=[target.to(device, non_blocking) for target in self.targets])
