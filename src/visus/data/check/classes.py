"""Checks of labelled pictures: folders of classes, and tables."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

from visus.data.check.records import Problem
from visus.data.check.report import CheckReport, in_parallel, picture_problems
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import ImageError, image_size
from visus.data.formats.coco_index import Record
from visus.data.formats.csv_rows import Row, read_rows
from visus.data.readers.csv_boxes import find_tables, image_root
from visus.data.readers.image_folder import class_files, split_folders

_FEW = 3


def check_image_folder(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every class and every picture of a folder of classes.

    Args:
        root: the folder.
        decode: read every picture completely; otherwise only the heads of the files.
    """
    root = Path(root)
    try:
        folders = split_folders(root) or {"": root}
    except DatasetNotFoundError as error:
        return _nothing(root, error)
    problems: list[Problem] = []
    count = 0
    found = {name: class_files(folder) for name, folder in folders.items()}
    if not any(found.values()):
        problems.append(Problem("empty data set", "error", str(root), "holds no folder of a class"))
    for split, classes in found.items():
        for name in sorted({name for known in found.values() for name in known}):
            problems += _class_problems(folders[split] / name, len(classes.get(name, [])))
        records: list[Record] = [{"file_name": file} for files in classes.values() for file in files]
        problems += in_parallel(partial(picture_problems, folders[split], decode=decode), records)
        count += len(records)
    return CheckReport(tuple(problems), count, count)


def check_csv(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every row and every picture of a table of labelled pictures; arguments as for `check_image_folder`."""
    root = Path(root)
    try:
        tables = find_tables(root)
    except DatasetNotFoundError as error:
        return _nothing(root, error)
    report = CheckReport((), 0, 0)
    for table in dict.fromkeys(tables.values()):
        report += _check_table(table, decode)
    return report


def _check_table(table: Path, decode: bool) -> CheckReport:
    try:
        rows = read_rows(table)
    except AnnotationError as error:
        message = str(error).removeprefix(f"{table}: ")
        return CheckReport((Problem("unreadable annotations", "error", str(table), message),), 0, 0)
    if not rows:
        return CheckReport((Problem("empty data set", "error", str(table), "holds no row"),), 0, 0)
    folder = image_root(table, rows)
    problems: list[Problem] = []
    for (image, label, box), times in Counter((row.image, row.label, row.box) for row in rows).items():
        if times > 1:
            message = f"{image} has {times} equal rows ({label}{f', {box}' if box else ''})"
            problems.append(Problem("duplicate row", "warning", str(table), message))
    records: list[Record] = [{"file_name": image} for image in dict.fromkeys(row.image for row in rows)]
    problems += in_parallel(partial(picture_problems, folder, decode=decode), records)
    problems += in_parallel(partial(_box_problems, table, folder), [row for row in rows if row.box])
    return CheckReport(tuple(problems), len(records), sum(bool(row.label) for row in rows))


def _box_problems(table: Path, folder: Path, row: Row) -> list[Problem]:
    """Whether a box lies outside of its picture, or reaches over its border by more than a pixel."""
    assert row.box is not None
    try:
        height, width = image_size(folder / row.image)
    except ImageError:
        return []  # the picture has been reported
    x1, y1, x2, y2 = row.box
    message = f"line {row.line}: {row.box} in {row.image} of (h, w) = {(height, width)}"
    if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
        return [Problem("box outside the image", "error", str(table), message)]
    if min(x1, y1) < -1 or x2 > width + 1 or y2 > height + 1:
        return [Problem("box reaches over the border", "warning", str(table), message)]
    return []


def _class_problems(folder: Path, count: int) -> list[Problem]:
    if count == 0:
        return [Problem("empty class", "error", str(folder), "holds no picture")]
    if count < _FEW:
        return [Problem("small class", "warning", str(folder), f"holds {count} pictures")]
    return []


def _nothing(root: Path, error: DatasetNotFoundError) -> CheckReport:
    return CheckReport((Problem("no data set", "error", str(root), str(error).removeprefix(f"{root}: ")),), 0, 0)
