"""Pictures that a table labels: a CSV file with the columns image, label, and perhaps x1, y1, x2, y2 and split.

One row is one object. A table in which some picture has several rows, or a row without a label, is one of objects and
gives an `InstanceTarget`; any other gives a `ClassTarget` with the box of its row, if it has one. See
`visus.data.formats.csv_rows.COLUMNS` for the other names that columns may have, such as filename, class and xmin.

Layouts: one CSV file in the folder (several need the names of splits: ``train.csv``, ``labels_val.csv``), or the file
itself for a folder. Without a column or files for the splits, 80, 10 and 10 % of the pictures go to each, the same
every time. File names are relative to the table's folder, or to ``images/`` in it.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.data import Dataset

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import image_size, read_image
from visus.data.files.splits import ALIASES, SPLITS, check_split, divided
from visus.data.formats.csv_rows import Row, read_rows
from visus.data.readers.image_folder import draw_shape
from visus.data.records.flat import ByteTable
from visus.data.records.labelled import LabelledImages, clipped, label_numbers, label_tensor
from visus.types import InstanceTarget, Sample, Schema

Kind = Literal["auto", "classes", "objects"]


class TableOfObjects(Dataset[Sample]):
    """Pictures with any number of boxes each; memory stays flat over epochs and workers.

    Args:
        folder: what the file names are relative to.
        rows: the rows of each picture, one without a label for none.
        categories: the name of each label.
    """

    def __init__(self, *, folder: Path, rows: Sequence[Sequence[Row]], categories: tuple[str, ...]) -> None:
        self.folder = Path(folder)
        self._names = ByteTable(of_image[0].image.encode() for of_image in rows)
        objects = [[row for row in of_image if row.label] for of_image in rows]
        flat = [row for of_image in objects for row in of_image]
        self._first = torch.tensor([0, *np.cumsum([len(of_image) for of_image in objects]).tolist()])
        self._labels: Int64[Tensor, " objects"] = label_tensor([row.label for row in flat], categories)
        self._boxes: Float[Tensor, "objects 4"] = torch.tensor([row.box for row in flat]).reshape(-1, 4).float()
        self._schema = _schema(categories)

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
        return str(self.folder / self._names[self._place(index)].decode())

    def target(self, index: int) -> InstanceTarget:
        """The objects of an image, without decoding its picture."""
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


def open_csv_boxes(
    root: Path, split: str, *, for_training: bool = False, kind: Kind = "auto"
) -> LabelledImages | TableOfObjects:
    """Open a split of a table. All splits have the labels of the whole table.

    Args:
        root: the CSV file, or the folder with it.
        split: "train", "val" or "test".
        for_training: changes nothing here.
        kind: "classes" for one class of each picture, "objects" for boxes, "auto" decides by the table.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: there is no table, or none for this split.
        AnnotationError: a row cannot be used, or the table does not hold what ``kind`` asks for.
    """
    check_split(split)
    tables = find_tables(Path(root))
    named = {(table, name): read_rows(table) for name, table in tables.items()}
    rows = [row for table in named.values() for row in table]
    if not rows:
        raise DatasetNotFoundError(f"{', '.join(map(str, tables.values()))}: no row below the names of the columns")
    table = tables.get(split, next(iter(tables.values())))
    categories = label_numbers([row.label for row in rows if row.label])
    groups = {key: _by_image(of_table) for key, of_table in named.items()}
    several = any(_is_of_objects(of_image) for group in groups.values() for of_image in group)
    if "" in tables:
        chosen = _of_split(table, groups[table, ""], split)
    elif split in tables:
        chosen = groups[table, split]
    else:
        raise DatasetNotFoundError(f"{root}: no table for the split {split!r}; there are {', '.join(tables)}")
    folder = image_root(table, rows)
    if kind == "objects" or (kind == "auto" and several):
        _check_objects(table, chosen)
        return TableOfObjects(folder=folder, rows=chosen, categories=categories)
    return _classes(table, folder, chosen, categories)


def find_tables(root: Path) -> dict[str, Path]:
    """The table of each split, or one under the name "" for all of them.

    Raises:
        DatasetNotFoundError: there is none, or several whose names do not say their split.
    """
    if root.is_file():
        return {"": root}
    files = sorted(root.glob("[!.]*.csv")) if root.is_dir() else []
    if not files:
        raise DatasetNotFoundError(f"{root}: no CSV file here; one with the columns image and label is needed")
    if len(files) == 1:
        return {"": files[0]}
    found = {}
    for split in SPLITS:
        words = "|".join(ALIASES[split])
        named = [file for file in files if re.search(rf"(^|[_\-. ])({words})([_\-. ]|$)", file.stem.lower())]
        if len(named) == 1:
            found[split] = named[0]
    if not found:
        names = ", ".join(file.name for file in files)
        raise DatasetNotFoundError(f"{root}: which of {names} is meant? Give the file, or name them train.csv, val.csv")
    return found


def image_root(table: Path, rows: Sequence[Row]) -> Path:
    """The folder that the rows' file names are relative to: that of the table, or ``images`` in it."""
    inner = table.parent / "images"
    return inner if not (table.parent / rows[0].image).is_file() and (inner / rows[0].image).is_file() else table.parent


