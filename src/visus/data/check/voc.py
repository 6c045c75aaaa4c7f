"""Looks through a data set in Pascal VOC's layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from visus.data.check.records import Problem, annotation_problems
from visus.data.check.report import CheckReport, in_parallel, picture_problems
from visus.data.check.semantic import check_semantic
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import SUFFIXES
from visus.data.files.listed_files import FolderListing, read_lines
from visus.data.formats.voc_xml import object_problem, object_record, read_tree, record_of
from visus.data.readers.voc import find_voc, image_record, listed_names
from visus.data.readers.voc_semantic import open_voc_semantic


def check_voc(root: Path, *, decode: bool = True) -> CheckReport:
    """Check the annotations, pictures and lists of a folder, and its masks of classes where it has them.

    Args:
        root: the folder.
        decode: read every picture completely; otherwise only the heads of the files.
    """
    folder = find_voc(root)
    problems = list(_list_problems(folder))
    listing = folder / "classes.txt"
    classes = frozenset(read_lines(listing)) if listing.is_file() else None
    pictures = FolderListing(folder / "JPEGImages", SUFFIXES)
    names = FolderListing(folder / "Annotations", (".xml",)).stems()
    counts: list[int] = []
    problems += in_parallel(partial(_file_problems, folder, pictures, classes, counts, decode), names)
    if not sum(counts):
        problems.append(Problem("no annotations", "error", str(folder / "Annotations"), "no image has an object"))
    report = CheckReport(tuple(problems), len(names), sum(counts))
    if (folder / "SegmentationClass").is_dir():
        masks = check_semantic(folder, open_split=open_voc_semantic, decode=False)
        # Few classes of the list need to occur: that they are VOC's own says enough.
        problems += [problem for problem in masks.problems if problem.kind != "unused class"]
        report = CheckReport(tuple(problems), report.images, report.objects)
    return report


def _list_problems(folder: Path) -> Iterator[Problem]:
    """Problems of the lists of pictures."""
    lists = folder / "ImageSets" / "Main"
    if not lists.is_dir():
        yield Problem("missing list", "warning", str(lists), "no lists of splits: pictures are divided 80/10/10")
        return
    annotated = FolderListing(folder / "Annotations", (".xml",))
    parts: dict[str, list[str]] = {}
    for split in ("train", "val", "test"):
        try:
            parts[split] = listed_names(folder, split)
        except DatasetNotFoundError:
            yield Problem("missing list", "warning", str(lists / f"{split}.txt"), "no such file")
    for split, names in parts.items():
        for name in names:
            if name not in annotated:
                message = f"names {name}, which has no annotation file"
                yield Problem("missing annotation", "error", str(lists / f"{split}.txt"), message)
    for name, times in Counter(name for names in parts.values() for name in names).items():
        if times > 1:
            yield Problem("duplicate image", "error", str(lists), f"{name} is in {times} of train, val and test")


def _file_problems(
    folder: Path, pictures: FolderListing, classes: frozenset[str] | None, counts: list[int], decode: bool, name: str
) -> list[Problem]:
    """What is wrong with an annotation file and its picture; the number of its objects is added to ``counts``."""
    path = folder / "Annotations" / f"{name}.xml"
    file = str(path)
    try:
        tree = read_tree(path)
    except AnnotationError as error:
        return [Problem("unreadable annotations", "error", file, str(error).removeprefix(f"{file}: "))]
    record = record_of(tree)
    image = image_record(1, name, record, pictures)
    problems = picture_problems(folder, image, decode=decode)
    if record.size is None:
        message = "does not say the size of its picture; it is read from the picture"
        problems.append(Problem("missing image size", "warning", file, message))
    elements = list(tree.iter("object"))
    counts.append(len(elements))
    for number, element in enumerate(elements, start=1):
        if complaint := object_problem(element):
            problems.append(Problem("malformed object", "error", file, complaint, number))
            continue
        thing = object_record(element)
        if classes is not None and thing["name"] not in classes:
            message = f"the class {thing['name']!r} is not in classes.txt"
            problems.append(Problem("unknown category", "error", file, message, number))
        annotation = {**thing, "id": number, "image_id": 1, "category_id": 1}
        problems += annotation_problems(annotation, {1: record.size}, {1: 0}, False, file)
    return problems
