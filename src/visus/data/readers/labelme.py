"""Data sets made with labelme: a JSON file for each image, with the shapes that somebody drew on it.

Wada, "Labelme: Image Polygonal Annotation with Python", https://github.com/wkentaro/labelme. The files lie anywhere
below the folder. Those in folders called train, val and test (or valid, validation, training, testing) are these
splits; otherwise ``train.txt``, ``val.txt`` and ``test.txt`` name an image or a file a line; without either, 80, 10 and
10 % go to each, the same every time.

- Rectangles (two opposite corners, in any order), turned rectangles, polygons, circles (centre and a point of the rim)
  and masks are objects; those with the same label and ``group_id`` are one object. Where anything but rectangles
  occurs, objects have masks, drawn as COCO's are.
- A point is a keypoint of the only object with its ``group_id``, called as its label, and hidden where its flag
  "hidden" or "occluded" is set. There is one list of keypoints for all categories that have some; those that nobody
  drew are not labelled. A point of several objects is refused.
- Left out, and told by the check: lines, points without an object, the flags of an image, and what is called
  ``__ignore__`` or ``_background_``.

Categories are the labels of all splits in alphabetical order; ``labels.txt`` in the folder, a label a line, fixes their
order. Coordinates are those of the upright image, as labelme shows it. An image is looked for where ``imagePath`` says,
then beside the JSON file by that name and by the file's own; one that is nowhere is taken from ``imageData``.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path, PureWindowsPath
from typing import Literal

from visus.data.check.records import Problem, annotation_problems
from visus.data.check.report import CheckReport, image_problems, in_parallel, no_data
from visus.data.entry import OF_THE_OWNER, DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import ImageError
from visus.data.files.json_file import read_json
from visus.data.files.listed_files import read_lines
from visus.data.files.splits import SPLITS, check_split, divided, missing_split, split_called, split_lists
from visus.data.files.suffixes import SUFFIXES
from visus.data.files.walk import visible, walk_files
from visus.data.formats.coco_index import coco_content, image_record
from visus.data.formats.coco_names import COCO_PERSON_KEYPOINTS
from visus.data.formats.coco_values import Record
from visus.data.formats.flip_pairs import FLIP_PAIRS
from visus.data.formats.labelme_fake import write_fake
from visus.data.formats.labelme_json import (
    NO_CATEGORY,
    LabelmeFile,
    LabelmeObject,
    coco_object,
    is_labelme,
    labelme_file,
    labelme_image_size,
    read_labelme_image,
)
from visus.data.records.indexed import IndexedDataset, indexed

_LOOKED_AT = 20  # files that decide whether a folder is labelme's


def open_labelme(root: Path, split: str, *, for_training: bool = False) -> IndexedDataset:
    """Open a split of a folder of labelme's files.

    All files are read, as all splits have the same categories, keypoints and kind of annotation.

    Args:
        for_training: clip boxes to the image.
    """
    check_split(split)
    root = Path(root)
    found = _survey(root)
    wrong = next((problem for problem in found.problems if problem.severity == "error"), None)
    if wrong:
        raise AnnotationError(f"{wrong.file}: {wrong.message} (`visus data check {root}` lists all problems)")
    if not found.files:
        raise DatasetNotFoundError(f"{root}: {'no JSON file of labelme' if root.is_dir() else 'no such folder'}")
    if not found.splits.get(split):
        present = [name for name, places in found.splits.items() if places]
        raise DatasetNotFoundError(f"{root}: no file of the split {split!r}: {missing_split(split, present)}")
    keep = {place + 1 for place in found.splits[split]}
    return indexed(
        _content(found),
        root,
        size_of=labelme_image_size,
        for_training=for_training,
        keep=keep,
        read=read_labelme_image,
    )


@dataclass
class _Survey:
    """What is in a folder; ``splits`` hold places in ``files``."""

    files: list[LabelmeFile] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    keypoints: list[str] = field(default_factory=list)
    splits: dict[str, list[int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, kind: str, file: Path, message: str, severity: Literal["error", "warning"] = "error") -> None:
        self.problems.append(Problem.of_error(kind, file, message, severity))


def _survey(root: Path) -> _Survey:
    found = _Survey()
    for path in _json_files(root):
        try:
            content = read_json(path)
        except AnnotationError as error:
            found.complain("unreadable annotations", path, str(error))
            continue
        if is_labelme(content):
            file = labelme_file(path, content)
            found.files.append(file)
            found.problems += [Problem(kind, severity, str(path), text) for kind, severity, text in file.findings]
        else:
            found.complain("other JSON", path, "is no file of labelme: left out", "warning")
    if found.files:
        _name(root, found)
        _divide(root, found)
    return found


def _json_files(root: Path) -> Iterator[Path]:
    """The JSON files below a folder, in the same order every time, without hidden ones and our own."""
    return (path for path in walk_files(root, (".json",)) if path.name != FLIP_PAIRS)


def _name(root: Path, found: _Survey) -> None:
    """Name the categories and the keypoints of all files."""
    used = {thing.label for file in found.files for thing in file.objects}
    points = {name for file in found.files for thing in file.objects for name in thing.points}
    listing, order = root / "labels.txt", tuple[str, ...]()
    if listing.is_file():
        try:
            order = tuple(name for name in dict.fromkeys(read_lines(listing)) if name not in NO_CATEGORY)
        except AnnotationError as error:
            found.complain("unreadable annotations", listing, str(error))
        for file in found.files:
            for name in sorted({thing.label for thing in file.objects} - set(order)):
                found.complain("unknown category", file.path, f"the label {name!r} is not in {listing}")
    if not used:
        found.complain("no annotations", root, "no image has a rectangle, polygon, circle or mask")
    found.categories = [name for name in order if name in used or name not in points] or sorted(used)
    if points == set(COCO_PERSON_KEYPOINTS.names):
        order = COCO_PERSON_KEYPOINTS.names
    found.keypoints = sorted(points, key=lambda name: (order.index(name) if name in order else len(order), name))


def _divide(root: Path, found: _Survey) -> None:
    """Divide the files into splits: by their folders, by lists, or by chance."""
    parts = [file.path.relative_to(root).parts[:-1] for file in found.files]
    named = [next((split for part in folders if (split := split_called(part))), "") for folders in parts]
    lists = split_lists(root)
    if any(named):
        found.splits = {split: [place for place, name in enumerate(named) if name == split] for split in SPLITS}
        for file, name in zip(found.files, named, strict=True):
            if not name:
                found.complain("outside of the splits", file.path, "lies in no folder of a split: left out", "warning")
    elif lists:
        found.splits = {split: _listed(root, listing, found) for split, listing in lists.items()}
        for place, times in Counter(place for places in found.splits.values() for place in places).items():
            if times > 1:
                found.complain("duplicate image", found.files[place].path, f"is in {times} lists")
    else:
        found.splits = {split: divided(len(found.files), split) for split in SPLITS}
    for split in SPLITS:
        if not found.splits.get(split):
            found.complain("missing split", root, f"no file is in the split {split!r}", "warning")


def _listed(root: Path, listing: Path, found: _Survey) -> list[int]:
    """The places of the files that a list names by their own or their image's name, each once."""
    paths = [file.path.relative_to(root).with_suffix("") for file in found.files]
    times = Counter(path.name for path in paths)
    places = {path.name: place for place, path in enumerate(paths) if times[path.name] == 1}
    places |= {path.as_posix(): place for place, path in enumerate(paths)}
    chosen: list[int] = []
    try:
        lines = read_lines(listing)
    except AnnotationError as error:
        found.complain("unreadable annotations", listing, str(error))
        return []
    for line in lines:
        said = PureWindowsPath(line)
        said = said.with_suffix("") if said.suffix.lower() in (*SUFFIXES, ".json") else said
        place = places.get(said.as_posix(), places.get(said.name))
        if place is None:
            found.complain("missing annotation", listing, f"names {line}, which has no JSON file")
        else:
            chosen.append(place)
    return sorted(set(chosen))