def _by_image(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each picture, pictures in the order of their first row."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.image].append(row)
    return list(groups.values())


def _is_of_objects(of_image: Sequence[Row]) -> bool:
    return len(of_image) > 1 or not of_image[0].label


def _of_split(table: Path, groups: list[list[Row]], split: str) -> list[list[Row]]:
    """The pictures of a split of a table for all: by its column, or divided."""
    for of_image in groups:
        if len({row.split for row in of_image}) > 1:
            raise AnnotationError(f"{table}: line {of_image[-1].line} has {of_image[0].image} in a second split")
    if not any(of_image[0].split for of_image in groups):
        return [groups[i] for i in divided(len(groups), split)]
    unsaid = next((of_image[0] for of_image in groups if not of_image[0].split), None)
    if unsaid:
        raise AnnotationError(f"{table}: line {unsaid.line} has no split, others have; give all rows one, or none")
    chosen = [of_image for of_image in groups if of_image[0].split == split]
    if not chosen:
        present = ", ".join(sorted({of_image[0].split for of_image in groups}))
        raise DatasetNotFoundError(f"{table}: no row of the split {split!r}; there are {present}")
    return chosen


def _check_objects(table: Path, groups: Sequence[Sequence[Row]]) -> None:
    for of_image in groups:
        for row in of_image:
            if row.label and row.box is None:
                why = "a picture with several rows" if len(of_image) > 1 else "a table of objects"
                raise AnnotationError(f"{table}: line {row.line} has no box, which {why} needs ({row.image})")
            if not row.label and len(of_image) > 1:
                raise AnnotationError(f"{table}: line {row.line} has no label, but {row.image} has other rows")


def _classes(table: Path, folder: Path, groups: Sequence[Sequence[Row]], categories: tuple[str, ...]) -> LabelledImages:
    for of_image in groups:
        if _is_of_objects(of_image):
            row = of_image[-1]
            raise AnnotationError(f"{table}: line {row.line}: one class of each picture is wanted; look at {row.image}")
    rows = [of_image[0] for of_image in groups]
    missing = (float("nan"),) * 4
    boxes = torch.tensor([row.box or missing for row in rows]).reshape(-1, 4).float()
    return LabelledImages(
        folder=folder,
        names=[row.image for row in rows],
        labels=label_tensor([row.label for row in rows], categories),
        schema=_schema(categories),
        boxes_xyxy=None if bool(boxes.isnan().all()) else boxes,
    )


def _schema(categories: tuple[str, ...]) -> Schema:
    return Schema(categories=categories, category_ids=tuple(range(len(categories))))


def write_fake(root: Path, *, images: int = 10, seed: int = 0, boxes: bool = True) -> None:
    """Write a miniature: ``labels.csv`` and drawn shapes in ``images/``, the last two for "val" and "test".

    Args:
        root: the folder, made where needed.
        images: how many pictures, at least three.
        seed: of the drawings.
        boxes: whether the table has the columns of boxes.
    """
    generator = np.random.default_rng(seed)
    folder = Path(root) / "images"
    folder.mkdir(parents=True, exist_ok=True)
    splits = ["train"] * (images - 2) + ["val", "test"]
    with (Path(root) / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label", *(["x1", "y1", "x2", "y2"] if boxes else []), "split"])
        for i, split in enumerate(splits):
            shape = ("circle", "square", "triangle")[i % 3]
            picture, box = draw_shape(shape, generator)
            name = f"{i:03d}.jpg"
            picture.save(folder / name, quality=95)
            writer.writerow([name, shape, *(box if boxes else []), split])
