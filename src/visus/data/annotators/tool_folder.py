"""A folder of what a program for annotating exported, as a data set: its categories, its splits, its check.

- Images that say their split, or whose files or folders are called train, val and test (or valid, validation, training,
  testing), belong to it; otherwise ``train.txt``, ``val.txt`` and ``test.txt`` name an image or a file a line; without
  either, 80, 10 and 10 % go to each, the same every time.
- Categories are the labels of all splits, in the order that the program says, else in alphabetical order;
  ``labels.txt`` in the folder, a label a line, fixes it.
- There is one list of keypoints for all categories that have some; those that nobody drew are not labelled.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

from visus.data.annotators.tool_image import ToolImage, ToolObject, coco_object
from visus.data.check.records import Problem, annotation_problems
from visus.data.check.report import CheckReport, image_problems, in_parallel, no_data
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import ImageError, image_size, read_image
from visus.data.files.listed_files import read_lines
from visus.data.files.splits import SPLITS, check_split, divided, missing_split, split_called, split_lists
from visus.data.files.suffixes import SUFFIXES
from visus.data.files.walk import visible
from visus.data.formats.coco_index import coco_content, image_record
from visus.data.formats.coco_names import COCO_PERSON_KEYPOINTS
from visus.data.formats.coco_values import Record
from visus.data.records.indexed import IndexedDataset, indexed

NO_CATEGORY = ("__ignore__", "_background_")
"""Labels that labelme's own scripts take for no object."""
LABELS = "labels.txt"


