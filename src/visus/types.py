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
| s      | labelled images of an episode: its support set   |
| q      | queries of an episode                            |

Point clouds have letters of their own in `visus.clouds`. ``size`` is the shape of an input without its channels: (h, w)
of an image, (p,) of a cloud of p points. Boxes are ``xyxy`` in pixels: the left, top, right and bottom edge, where
pixel ``i`` covers ``[i, i + 1]``. Labels count from 0 and never include the background. All classes are data without
behaviour beyond ``to``, indexing and length. ``image_id`` tells the images of a data set apart; None means that nobody
gave one, and such images are counted one by one.

What is done with a kind of target or prediction (drawing, writing, warping ...) stands in one dict for each operation,
keyed by the exact type, beside the code that does it; `row` reads such a dict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from visus.schema import Keypoints as Keypoints
from visus.schema import Schema as Schema
from visus.targets import VOID as VOID
from visus.targets import ClassPrediction as ClassPrediction
from visus.targets import ClassTarget as ClassTarget
from visus.targets import EmbeddingPrediction as EmbeddingPrediction
from visus.targets import EpisodePrediction as EpisodePrediction
from visus.targets import EpisodeTarget as EpisodeTarget
from visus.targets import GraphPrediction as GraphPrediction
from visus.targets import ImagePrediction as ImagePrediction
from visus.targets import ImageTarget as ImageTarget
from visus.targets import InstancePrediction as InstancePrediction
from visus.targets import InstanceTarget as InstanceTarget
from visus.targets import OnDevice
from visus.targets import PartPrediction as PartPrediction
from visus.targets import PartTarget as PartTarget
from visus.targets import Prediction as Prediction
from visus.targets import SemanticPrediction as SemanticPrediction
from visus.targets import SemanticTarget as SemanticTarget
from visus.targets import Target as Target

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
class ImageBatch(OnDevice):
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
class Episode:
    """A task of few-shot learning: a few images of each class with their labels, and queries without.

    Its sheet, on which it is drawn, has a row for each class: its labelled images, and then queries, which fill the
    columns from the left, each from top to bottom, in an order that tells nothing of their classes. Every cell has the
    size of the first image.

    Args:
        support: the labelled images, class by class, as many of each.
        support_labels: their classes, counted from 0.
        queries: the images whose classes are asked for.
    """

    support: tuple[UInt8[Tensor, "3 _ _"], ...]
    support_labels: Int64[Tensor, " s"]
    queries: tuple[UInt8[Tensor, "3 _ _"], ...]

    @property
    def n_way(self) -> int:
        """The number of classes."""
        return int(self.support_labels.max()) + 1

    @property
    def size(self) -> tuple[int, int]:
        """The (h, w) of its sheet."""
        height, width = self.support[0].shape[-2:]
        columns = len(self.support) // self.n_way - (-len(self.queries) // self.n_way)
        return self.n_way * int(height), columns * int(width)


@dataclass(frozen=True)
class EpisodeBatch(OnDevice):
    """Episodes of as many classes, labelled images and queries, all images of one size.

    ``sheets`` has the (h, w) of each episode's sheet, see `Episode`.
    """

    support: UInt8[Tensor, "b s 3 h w"]
    support_labels: Int64[Tensor, "b s"]
    queries: UInt8[Tensor, "b q 3 h w"]
    n_way: int
    sheets: tuple[tuple[int, int], ...]

    @property
    def frames(self) -> list[tuple[int, ...]]:
        """The (h, w) of each episode's sheet."""
        return list(self.sheets)

    def __len__(self) -> int:
        return len(self.support_labels)


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
