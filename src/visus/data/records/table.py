"""Images with the boxes that the rows of a table give them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from visus.data.formats.csv_rows import Row
from visus.data.records.image_files import ImageFiles
from visus.data.records.labelled import clipped, label_tensor
from visus.types import InstanceTarget, Schema


class TableOfObjects(ImageFiles):
    """Images with any number of boxes each.

    Args:
        folder: what the file names are relative to.
        rows: the rows of each image, one without a label for none.
        categories: the name of each label.
    """

    def __init__(self, *, folder: Path, rows: Sequence[Sequence[Row]], categories: tuple[str, ...]) -> None:
        schema = Schema(categories=categories, category_ids=tuple(range(len(categories))))
        super().__init__(folder=folder, names=(of_image[0].image for of_image in rows), schema=schema)
        objects = [[row for row in of_image if row.label] for of_image in rows]
        flat = [row for of_image in objects for row in of_image]
        self._first = torch.tensor([0, *np.cumsum([len(of_image) for of_image in objects]).tolist()])
        self._labels: Int64[Tensor, " objects"] = label_tensor([row.label for row in flat], categories)
        self._boxes: Float[Tensor, "objects 4"] = torch.tensor([row.box for row in flat]).reshape(-1, 4).float()

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
