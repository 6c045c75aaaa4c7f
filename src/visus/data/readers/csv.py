"""Images that a table labels: a CSV file with the columns image, label, and perhaps x1, y1, x2, y2 and split.

One row is one object. A table in which some image has several rows, or a row without a label, is one of objects and
gives an `InstanceTarget`; any other gives a `ClassTarget` with the box of its row, if it has one. See
`visus.data.formats.csv_rows.COLUMNS` for the other names that columns may have, such as filename, class and xmin. Boxes
are in pixels or, where none in the table goes beyond 1, in fractions of the image.

Layouts: one CSV file in the folder (several need the names of splits: ``train.csv``, ``labels_val.csv``), one in each
folder of a split, or the file itself for a folder. Without a column or files for the splits, 80, 10 and 10 % of the
images go to each, the same every time. File names are relative to the table's folder, or to ``images/`` in it; others
are found by their names where only one image has it, endings may be missing.

Columns of keypoints (`visus.data.formats.csv_points`) make it a table of objects with keypoints: an object a row, or a
keypoint a row. An object without a box gets that of its keypoints, a pixel wider on each side; all are called "object"
where there are no labels.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from visus.data.check.records import Problem
from visus.data.check.report import CheckReport, border_problems, image_problems, in_parallel, no_data
from visus.data.entry import OF_THE_OWNER, OWN_FILES, DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import ImageError, image_size
from visus.data.files.splits import ALIASES, SPLITS, check_split, divided, missing_split, split_called
from visus.data.files.walk import ImageFinder, visible
from visus.data.formats.coco_names import COCO_PERSON_KEYPOINTS
from visus.data.formats.coco_values import Record
from visus.data.formats.csv_rows import Row, has_columns, read_rows, refusal_of
from visus.data.records.fake_images import SHAPES, draw_shape
from visus.data.records.indexed import IndexedDataset
from visus.data.records.labelled import LabelledImages, label_numbers, label_tensor
from visus.data.records.table import TableOfObjects, keypoint_table
from visus.types import Schema

Kind = Literal["auto", "classes", "objects", "keypoints"]


def open_csv(
    root: Path, split: str, *, for_training: bool = False, kind: Kind = "auto"
) -> LabelledImages | TableOfObjects | IndexedDataset:
    """Open a split of a table. All splits have the labels of the whole table.

    Args:
        root: the CSV file, or the folder with it.
        kind: "classes" for one class of each image, "objects" for boxes, "keypoints" for objects with keypoints, "auto"
            decides by the table.

    Raises:
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
    if not categories:
        raise AnnotationError(f"{table}: no row has a label, so there is nothing to learn or to measure")
    groups = {key: _by_image(of_table) for key, of_table in named.items()}
    several = any(_is_of_objects(of_image) for group in groups.values() for of_image in group)
    if "" in tables:
        chosen = _of_split(table, groups[table, ""], split)
    elif split in tables:
        chosen = groups[table, split]
    else:
        raise DatasetNotFoundError(f"{root}: no table for the split {split!r}: {missing_split(split, tables)}")
    folder = image_root(table, next(of_table for (file, _), of_table in named.items() if file == table) or rows)
    chosen = _in_pixels(folder, _found(table, folder, chosen))
    if kind == "keypoints" or (kind == "auto" and any(row.points for row in rows)):
        names = _point_names(table, rows)
        return keypoint_table(table, folder, chosen, categories, names, for_training=for_training)
    if kind == "objects" or (kind == "auto" and several):
        _check_objects(table, chosen)
        return TableOfObjects(folder=folder, rows=chosen, categories=categories)
    return _classes(table, folder, chosen, categories)


def _point_names(table: Path, rows: Sequence[Row]) -> list[str]:
    """The keypoints of all tables: in the order of COCO's person where they are its, else in the tables' own."""
    names = list(dict.fromkeys(name for row in rows for name, *_ in row.points or ()))
    if not names:
        raise AnnotationError(f"{table}: has no columns of keypoints")
    return list(COCO_PERSON_KEYPOINTS.names) if set(names) == set(COCO_PERSON_KEYPOINTS.names) else names


