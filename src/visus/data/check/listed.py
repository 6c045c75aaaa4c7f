"""Looks through images that lists give their classes, as retrieval needs them."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

from visus.data.check.records import Problem
from visus.data.check.report import CheckReport, border_problems, image_problems, in_parallel
from visus.data.errors import DatasetNotFoundError
from visus.data.files.images import ImageError, image_size
from visus.data.records.image_records import ImageRecord, ListedImages, ReadLists
from visus.errors import VisusError


def check_listed(root: Path, *, read: ReadLists, decode: bool = True) -> CheckReport:
    """Check the lists of a data set, and every image in them.

    Args:
        root: the folder.
        read: reads the lists.
        decode: read every image completely; otherwise only the heads of the files.
    """
    root = Path(root)
    problems: list[Problem] = []

    def complain(path: Path, line: int, message: str) -> None:
        problems.append(Problem("malformed line", "error", str(path), f"line {line}: {message}"))

    try:
        listed = read(root, complain)
    except VisusError as error:
        kind = "missing list" if isinstance(error, DatasetNotFoundError) else "unusable list"
        return CheckReport((*problems, Problem.of_error(kind, root, error)))
    problems += _class_problems(root, listed)
    for path, times in Counter(record.path for record in listed.records).items():
        if times > 1:
            problems.append(Problem("duplicate image", "error", str(listed.folder / path), f"is listed {times} times"))
    records = list({record.path: record for record in listed.records}.values())
    problems += in_parallel(partial(_record_problems, listed.folder, decode), records)
    return CheckReport(tuple(problems), len(records), len(records))


def _class_problems(root: Path, listed: ListedImages) -> list[Problem]:
    """Whether there are classes to tell apart, and in each something to find."""
    counts = Counter(record.label for record in listed.records)
    if not counts:
        return [Problem("empty data set", "error", str(root), "lists no image")]
    alone = [listed.name(label) for label, count in counts.items() if count == 1]
    message = "has one image: nothing else of its class can be found"
    problems = [Problem("class with one image", "warning", str(root), f"{name} {message}") for name in alone]
    if len(counts) == 1:
        problems.append(Problem("single class", "error", str(root), "lists one class: nothing can be told apart"))
    return problems


def _record_problems(folder: Path, decode: bool, record: ImageRecord) -> list[Problem]:
    problems = image_problems(folder, {"file_name": record.path}, decode=decode)
    if record.box_xyxy is not None:
        try:
            size = image_size(folder / record.path)
        except ImageError:
            return problems  # which tell it
        problems += border_problems(record.box_xyxy, size, str(folder / record.path), "the object")
    return problems