def _content(found: _Survey) -> Record:
    """The annotations of all files as the content of a file in COCO's format, images and categories from 1."""
    carriers = {thing.label for file in found.files for thing in file.objects if thing.points}
    numbers = {name: number for number, name in enumerate(found.categories, start=1)}
    categories = [
        {"id": number, "name": name, "keypoints": found.keypoints if name in carriers else []}
        for name, number in numbers.items()
    ]

    def record(file: LabelmeFile, thing: LabelmeObject) -> Record:
        points = [value for name in found.keypoints for value in thing.points.get(name, (0.0, 0.0, 0.0))]
        keypoints = {"keypoints": points} if thing.label in carriers else {}
        return {**coco_object(file, thing), "category_id": numbers[thing.label], **keypoints}

    images = (
        (image_record(str(file.image), file.size), [record(file, thing) for thing in file.objects])
        for file in found.files
    )
    return coco_content(images, categories)


def recognise_labelme(root: Path) -> bool:
    """Whether one of the first JSON files below a folder is labelme's."""
    return any(map(_looks_right, islice(_json_files(root), _LOOKED_AT)))


def _looks_right(path: Path) -> bool:
    with suppress(AnnotationError):
        return is_labelme(read_json(path))
    return False


def check_labelme(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every file, every shape, every image and the lists of splits."""
    root = Path(root)
    found = _survey(root)
    if not found.files:
        return CheckReport(tuple(found.problems)) + no_data(root, DatasetNotFoundError("no JSON file of labelme"))
    outlined = any(thing.outlined for file in found.files for thing in file.objects)
    found.problems += in_parallel(partial(_file_problems, outlined, decode), found.files)
    images = Counter(Path(os.path.realpath(file.image)) for file in found.files if file.image != file.path)
    for image, times in images.items():
        if times > 1:
            found.complain("duplicate image", image, f"{times} JSON files are about it")
    folders = {image.parent for image in images} | {Path(os.path.realpath(file.path.parent)) for file in found.files}
    near = {image for folder in folders for image in visible(folder) if image.suffix.lower() in SUFFIXES}
    for image in sorted(near - set(images)):
        found.complain("image without annotations", image, "no JSON file is about it: left out", "warning")
    return CheckReport(tuple(found.problems), len(found.files), sum(len(file.objects) for file in found.files))


def _file_problems(outlined: bool, decode: bool, file: LabelmeFile) -> list[Problem]:
    """What is wrong with an image, and with the objects on it."""
    name, record = str(file.path), image_record(file.image.name, file.size)
    problems = image_problems(
        file.image.parent, record, decode=decode, read=read_labelme_image, size_of=labelme_image_size
    )
    for shape, times in Counter(json.dumps(s, sort_keys=True) for thing in file.objects for s in thing.shapes).items():
        if times > 1:
            problems.append(Problem("duplicate object", "warning", name, f"{shape[:60]} ... occurs {times} times"))
    for thing in file.objects:
        try:
            annotation = coco_object(file, thing)
        except AnnotationError as error:
            problems.append(Problem.of_error("unusable mask", name, error))
            continue
        except ImageError:  # told already
            continue
        said: Record = {"id": thing.number, "image_id": 1, "category_id": 1, "area": 0, "iscrowd": 0}
        problems += annotation_problems({**said, **annotation}, {1: file.size}, {1: 0}, outlined, name)
        for point, (x, y, _) in thing.points.items():
            if file.size and not (0 <= x <= file.size[1] and 0 <= y <= file.size[0]):
                message = f"{point} of object {thing.number} at ({x:g}, {y:g}), (h, w) = {file.size}"
                problems.append(Problem("keypoint outside the image", "warning", name, message))
    return problems


ENTRY = DatasetEntry(
    open=open_labelme,
    write_fake=write_fake,
    recognise=recognise_labelme,
    mark="JSON files of labelme, with shapes and imagePath, beside their images or anywhere below",
    check=check_labelme,
    summary="labelme JSON: rectangles, polygons, circles, masks, keypoints",
    licence=OF_THE_OWNER,
    size="any",
    source="your own files; the program: https://github.com/wkentaro/labelme",
)
