"""Pictures with one class each, and perhaps the box of what the class names, held in a few tensors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.data import Dataset

from visus.data.errors import AnnotationError
from visus.data.flat import ByteTable
from visus.data.images import image_size, read_image
from visus.ops.boxes import clip_boxes
from visus.types import ClassTarget, Sample, Schema


class LabelledImages(Dataset[Sample]):
    """Pictures, their labels and their boxes, in the order given; memory stays flat over epochs and workers.

    Args:
        folder: what the file names are relative to.
        names: the file of each picture.
        labels: the label of each picture.
        schema: what the labels mean.
        boxes_xyxy: the box of each picture in its pixels, NaN where it has none; None where no picture has one. Boxes
            are clipped to their picture.
    """

    def __init__(
        self,
        *,
        folder: Path,
        names: Sequence[str],
        labels: Int64[Tensor, " n"],
        schema: Schema,
        boxes_xyxy: Float[Tensor, "n 4"] | None = None,
    ) -> None:
        self.folder, self.labels, self._boxes = Path(folder), labels, boxes_xyxy
        self._names = ByteTable(name.encode() for name in names)
        self._schema = schema

    @property
    def schema(self) -> Schema:
        """The names of the labels."""
        return self._schema

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Sample:
        path = self.path(index)
        image = read_image(path)
        size = (int(image.shape[-2]), int(image.shape[-1]))
        return Sample(image=image, target=self._target(index, size), path=path)

    def size(self, index: int) -> tuple[int, int]:
        """The (h, w) of an image, from the head of its file."""
        return image_size(self.path(index))

    def path(self, index: int) -> str:
        """The file of an image."""
        return str(self.folder / self._names[self._place(index)].decode())

    def target(self, index: int) -> ClassTarget:
        """The class and the box of an image, without decoding its picture."""
        return self._target(index, self.size(index))

    def _target(self, index: int, size: tuple[int, int]) -> ClassTarget:
        place = self._place(index)
        box = None
        if self._boxes is not None and not bool(self._boxes[place].isnan().any()):
            box = clipped(self._boxes[place][None], size, self.path(index))[0]
        return ClassTarget(label=self.labels[place].clone(), size=size, image_id=place, box_xyxy=box)

    def _place(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        return index % len(self)


def clipped(boxes_xyxy: Float[Tensor, "n 4"], size: tuple[int, int], path: str) -> Float[Tensor, "n 4"]:
    """Boxes cut off at the border of their picture of ``size`` (h, w).

    Raises:
        AnnotationError: a box lies outside.
    """
    inside = clip_boxes(boxes_xyxy, size)
    outside = (inside[:, 2:] <= inside[:, :2]).any(dim=1)
    if bool(outside.any()):
        box = [round(edge, 2) for edge in boxes_xyxy[outside][0].tolist()]
        raise AnnotationError(f"{path}: the box {box} lies outside of the picture of (h, w) = {size}")
    return inside


def label_numbers(names: Sequence[str]) -> tuple[str, ...]:
    """The different names in the order of their labels: as numbers where all are, otherwise by the alphabet."""
    different = set(names)
    return tuple(sorted(different, key=int) if all(name.isdecimal() for name in different) else sorted(different))


def label_tensor(names: Sequence[str], categories: Sequence[str]) -> Int64[Tensor, " n"]:
    """The label of each name."""
    label_of = {name: label for label, name in enumerate(categories)}
    return torch.tensor([label_of[name] for name in names], dtype=torch.int64)