@dataclass
class Survey:
    """What is in a folder; ``splits`` hold places in ``images``."""

    root: Path
    images: list[ToolImage] = field(default_factory=list)
    order: tuple[str, ...] = ()
    categories: list[str] = field(default_factory=list)
    keypoints: list[str] = field(default_factory=list)
    splits: dict[str, list[int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, kind: str, file: Path, message: object, severity: Literal["error", "warning"] = "error") -> None:
        """Keeps a problem of a file."""
        self.problems.append(Problem.of_error(kind, file, message, severity))

    def add(self, images: Iterable[ToolImage]) -> None:
        """Keeps images and what is wrong with them."""
        for image in images:
            self.images.append(image)
            self.problems += [
                Problem(kind, severity, str(image.source), text) for kind, severity, text in image.findings
            ]


@dataclass(frozen=True)
class Tool:
    """A program, and how its files are read.

    Args:
        name: of its files, for messages.
        look: looks through a folder: what images there are, and what is wrong with the files.
        read: reads an image file.
        size_of: gives the (h, w) of an image file.
    """

    name: str
    look: Callable[[Survey], None]
    read: Callable[[Any], Any] = read_image
    size_of: Callable[[Any], tuple[int, int]] = image_size

    def survey(self, root: Path) -> Survey:
        """Everything in a folder, its categories and splits."""
        found = Survey(root)
        self.look(found)
        if found.images:
            _name(found)
            _divide(found)
        return found


def open_tool(tool: Tool, root: Path, split: str, *, for_training: bool) -> IndexedDataset:
    """Open a split of a folder of a program's files.

    All files are read, as all splits have the same categories, keypoints and kind of annotation.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: the folder holds no such file, or not the split.
        AnnotationError: something that cannot be used.
    """
    check_split(split)
    root = Path(root)
    found = tool.survey(root)
    wrong = next((problem for problem in found.problems if problem.severity == "error"), None)
    if wrong:
        raise AnnotationError(f"{wrong.file}: {wrong.message} (`visus data check {root}` lists all problems)")
    if not found.images:
        raise DatasetNotFoundError(f"{root}: {f'no {tool.name}' if root.is_dir() else 'no such folder'}")
    if not found.splits.get(split):
        present = [name for name, places in found.splits.items() if places]
        raise DatasetNotFoundError(f"{root}: no image of the split {split!r}: {missing_split(split, present)}")
    keep = {place + 1 for place in found.splits[split]}
    content = _content(found, tool.size_of)
    return indexed(content, root, size_of=tool.size_of, for_training=for_training, keep=keep, read=tool.read)


def check_tool(tool: Tool, root: Path, *, decode: bool = True) -> CheckReport:
    """Check every file, every shape, every image and the lists of splits."""
    root = Path(root)
    found = tool.survey(root)
    if not found.images:
        return CheckReport(tuple(found.problems)) + no_data(root, DatasetNotFoundError(f"no {tool.name}"))
    outlined = any(thing.outlined for image in found.images for thing in image.objects)
    found.problems += in_parallel(partial(_image_problems, tool, outlined, decode), found.images)
    files = Counter(Path(os.path.realpath(image.image)) for image in found.images if image.image != image.source)
    for file, times in files.items():
        if times > 1:
            found.complain("duplicate image", file, f"is annotated {times} times")
    folders = {file.parent for file in files} | {Path(os.path.realpath(image.source.parent)) for image in found.images}
    near = {file for folder in folders for file in visible(folder) if file.suffix.lower() in SUFFIXES}
    for file in sorted(near - set(files)):
        found.complain("image without annotations", file, "no annotation is about it: left out", "warning")
    return CheckReport(tuple(found.problems), len(found.images), sum(len(image.objects) for image in found.images))


def first_files(files: Iterator[Path], *, is_right: Callable[[Path], bool], count: int = 20) -> bool:
    """Whether one of the first of some files is right."""
    return any(is_right(file) for _, file in zip(range(count), files, strict=False))


def split_of(source: Path, root: Path, *more: str) -> str:
    """The split that one of the folders of a file, or something else, is called as; empty where none is."""
    parts = (*source.relative_to(root).parts[:-1], *more)
    return next((split for part in parts if (split := split_called(part))), "")


def _name(found: Survey) -> None:
    """Name the categories and the keypoints of all files."""
    used = {thing.label for image in found.images for thing in image.objects}
    points = {name for image in found.images for thing in image.objects for name in thing.points}
    listing = found.root / LABELS
    if listing.is_file():
        try:
            found.order = tuple(name for name in dict.fromkeys(read_lines(listing)) if name not in NO_CATEGORY)
        except AnnotationError as error:
            found.complain("unreadable annotations", listing, error)
        for image in found.images:
            for name in sorted({thing.label for thing in image.objects} - set(found.order)):
                found.complain("unknown category", image.source, f"the label {name!r} is not in {listing}")
    if not used:
        found.complain("no annotations", found.root, "no image has a rectangle, polygon, ellipse or mask")
    named = [name for name in found.order if name in used or name not in points]
    found.categories = [*named, *sorted(used - set(named))]
    order = COCO_PERSON_KEYPOINTS.names if points == set(COCO_PERSON_KEYPOINTS.names) else found.order
    found.keypoints = sorted(points, key=lambda name: (order.index(name) if name in order else len(order), name))


def _divide(found: Survey) -> None:
    """Divide the images into splits: by what they say, by lists, or by chance."""
    named, lists = [image.split for image in found.images], split_lists(found.root)
    if any(named):
        found.splits = {split: [place for place, name in enumerate(named) if name == split] for split in SPLITS}
        for image, name in zip(found.images, named, strict=True):
            if not name:
                message = f"{image.about}lies in no folder of a split: left out"
                found.complain("outside of the splits", image.source, message, "warning")
    elif lists:
        found.splits = {split: _listed(listing, found) for split, listing in lists.items()}
        for place, times in Counter(place for places in found.splits.values() for place in places).items():
            if times > 1:
                image = found.images[place]
                found.complain("duplicate image", image.source, f"{image.about}is in {times} lists")
    else:
        found.splits = {split: divided(len(found.images), split) for split in SPLITS}
    for split in SPLITS:
        if not found.splits.get(split):
            found.complain("missing split", found.root, f"no image is in the split {split!r}", "warning")


def _listed(listing: Path, found: Survey) -> list[int]:
    """The places of the images that a list names by their own or their file's name, each once."""
    paths = [image.listed for image in found.images]
    times = Counter(path.name for path in paths)
    places = {path.name: place for place, path in enumerate(paths) if times[path.name] == 1}
    places |= {path.as_posix(): place for place, path in enumerate(paths)}
    chosen: list[int] = []
    try:
        lines = read_lines(listing)
    except AnnotationError as error:
        found.complain("unreadable annotations", listing, error)
        return []
    for line in lines:
        said = PureWindowsPath(line)
        said = said.with_suffix("") if said.suffix.lower() in (*SUFFIXES, ".json") else said
        place = places.get(said.as_posix(), places.get(said.name))
        if place is None:
            found.complain("missing annotation", listing, f"names {line}, which nobody has annotated")
        else:
            chosen.append(place)
    return sorted(set(chosen))


def _content(found: Survey, size_of: Callable[[Path], tuple[int, int]]) -> Record:
    """The annotations of all images as the content of a file in COCO's format, images and categories from 1."""
    carriers = {thing.label for image in found.images for thing in image.objects if thing.points}
    numbers = {name: number for number, name in enumerate(found.categories, start=1)}
    categories = [
        {"id": number, "name": name, "keypoints": found.keypoints if name in carriers else []}
        for name, number in numbers.items()
    ]

    def record(image: ToolImage, thing: ToolObject) -> Record:
        points = [value for name in found.keypoints for value in thing.points.get(name, (0.0, 0.0, 0.0))]
        keypoints = {"keypoints": points} if thing.label in carriers else {}
        return {**coco_object(image, thing, size_of), "category_id": numbers[thing.label], **keypoints}

    images = (
        (image_record(str(image.image), image.size), [record(image, thing) for thing in image.objects])
        for image in found.images
    )
    return coco_content(images, categories)


def _image_problems(tool: Tool, outlined: bool, decode: bool, image: ToolImage) -> list[Problem]:
    """What is wrong with an image, and with the objects on it."""
    name, record = str(image.source), image_record(image.image.name, image.size)
    problems = image_problems(image.image.parent, record, decode=decode, read=tool.read, size_of=tool.size_of)
    for shape, times in Counter(shape for thing in image.objects for shape in thing.shapes).items():
        if times > 1:
            message = f"{image.about}{shape[:60]} ... occurs {times} times"
            problems.append(Problem("duplicate object", "warning", name, message))
    for thing in image.objects:
        try:
            annotation = coco_object(image, thing, tool.size_of)
        except AnnotationError as error:
            problems.append(Problem.of_error("unusable mask", name, error))
            continue
        except ImageError:  # told already
            continue
        said: Record = {"id": thing.number, "image_id": 1, "category_id": 1, "area": 0, "iscrowd": 0}
        wrong = annotation_problems({**said, **annotation}, {1: image.size}, {1: 0}, outlined, name)
        problems += [replace(problem, message=f"{image.about}{problem.message}") for problem in wrong]
        for point, (x, y, _) in thing.points.items():
            if image.size and not (0 <= x <= image.size[1] and 0 <= y <= image.size[0]):
                message = f"{image.about}{point} of object {thing.number} at ({x:g}, {y:g}), (h, w) = {image.size}"
                problems.append(Problem("keypoint outside the image", "warning", name, message))
    return problems
