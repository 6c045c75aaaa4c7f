"""Images with the boxes that the rows of a table give them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.data import Dataset

from visus.data.files.images import image_size, read_image
from visus.data.formats.csv_rows import Row
from visus.data.records.flat import NameTable
from visus.data.records.labelled import clipped, label_tensor
from visus.types import InstanceTarget, Sample, Schema


class TableOfObjects(Dataset[Sample]):
    """Images with any number of boxes each; memory stays flat over epochs and workers.

    Args:
        folder: what the file names are relative to.
        rows: the rows of each image, one without a label for none.
        categories: the name of each label.
    """

    def __init__(self, *, folder: Path, rows: Sequence[Sequence[Row]], categories: tuple[str, ...]) -> None:
        self.folder = Path(folder)
        self._names = NameTable(of_image[0].image for of_image in rows)
        objects = [[row for row in of_image if row.label] for of_image in rows]
        flat = [row for of_image in objects for row in of_image]
        self._first = torch.tensor([0, *np.cumsum([len(of_image) for of_image in objects]).tolist()])
        self._labels: Int64[Tensor, " objects"] = label_tensor([row.label for row in flat], categories)
        self._boxes: Float[Tensor, "objects 4"] = torch.tensor([row.box for row in flat]).reshape(-1, 4).float()
        self._schema = Schema(categories=categories, category_ids=tuple(range(len(categories))))

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
        return Sample(input=image, target=self._target(index, size), path=path)

    def size(self, index: int) -> tuple[int, int]:
        """The (h, w) of an image, from the head of its file."""
        return image_size(self.path(index))

    def path(self, index: int) -> str:
        """The file of an image."""
        return str(self.folder / self._names[self._place(index)])

    def target(self, index: int) -> InstanceTarget:
        """The objects of an image, without decoding it."""
        return self._target(index, self.size(index))

    def _target(self, index: int, size: tuple[int, int]) -> InstanceTarget:
        place = self._place(index)
        first, last = self._first[place : place + 2].tolist()
        boxes = clipped(self._boxes[first:last], size, self.path(index))
        return InstanceTarget(
            boxes_xyxy=boxes,
            labels=self._labels[first:last].clone(),
            areas=(boxes[:, 2:] - boxes[:, :2]).prod(1),
            is_crowd=torch.zeros(last - first, dtype=torch.bool),
            size=size,
            image_id=place,
        )

    def _place(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        return index % len(self)