def _found(table: Path, folder: Path, groups: Sequence[Sequence[Row]]) -> list[list[Row]]:
    """The rows with the names of the images as they are found; one warning about those that lie elsewhere."""
    finder = ImageFinder((folder, table.parent))
    found: list[list[Row]] = []
    for of_image in groups:
        place = finder.find(of_image[0].image)
        name = of_image[0].image if place is None else os.path.relpath(place, folder)
        found.append([replace(row, image=name) for row in of_image])
    finder.warn(table)
    return found


def _in_pixels(folder: Path, groups: list[list[Row]]) -> list[list[Row]]:
    """The rows with boxes in pixels; the heads of images are read where they are in fractions."""
    if not any(row.in_fractions for of_image in groups for row in of_image):
        return groups
    with ThreadPoolExecutor() as pool:
        sizes = list(pool.map(image_size, [folder / of_image[0].image for of_image in groups]))
    return [[row.in_pixels(size) for row in of_image] for of_image, size in zip(groups, sizes, strict=True)]


def find_tables(root: Path) -> dict[str, Path]:
    """The table of each split, or one under the name "" for all of them.

    Raises:
        DatasetNotFoundError: there is none, or several whose names do not say their split.
    """
    if root.is_file():
        return {"": root}
    files = _tables_in(root)
    if not files and (inner := _tables_of_folders(root)):
        return inner
    if not files:
        raise DatasetNotFoundError(f"{root}: no CSV file here; one with the columns image and label is needed")
    files = [file for file in files if has_columns(file)] or files
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


def _tables_in(folder: Path) -> list[Path]:
    return [path for path in visible(folder) if path.suffix.lower() == ".csv"]


def _tables_of_folders(root: Path) -> dict[str, Path]:
    """The table in the folder of each split, as exports put it beside the images."""
    found = {}
    for folder in visible(root):
        tables = [table for table in _tables_in(folder) if has_columns(table)]
        if len(tables) == 1 and (split := split_called(folder.name)):
            found[split] = tables[0]
    return found


def image_root(table: Path, rows: Sequence[Row]) -> Path:
    """The folder that the rows' file names are relative to: that of the table, or ``images`` in it."""
    inner = table.parent / "images"
    beside, inside = (os.path.isfile(place / rows[0].image) for place in (table.parent, inner))
    return inner if inside and not beside else table.parent


