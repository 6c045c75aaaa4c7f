"""Images with one class each, held in a few tensors; perhaps with a box, a superclass and a part in retrieval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from visus.data.errors import AnnotationError
from visus.data.records.image_files import ImageFiles
from visus.ops.boxes import clip_boxes
from visus.types import ClassTarget, Schema


@dataclass(frozen=True)
class Roles:
    """What images are in retrieval.

    ``is_query`` says whether retrieval asks for an image (else it is searched), None where every image is both;
    ``cameras`` is the number of the camera that took it, None where nobody says.
    """

    is_query: Bool[Tensor, " n"] | None = None
    cameras: Int64[Tensor, " n"] | None = None


class LabelledImages(ImageFiles):
    """Images, their labels and their boxes.

    Args:
        folder: what the file names are relative to.
        names: the file of each image.
        labels: the label of each image.
        schema: what the labels mean.
        boxes_xyxy: the box of each image in its pixels, NaN where it has none; None where no image has one. Boxes
            are clipped to their image.
        super_labels: the superclass of each image.
        roles: of the images in retrieval.
        crop: show only what is in the boxes.

    Raises:
        AnnotationError: ``crop`` without boxes.
    """

    def __init__(
        self,
        *,
        folder: Path,
        names: Sequence[str],
        labels: Int64[Tensor, " n"],
        schema: Schema,
        boxes_xyxy: Float[Tensor, "n 4"] | None = None,
        super_labels: Int64[Tensor, " n"] | None = None,
        roles: Roles | None = None,
        crop: bool = False,
    ) -> None:
        if crop and boxes_xyxy is None:
            raise AnnotationError(f"{folder}: images without boxes cannot be cropped to them")
        super().__init__(folder=folder, names=names, schema=schema)
        self.labels, self.boxes_xyxy, self.crop = labels, boxes_xyxy, crop
        self.super_labels, self.roles = super_labels, roles or Roles()

    def _image(self, index: int) -> UInt8[Tensor, "3 h w"]:
        image = super()._image(index)
        if not self.crop:
            return image
        rows, columns = self._window(index, (image.shape[1], image.shape[2]))
        return image[:, rows, columns].contiguous()

    def size(self, index: int) -> tuple[int, int]:
        """The (h, w) of an image, from the head of its file."""
        size = super().size(index)
        if not self.crop:
            return size
        rows, columns = self._window(index, size)
        return rows.stop - rows.start, columns.stop - columns.start

    def _target(self, index: int, size: tuple[int, int]) -> ClassTarget:
        place = self._place(index)
        box = None
        if self.boxes_xyxy is not None and not self.crop and not bool(self.boxes_xyxy[place].isnan().any()):
            box = clipped(self.boxes_xyxy[place][None], size, self.path(index))[0]
        asks = None if self.roles.is_query is None else bool(self.roles.is_query[place])
        camera = None if self.roles.cameras is None else int(self.roles.cameras[place])
        return ClassTarget(self.labels[place].clone(), size, place, box, is_query=asks, camera=camera)

    def _window(self, index: int, size: tuple[int, int]) -> tuple[slice, slice]:
        """The whole pixels that an image's box touches, at least one."""
        assert self.boxes_xyxy is not None
        left, top, right, bottom = self.boxes_xyxy[self._place(index)].tolist()
        height, width = size
        x, y = min(max(math.floor(left), 0), width - 1), min(max(math.floor(top), 0), height - 1)
        return slice(y, min(max(math.ceil(bottom), y + 1), height)), slice(x, min(max(math.ceil(right), x + 1), width))


def clipped(boxes_xyxy: Float[Tensor, "n 4"], size: tuple[int, int], path: str) -> Float[Tensor, "n 4"]:
    """Boxes cut off at the border of their image of ``size`` (h, w).

    Raises:
        AnnotationError: a box lies outside.
    """
    inside = clip_boxes(boxes_xyxy, size)
    outside = (inside[:, 2:] <= inside[:, :2]).any(dim=1)
    if bool(outside.any()):
        box = [round(edge, 2) for edge in boxes_xyxy[outside][0].tolist()]
        raise AnnotationError(f"{path}: the box {box} lies outside of the image of (h, w) = {size}")
    return inside


def label_numbers(names: Sequence[str]) -> tuple[str, ...]:
    """The different names in the order of their labels: as numbers where all are, otherwise by the alphabet."""
    different = set(names)
    return tuple(sorted(different, key=int) if all(name.isdecimal() for name in different) else sorted(different))


def label_tensor(names: Sequence[str], categories: Sequence[str]) -> Int64[Tensor, " n"]:
    """The label of each name."""
    label_of = {name: label for label, name in enumerate(categories)}
    return torch.tensor([label_of[name] for name in names], dtype=torch.int64)
