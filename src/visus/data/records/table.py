"""Images with the boxes, or the keypoints, that the rows of a table give them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from visus.data.errors import AnnotationError
from visus.data.files.images import image_size
from visus.data.formats.coco_index import coco_content, image_record
from visus.data.formats.coco_values import Record
from visus.data.formats.csv_rows import Box, Row
from visus.data.records.image_files import ImageFiles
from visus.data.records.indexed import IndexedDataset, indexed
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


def keypoint_table(
    table: Path,
    folder: Path,
    groups: Sequence[Sequence[Row]],
    categories: Sequence[str],
    names: Sequence[str],
    *,
    for_training: bool,
) -> IndexedDataset:
    """The objects of a table with their keypoints.

    Args:
        table: the file.
        folder: what the file names are relative to.
        groups: the rows of each image, in pixels.
        categories: the name of each label.
        names: of the keypoints.
        for_training: clip boxes to the image, and refuse images without an object.

    Raises:
        AnnotationError: a row with a label has neither a box nor a keypoint.
        ImageError: an image whose size cannot be read.
    """
    files = [of_image[0].image for of_image in groups]
    with ThreadPoolExecutor() as pool:
        sizes = list(pool.map(image_size, [folder / file for file in files]))
    numbers = {name: number for number, name in enumerate(categories, start=1)}
    listed = [{"id": number, "name": name, "keypoints": list(names)} for name, number in numbers.items()]
    images = (
        (image_record(file, size), _objects(table, of_image, size, numbers, names))
        for file, of_image, size in zip(files, groups, sizes, strict=True)
    )
    content = coco_content(images, listed)
    return indexed(content, table, images=folder, size_of=image_size, for_training=for_training)


def _objects(
    table: Path, of_image: Sequence[Row], size: tuple[int, int], numbers: dict[str, int], names: Sequence[str]
) -> Iterator[Record]:
    """The objects of an image of (h, w) = ``size`` in COCO's format."""
    for row in of_image:
        known = {name: place for name, *place in row.points or ()}
        seen = [(x, y) for x, y, visible in known.values() if visible]
        if row.label and (seen or row.box):
            left, top, right, bottom = row.box or _around(seen, size)
            flat = [value for name in names for value in known.get(name, (0.0, 0.0, 0.0))]
            box = [left, top, right - left, bottom - top]
            yield {"category_id": numbers[row.label], "bbox": box, "keypoints": flat}
        elif row.label and len(of_image) > 1:
            raise AnnotationError(f"{table}: line {row.line} has no keypoint and no box ({row.image})")


def _around(points: Sequence[tuple[float, float]], size: tuple[int, int]) -> Box:
    """The box around some points, a pixel wider on each side, within the image of (h, w) = ``size``."""
    across, down = [x for x, _ in points], [y for _, y in points]
    x1, y1, x2, y2 = min(across) - 1, min(down) - 1, max(across) + 1, max(down) + 1
    return max(x1, 0.0), max(y1, 0.0), min(x2, float(size[1])), min(y2, float(size[0]))
