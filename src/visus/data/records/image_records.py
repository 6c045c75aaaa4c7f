"""Lines of the lists that say of each picture its class, and perhaps its class of classes, box and part in retrieval.

Retrieval and re-identification are measured on classes that were never trained, so the splits of these data sets share
no class, and labels count from 0 within a split. `class_splits` has the splits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.listed_files import read_lines
from visus.data.records.labelled import LabelledImages
from visus.types import Schema

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


def images_of(
    root: Path, records: Sequence[ImageRecord], *, names: Mapping[int, str] | None = None, crop: bool = False
) -> LabelledImages:
    """The pictures in the order of their records, the labels counted from 0.

    Args:
        root: what the paths are relative to.
        records: the pictures; either all or none have a super-label, a box, a part in evaluation.
        names: names of the classes by their numbers, which become ``category_ids``; "class 7" where there is none.
        crop: show only what is in the box.

    Raises:
        AnnotationError: there is no picture, or ``crop`` without boxes.
    """
    if not records:
        raise AnnotationError(f"{root}: no picture belongs to this split")
    numbers, labels = torch.unique(torch.tensor([record.label for record in records]), return_inverse=True)
    known = names or {}
    schema = Schema(
        categories=tuple(known.get(number, f"class {number}") for number in numbers.tolist()),
        category_ids=tuple(numbers.tolist()),
    )
    boxes = [record.box_xyxy for record in records if record.box_xyxy]
    supers = [record.super_label for record in records if record.super_label is not None]
    asks = [record.is_query for record in records if record.is_query is not None]
    return LabelledImages(
        folder=root,
        names=[record.path for record in records],
        labels=labels,
        schema=schema,
        boxes_xyxy=torch.tensor(boxes) if boxes else None,
        super_labels=torch.unique(torch.tensor(supers), return_inverse=True)[1] if supers else None,
        is_query=torch.tensor(asks) if asks else None,
        crop=crop,
    )


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