def _by_image(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each image, images in the order of their first row."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.image].append(row)
    return list(groups.values())


def _is_of_objects(of_image: Sequence[Row]) -> bool:
    return len(of_image) > 1 or not of_image[0].label


def _of_split(table: Path, groups: list[list[Row]], split: str) -> list[list[Row]]:
    """The images of a split of a table for all: by its column, or divided."""
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
        present = {of_image[0].split for of_image in groups}
        there = [name for name in SPLITS if name in present]
        raise DatasetNotFoundError(f"{table}: no row of the split: {missing_split(split, there)}")
    return chosen


def _check_objects(table: Path, groups: Sequence[Sequence[Row]]) -> None:
    for of_image in groups:
        for row in of_image:
            if row.label and row.box is None:
                why = "an image with several rows" if len(of_image) > 1 else "a table of objects"
                raise AnnotationError(f"{table}: line {row.line} has no box, which {why} needs ({row.image})")
            if not row.label and len(of_image) > 1:
                raise AnnotationError(f"{table}: line {row.line} has no label, but {row.image} has other rows")


def _classes(table: Path, folder: Path, groups: Sequence[Sequence[Row]], categories: tuple[str, ...]) -> LabelledImages:
    for of_image in groups:
        if _is_of_objects(of_image):
            row = of_image[-1]
            raise AnnotationError(f"{table}: line {row.line}: one class of each image is wanted; look at {row.image}")
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


def recognise_csv(root: Path) -> bool:
    """Whether a folder has tables with the columns that are needed, or a file is a table."""
    try:
        tables = find_tables(root)
    except DatasetNotFoundError:
        return False
    return all(map(has_columns, tables.values())) if root.is_dir() else root.suffix.lower() == ".csv"


def refusal(root: Path) -> str:
    """Why a folder with a table that lacks columns is not read; empty where there is none."""
    for file in _tables_in(root):
        if reason := refusal_of(file):
            return f"{file.name}: {reason}"
    return ""


def check_csv(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every row and every image of a table of labelled images; arguments as for `check_folder`."""
    root = Path(root)
    try:
        tables = find_tables(root)
    except DatasetNotFoundError as error:
        return no_data(root, error)
    return sum((_check_table(table, decode) for table in dict.fromkeys(tables.values())), CheckReport(()))


def _check_table(table: Path, decode: bool) -> CheckReport:
    try:
        rows = read_rows(table)
    except AnnotationError as error:
        return CheckReport((Problem.of_error("unreadable annotations", table, error),))
    if not rows:
        return CheckReport((Problem("empty data set", "error", str(table), "holds no row"),))
    if not any(row.label for row in rows):
        return CheckReport((Problem("no annotations", "error", str(table), "no row has a label"),))
    folder = image_root(table, rows)
    finder = ImageFinder((folder, table.parent))
    places = {image: finder.find(image) for image in dict.fromkeys(row.image for row in rows)}
    found_in = {image: os.path.relpath(place, folder) for image, place in places.items() if place is not None}
    rows = [replace(row, image=found_in.get(row.image, row.image)) for row in rows]
    problems = [
        Problem("image found by its name", "warning", str(found), f"is not where the table says ({said!r})")
        for said, found in finder.guessed
    ]
    for (image, label, box, _), times in Counter((row.image, row.label, row.box, row.points) for row in rows).items():
        if times > 1:
            message = f"{image} has {times} equal rows ({label}{f', {box}' if box else ''})"
            problems.append(Problem("duplicate row", "warning", str(table), message))
    records: list[Record] = [{"file_name": image} for image in dict.fromkeys(row.image for row in rows)]
    problems += in_parallel(partial(image_problems, folder, decode=decode), records)
    problems += in_parallel(partial(_box_problems, table, folder), [row for row in rows if row.box or row.points])
    return CheckReport(tuple(problems), len(records), sum(bool(row.label) for row in rows))


def _box_problems(table: Path, folder: Path, row: Row) -> list[Problem]:
    """What is wrong with the box and the keypoints of a row."""
    try:
        size = image_size(folder / row.image)
    except ImageError:
        return []  # the image has been reported
    row, where = row.in_pixels(size), f"line {row.line}: {row.image}"
    problems = border_problems(row.box, size, str(table), where) if row.box else []
    for name, x, y, seen in row.points or ():
        if seen and not (0 <= x <= size[1] and 0 <= y <= size[0]):
            message = f"{where}: {name} at ({x:g}, {y:g}), (h, w) = {size}"
            problems.append(Problem("keypoint outside the image", "warning", str(table), message))
    return problems


def write_fake(root: Path, *, images: int = 10, seed: int = 0, boxes: bool = True) -> None:
    """Write a miniature: ``labels.csv`` and drawn shapes in ``images/``, the last two for "val" and "test".

    Args:
        root: the folder, made where needed.
        images: how many images, at least three.
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
            shape = SHAPES[i % 3]
            image, box = draw_shape(shape, generator)
            name = f"{i:03d}.jpg"
            image.save(folder / name, quality=95)
            writer.writerow([name, shape, *(box if boxes else []), split])


ENTRY = DatasetEntry(
    open=open_csv,
    write_fake=write_fake,
    recognise=recognise_csv,
    mark="a CSV with the columns image and label (classes, or boxes)",
    check=check_csv,
    refusal=refusal,
    summary="a CSV of image, label and, if known, a box",
    licence=OF_THE_OWNER,
    size="any",
    source=OWN_FILES,
)
