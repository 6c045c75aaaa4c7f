"""Lines of the lists that say of each image its class, and perhaps its superclass, box and part in retrieval.

Retrieval and re-identification are measured on classes that were never trained, so the splits of these data sets share
no class, and labels count from 0 within a split. `class_splits` has the splits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.listed_files import read_lines
from visus.data.files.suffixes import SUFFIXES
from visus.data.records.labelled import LabelledImages, Roles
from visus.types import Schema

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ImageRecord:
    """A line of a list.

    Args:
        path: the image, relative to the data set's folder.
        label: the number of its class in the data set's files.
        super_label: the number of its superclass.
        box_xyxy: where the object is.
        is_query: whether an evaluation asks for it (else it is searched); None where every image is both.
        camera: the number of the camera that took it.
    """

    path: str
    label: int
    super_label: int | None = None
    box_xyxy: Box | None = None
    is_query: bool | None = None
    camera: int | None = None


@dataclass(frozen=True)
class ListedImages:
    """What the lists of a data set say.

    Args:
        folder: what the paths are relative to.
        records: the images, in the order of the lists.
        names: names of the classes by their numbers.
    """

    folder: Path
    records: Sequence[ImageRecord]
    names: Mapping[int, str] = field(default_factory=dict)

    def name(self, label: int) -> str:
        """The name of a class, by its number."""
        return self.names.get(label, f"class {label}")


Complain = Callable[[Path, int, str], None]
"""Told the file, the number of the line from 1, and what is wrong with it; a line that is wrong is left out."""

ReadLists = Callable[[Path, Complain], ListedImages]
"""Reads the lists of the data set in a folder, and is given what to call for each line that is wrong."""


def refuse(path: Path, line: int, message: str) -> None:
    """A `Complain` that lets no line pass.

    Raises:
        AnnotationError: always.
    """
    raise AnnotationError(f"{path}, line {line}: {message}")


def images_of(listed: ListedImages, *, crop: bool = False) -> LabelledImages:
    """The images in the order of their records, the labels counted from 0.

    Args:
        listed: the images; either all or none have a super-label, a box, a part in evaluation, a camera. The numbers of
            the classes become ``category_ids``, and "class 7" the name of one that has none.
        crop: show only what is in the box.

    Raises:
        AnnotationError: there is no image, or ``crop`` without boxes.
    """
    records = listed.records
    if not records:
        raise AnnotationError(f"{listed.folder}: no image belongs to this split")
    numbers, labels = torch.unique(torch.tensor([record.label for record in records]), return_inverse=True)
    schema = Schema(
        categories=tuple(listed.name(number) for number in numbers.tolist()),
        category_ids=tuple(numbers.tolist()),
    )
    boxes = [record.box_xyxy for record in records if record.box_xyxy]
    supers = [record.super_label for record in records if record.super_label is not None]
    asks = [record.is_query for record in records if record.is_query is not None]
    cameras = [record.camera for record in records if record.camera is not None]
    return LabelledImages(
        folder=listed.folder,
        names=[record.path for record in records],
        labels=labels,
        schema=schema,
        boxes_xyxy=torch.tensor(boxes) if boxes else None,
        super_labels=torch.unique(torch.tensor(supers), return_inverse=True)[1] if supers else None,
        roles=Roles(torch.tensor(asks) if asks else None, torch.tensor(cameras) if cameras else None),
        crop=crop,
    )


def read_rows(
    path: Path, columns: int, *, skip: int = 0, complain: Complain = refuse
) -> Iterator[tuple[int, list[str]]]:
    """The number and the fields of each line of a table of blanks, the last field with whatever blanks it has.

    Args:
        path: the file.
        columns: how many fields a line has.
        skip: lines of headings.
        complain: told of lines that have fewer fields.

    Raises:
        DatasetNotFoundError: there is no such file.
        AnnotationError: the file is no text.
    """
    if not path.is_file():
        raise DatasetNotFoundError(f"{path}: no such file")
    lines = [(number, line) for number, line in enumerate(read_lines(path, blank=True), 1) if line]
    for number, line in lines[:skip]:
        if line.lower().split()[0].endswith(SUFFIXES) or line.lower().split()[-1].endswith(SUFFIXES):
            complain(path, number, f"names an image where a heading belongs, which would be lost: {line!r}")
    for number, line in lines[skip:]:
        fields = line.split(maxsplit=columns - 1)
        if len(fields) == columns:
            yield number, fields
        else:
            complain(path, number, f"{columns} fields are needed, this has {len(fields)}: {line!r}")


def numbered_views(root: Path, pattern: str, form: str, kind: str) -> ListedImages:
    """The images of all classes, ordered by class and view.

    Args:
        root: the folder.
        pattern: a glob for the images.
        form: a regular expression for their path below the folder, with the groups "class" and "view".
        kind: what a class is called ("object"): classes are named by it and their number.

    Raises:
        DatasetNotFoundError: the folder has no such image.
    """
    paths = [path.relative_to(root).as_posix() for path in root.glob(pattern)]
    found = [match for path in paths if (match := re.fullmatch(form, path))]
    if not found:
        raise DatasetNotFoundError(f"{root}: no image {pattern}")
    rows = sorted((int(match["class"]), int(match["view"]), match.string) for match in found)
    return ListedImages(
        root, [ImageRecord(path, label) for label, _, path in rows], {label: f"{kind} {label}" for label, _, _ in rows}
    )


def whole_number(text: str, what: str) -> int:
    """The number in a field.

    Raises:
        ValueError: it is none; the message says ``what`` it should be.
    """
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"{what} must be a whole number, not {text[:40]!r}") from None
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{what} must be a number of at most 18 digits, not {text[:40]}")
    return number
