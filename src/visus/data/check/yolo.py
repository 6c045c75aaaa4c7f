"""Looks through a data set in the YOLO format."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

from visus.data.check.records import Problem, annotation_problems
from visus.data.check.report import CheckReport, in_parallel, picture_problems
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import ImageError, image_size
from visus.data.formats.yolo_files import label_lines, parse_label
from visus.data.formats.yolo_yaml import find_yaml, read_yaml, split_files
from visus.data.readers.yolo import labels_of


def check_yolo(root: Path, *, decode: bool = True) -> CheckReport:
    """Check ``data.yaml``, every picture and every line about it.

    Args:
        root: the folder, or the file.
        decode: read every picture completely; otherwise only the heads of the files.
    """
    file = find_yaml(root)
    try:
        declared = read_yaml(file)
    except AnnotationError as error:
        message = str(error).removeprefix(f"{file}: ")
        return CheckReport((Problem("unusable data.yaml", "error", str(file), message),), 0, 0)
    problems: list[Problem] = []
    pictures: list[Path] = []
    for split, entries in declared.splits.items():
        try:
            pictures += split_files(declared, split)
        except DatasetNotFoundError as error:
            message = str(error).removeprefix(f"{file}: ")
            problems.append(Problem("missing split", "error" if entries else "warning", str(file), message))
    for path, times in Counter(pictures).items():
        if times > 1:
            problems.append(Problem("duplicate image", "error", str(path), f"is in {times} splits"))
    pictures = list(dict.fromkeys(pictures))
    counts: list[int] = []
    problems += in_parallel(partial(_picture_and_labels, len(declared.names), counts, decode), pictures)
    problems += _stray_labels(pictures)
    if not sum(counts):
        problems.append(Problem("no annotations", "error", str(file), "no image has an object"))
    return CheckReport(tuple(problems), len(pictures), sum(counts))


def _picture_and_labels(num_classes: int, counts: list[int], decode: bool, picture: Path) -> list[Problem]:
    """What is wrong with a picture and its labels; the number of its objects is added to ``counts``."""
    problems = picture_problems(picture.parent, {"file_name": picture.name}, decode=decode)
    path = labels_of(picture)
    file = str(path)
    try:
        size = image_size(picture)
    except ImageError:  # told already; the lines can be looked through all the same
        size = (1000, 1000)
    try:
        lines = list(label_lines(path))
    except AnnotationError as error:
        return [*problems, Problem("unreadable annotations", "error", file, str(error).removeprefix(f"{file}: "))]
    counts.append(len(lines))
    for number, line in lines:
        try:
            record = parse_label(line, num_classes, size)
        except ValueError as error:
            problems.append(Problem("malformed line", "error", file, f"line {number}: {error}"))
            continue
        annotation = {**record, "id": number, "image_id": 1, "category_id": 1}
        problems += annotation_problems(annotation, {1: size}, {1: 0}, False, file)
    for line, times in Counter(" ".join(line.split()) for _, line in lines).items():
        if times > 1:
            problems.append(Problem("duplicate object", "warning", file, f"{line[:60]!r} occurs {times} times"))
    return problems


def _stray_labels(pictures: list[Path]) -> list[Problem]:
    """Files of labels that belong to no picture."""
    known = {labels_of(picture) for picture in pictures}
    folders = {path.parent for path in known if path.parent.name != "images" and "labels" in path.parts}
    strays = sorted({file for folder in folders for file in folder.glob("*.txt")} - known)
    return [Problem("labels without a picture", "warning", str(file), "no split has its picture") for file in strays]
