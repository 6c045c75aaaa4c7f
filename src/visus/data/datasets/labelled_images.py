"""Pictures with one label each, and the class of classes it belongs to where there is one: what lists and folders give.

Retrieval and re-identification are measured on classes that were never trained, so the splits of these data sets share
no class, and labels count from 0 within a split. `class_splits` has the splits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.utils.data import Dataset

from visus.data.datasets.listed_files import read_lines
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.flat import ByteTable
from visus.data.images import image_size, read_image
from visus.types import ClassTarget, Sample, Schema

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ImageRecord:
    """A line of a list.

    Args:
        path: the picture, relative to the data set's folder.
        label: the number of its class in the data set's files.
        super_label: the number of its class of classes.
        box_xyxy: where the object is.
        is_query: whether an evaluation asks for it (else it is searched); None where every picture is both.
    """

    path: str
    label: int
    super_label: int | None = None
    box_xyxy: Box | None = None
    is_query: bool | None = None


class ClassSplitImages(Dataset[Sample]):
    """Pictures in the order of their records, which lie in a few tensors: memory stays flat over epochs and workers.

    Args:
        root: what the paths are relative to.
        records: the pictures; either all or none have a super-label, a box, a part in evaluation.
        names: names of the classes by their numbers; "class 7" where there is none.
        crop: show only what is in the box.

    Raises:
        AnnotationError: there is no picture, or ``crop`` without boxes.
    """

    def __init__(
        self, *, root: Path, records: Sequence[ImageRecord], names: Mapping[int, str] | None = None, crop: bool = False
    ) -> None:
        if not records:
            raise AnnotationError(f"{root}: no picture belongs to this split")
        self.root = Path(root)
        self.crop = crop
        self._paths = ByteTable(record.path.encode() for record in records)
        numbers, labels = torch.unique(torch.tensor([record.label for record in records]), return_inverse=True)
        self.labels: Int64[Tensor, " n"] = labels
        self.super_labels: Int64[Tensor, " n"] | None = None
        if records[0].super_label is not None:
            given = torch.tensor([record.super_label for record in records])
            self.super_labels = torch.unique(given, return_inverse=True)[1]
        boxes = [record.box_xyxy for record in records if record.box_xyxy]
        self.boxes_xyxy: Float[Tensor, "n 4"] | None = torch.tensor(boxes) if boxes else None
        if crop and self.boxes_xyxy is None:
            raise AnnotationError(f"{root}: pictures without boxes cannot be cropped to them")
        self.is_query: Bool[Tensor, " n"] | None = None
        if records[0].is_query is not None:
            self.is_query = torch.tensor([bool(record.is_query) for record in records])
        self._numbers = numbers
        self._names = ByteTable((names or {}).get(i, f"class {i}").encode() for i in numbers.tolist())

    @property
    def schema(self) -> Schema:
        """The classes of this split; ``category_ids`` are their numbers in the data set's files."""
        names = tuple(self._names[i].decode() for i in range(len(self._names)))
        return Schema(categories=names, category_ids=tuple(self._numbers.tolist()))

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Sample:
        index = self._row(index)
        path = self.path(index)
        image = read_image(path)
        size = (image.shape[1], image.shape[2])
        box = None if self.boxes_xyxy is None else self.boxes_xyxy[index].clone()
        if self.crop:
            left, top, right, bottom = self._window(index, size)
            image, box = image[:, top:bottom, left:right].contiguous(), None
            size = (bottom - top, right - left)
        asks = None if self.is_query is None else bool(self.is_query[index])
        return Sample(image, ClassTarget(self.labels[index].clone(), size, index, box, is_query=asks), path)

    def size(self, index: int) -> tuple[int, int]:
        """The (h, w) of an image, from the head of its file."""
        size = image_size(self.path(index))
        if not self.crop:
            return size
        left, top, right, bottom = self._window(self._row(index), size)
        return bottom - top, right - left

    def path(self, index: int) -> str:
        """The file of an image."""
        return str(self.root / self._paths[self._row(index)].decode())

    def _row(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        return index % len(self)

    def _window(self, index: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """The whole pixels that an image's box touches, at least one."""
        assert self.boxes_xyxy is not None
        left, top, right, bottom = self.boxes_xyxy[index].tolist()
        height, width = size
        x, y = min(max(math.floor(left), 0), width - 1), min(max(math.floor(top), 0), height - 1)
        return x, y, min(max(math.ceil(right), x + 1), width), min(max(math.ceil(bottom), y + 1), height)


def read_rows(path: Path, columns: int, *, skip: int = 0) -> Iterator[list[str]]:
    """The fields of each line of a table of blanks, the last field with whatever blanks it has.

    Args:
        path: the file.
        columns: how many fields a line has.
        skip: lines of headings.

    Raises:
        DatasetNotFoundError: there is no such file.
        AnnotationError: a line has fewer fields; the message names it.
    """
    if not path.is_file():
        raise DatasetNotFoundError(f"{path}: no such file")
    for number, line in enumerate(read_lines(path)[skip:], skip + 1):
        fields = line.split(maxsplit=columns - 1)
        if len(fields) != columns:
            raise AnnotationError(
                f"{path}, line {number}: {columns} fields are needed, this has {len(fields)}: {line!r}"
            )
        yield fields


def whole_number(text: str, path: Path, what: str) -> int:
    """The number in a field.

    Raises:
        AnnotationError: it is none; the message names the file and ``what`` it should be.
    """
    try:
        return int(text)
    except ValueError as error:
        raise AnnotationError(f"{path}: {what} must be a whole number, not {text!r}") from error
