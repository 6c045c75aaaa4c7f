"""Data sets in Pascal VOC's format: boxes from one XML file an image.

Everingham, Van Gool, Williams, Winn, Zisserman, "The Pascal Visual Object Classes (VOC) Challenge", IJCV 88, 2010.
Layout: ``JPEGImages/NAME.jpg``, ``Annotations/NAME.xml``, ``ImageSets/Main/{train,val,trainval,test}.txt`` with a NAME
a line, in the folder itself or in its ``VOCdevkit/VOC2012`` or ``VOC2012``; or any folder with such XML files, see
`visus.data.formats.voc_layout`. Images that a list names and that have no XML file are left out, with one warning.

Coordinates count pixels from 1 and include both ends: the box is (xmin - 1, ymin - 1, xmax, ymax) in ours, and files
that count from 0 nevertheless are cut at 0. Difficult objects become crowds: VOC's measure leaves them neither right
nor wrong, and training leaves them out.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

from visus.data.check.records import Problem, annotation_problems
from visus.data.check.report import CheckReport, image_problems, in_parallel
from visus.data.check.semantic import check_semantic
from visus.data.entry import DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import image_size
from visus.data.files.listed_files import read_lines
from visus.data.files.splits import SPLITS, check_split
from visus.data.files.xml_file import read_xml
from visus.data.formats.class_lists import find_class_list, listed_classes
from visus.data.formats.coco_index import coco_content, image_record
from visus.data.formats.coco_values import Record
from visus.data.formats.voc_fake import write_fake
from visus.data.formats.voc_layout import (
    VOC_SPLITS,
    VocImages,
    find_voc,
    has_voc,
    listed_names,
    xml_files,
    xml_folder,
)
from visus.data.formats.voc_names import VOC_NAMES
from visus.data.formats.voc_xml import VocRecord, object_problem, object_record, read_voc_xml, record_of
from visus.data.readers.voc_semantic import open_voc_semantic
from visus.data.records.indexed import IndexedDataset, indexed

_SHOWN = 5


def open_voc(root: Path, split: str, *, for_training: bool = False) -> IndexedDataset:
    """Open a split of a data set in VOC's format.

    The categories are VOC's 20 where no other name occurs, else the names of all annotations, sorted; a file
    ``classes.txt`` with a name a line fixes them. Without ``ImageSets/Main`` the images are divided 80/10/10.

    Args:
        split: "train", "val", "test" or "trainval".
        for_training: leave out difficult objects and clip boxes to the image.
    """
    check_split(split, VOC_SPLITS)
    folder = find_voc(Path(root))
    content, source = voc_content(folder, listed_names(folder, split)), xml_folder(folder)
    return indexed(
        content, source, images=folder, size_of=lambda name: image_size(folder / name), for_training=for_training
    )


def voc_content(folder: Path, names: Iterable[str]) -> Record:
    """The annotations of some images as the content of a file in COCO's format, its images numbered from 1.

    Args:
        folder: from `find_voc`.
        names: of the images, without endings.

    Raises:
        AnnotationError: an annotation that cannot be used.
    """
    names, known = list(names), xml_files(folder)
    lacking = [name for name in names if name not in known]
    if names and len(lacking) == len(names):
        raise AnnotationError(f"{xml_folder(folder) / f'{names[0]}.xml'}: no such file, as for all {len(names)} names")
    if lacking:
        message = f"{xml_folder(folder)}: {len(lacking)} listed images have no annotation file and are left out: "
        warnings.warn(message + ", ".join(lacking[:_SHOWN]) + " ..." * (len(lacking) > _SHOWN), stacklevel=3)
    records = {name: read_voc_xml(known[name]) for name in names if name in known}
    categories = voc_categories(folder, records)
    identifiers = {name: number for number, name in enumerate(categories, start=1)}
    files = VocImages(folder)

    def objects(name: str, record: VocRecord) -> Iterator[Record]:
        for thing in record.objects:
            if thing["name"] not in identifiers:
                raise AnnotationError(f"{known[name]}: the class {thing['name']!r} is not in {folder / 'classes.txt'}")
            kept = {key: value for key, value in thing.items() if key != "name"}
            yield {**kept, "category_id": identifiers[thing["name"]]}

    images = (
        (image_record(files.find(name, record.filename), record.size), objects(name, record))
        for name, record in records.items()
    )
    return coco_content(images, [{"id": number, "name": name} for name, number in identifiers.items()])


def voc_categories(folder: Path, records: dict[str, VocRecord]) -> tuple[str, ...]:
    """The names of the classes of a whole data set, so that every split numbers them alike.

    Args:
        folder: from `find_voc`.
        records: those read already.
    """
    if (folder / "classes.txt").is_file():
        return tuple(dict.fromkeys(read_lines(folder / "classes.txt")))
    names: set[str] = set()
    for name, file in xml_files(folder).items():
        try:
            record = records.get(name) or read_voc_xml(file)
        except AnnotationError:  # of another split: whoever opens that one is told
            continue
        names.update(thing["name"] for thing in record.objects)
    listing = find_class_list(folder)  # gives an order; it need not be complete
    order = [one.name for one in listed_classes(listing) if one.name in names] if listing else []
    if order:
        return tuple(dict.fromkeys([*order, *sorted(names)]))
    return VOC_NAMES if names <= set(VOC_NAMES) else tuple(sorted(names))


def check_voc(root: Path, *, decode: bool = True) -> CheckReport:
    """Check the annotations, images and lists of a folder, and its masks of classes where it has them."""
    folder = find_voc(root)
    problems = list(_list_problems(folder))
    listing = folder / "classes.txt"
    classes = frozenset(read_lines(listing)) if listing.is_file() else None
    images, files = VocImages(folder), xml_files(folder)
    counts: list[int] = []
    problems += in_parallel(partial(_file_problems, folder, images, classes, counts, decode), files.items())
    for path in images.without(files):
        problems.append(Problem("image without annotations", "warning", str(folder / path), "no XML file is about it"))
    if not sum(counts):
        problems.append(Problem("no annotations", "error", str(xml_folder(folder)), "no image has an object"))
    report = CheckReport(tuple(problems), len(files), sum(counts))
    if (folder / "SegmentationClass").is_dir():
        masks = check_semantic(folder, open_split=open_voc_semantic, decode=False)
        # Few classes of the list need to occur: that they are VOC's own says enough.
        problems += [problem for problem in masks.problems if problem.kind != "unused class"]
        report = CheckReport(tuple(problems), report.images, report.objects)
    return report


def _list_problems(folder: Path) -> Iterator[Problem]:
    """Problems of the lists of images, or of whatever else divides them."""
    lists, annotated = folder / "ImageSets" / "Main", xml_files(folder)
    if not lists.is_dir() and lists.parent.is_dir():
        yield Problem("missing list", "warning", str(lists), "no lists of splits: images are divided 80/10/10")
        return
    parts: dict[str, list[str]] = {}
    for split in SPLITS:
        try:
            parts[split] = listed_names(folder, split)
        except DatasetNotFoundError as error:
            listing = lists / f"{split}.txt"
            yield Problem("missing list", "warning", str(listing), str(error).removeprefix(f"{listing}: "))
    for split, names in parts.items():
        if not names:
            yield Problem("empty split", "error", str(lists / f"{split}.txt"), "names no image")
        lacking = [name for name in names if name not in annotated]
        for name in lacking:
            message = f"names {name}, which has no annotation file and is left out"
            severity: Literal["error", "warning"] = "error" if len(lacking) == len(names) else "warning"
            yield Problem("missing annotation", severity, str(lists / f"{split}.txt"), message)
    for name, times in Counter(name for names in parts.values() for name in names).items():
        if times > 1:
            yield Problem("duplicate image", "error", str(lists), f"{name} is in {times} of train, val and test")


def _file_problems(
    folder: Path,
    images: VocImages,
    classes: frozenset[str] | None,
    counts: list[int],
    decode: bool,
    item: tuple[str, Path],
) -> list[Problem]:
    """What is wrong with an annotation file and its image; the number of its objects is added to ``counts``."""
    name, path = item
    file = str(path)
    try:
        tree = read_xml(path)
    except AnnotationError as error:
        return [Problem.of_error("unreadable annotations", file, error)]
    record = record_of(tree)
    image = image_record(images.find(name, record.filename), record.size)
    problems = image_problems(folder, image, decode=decode)
    if record.size is None:
        message = "does not say the size of its image; it is read from the image"
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


ENTRY = DatasetEntry(
    open=open_voc,
    write_fake=write_fake,
    recognise=partial(has_voc, part="Annotations"),
    mark="JPEGImages/ with Annotations/, or any folder of VOC's XML (boxes)",
    check=check_voc,
    summary="Pascal VOC's layout: boxes in Annotations/*.xml",
    licence="photographs under Flickr's terms of use; annotations: unknown",
    size="2012: 5,717 + 5,823 images, 20 classes",
    source="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
)
