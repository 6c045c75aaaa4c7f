"""Data sets in the YOLO format: boxes or outlines from one text file an image, and a ``data.yaml`` about them all.

Layout, as Ultralytics documents it (https://docs.ultralytics.com/datasets/detect): ``data.yaml`` with ``names`` and,
for each split, a folder of images, a text file that lists images, or several of them; the labels of
``.../images/x/NAME.jpg`` are in ``.../labels/x/NAME.txt`` or beside the image. ``kpt_shape`` makes keypoints of what
follows each box. ``obj.data`` (Darknet, CVAT) or ``classes.txt`` (Label Studio, labelImg) serve as well, see
`visus.data.formats.yolo_yaml`. Lines: `visus.data.formats.yolo_files`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw

from visus.data.check.records import Problem, annotation_problems
from visus.data.check.report import CheckReport, image_problems, in_parallel
from visus.data.entry import OF_THE_OWNER, DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import ImageError, image_size
from visus.data.files.splits import SPLITS, check_split
from visus.data.formats.coco_index import coco_content, image_record, schema_of
from visus.data.formats.coco_names import keypoint_fields
from visus.data.formats.yolo_files import label_lines, parse_label, read_labels, write_label
from visus.data.formats.yolo_yaml import (
    CLASS_LISTS,
    YoloFile,
    find_yaml,
    has_label_lines,
    labels_of,
    read_yaml,
    split_files,
    yaml_text,
)
from visus.data.records.indexed import IndexedDataset, indexed


def open_yolo(root: Path, split: str, *, for_training: bool = False) -> IndexedDataset:
    """Open a split of a data set in the YOLO format.

    The head of every image is read, as boxes in pixels need the size. Where some objects have outlines, all have
    masks: those of the others are their boxes.

    Args:
        root: the folder with ``data.yaml``, or that file.
        for_training: clip boxes to the image.
    """
    check_split(split)
    file = find_yaml(Path(root))
    declared = read_yaml(file)
    content = yolo_content(split_files(declared, split), declared)
    schema = schema_of(content, file)
    if declared.pose:
        schema = replace(schema, keypoints=declared.pose.meaning)
    return indexed(content, file, size_of=image_size, for_training=for_training, schema=schema)


def yolo_content(paths: Iterable[Path], declared: YoloFile) -> dict[str, Any]:
    """The labels of some images as the content of a file in COCO's format, its images numbered from 1.

    Args:
        paths: the files.
        declared: what the description says.

    Raises:
        DatasetNotFoundError: no image has a file of labels.
        AnnotationError: a line that cannot be used.
        ImageError: an image whose size cannot be read.
    """
    files = list(paths)
    if unlabelled := _without_labels(files, declared):
        raise DatasetNotFoundError(f"{declared.file}: {unlabelled}")
    with ThreadPoolExecutor() as pool:
        sizes = list(pool.map(image_size, files))
    pose = declared.pose
    images = (
        (image_record(str(path), size), read_labels(labels_of(path, declared.roots), len(declared.names), size, pose))
        for path, size in zip(files, sizes, strict=True)
    )
    points = keypoint_fields(pose.meaning) if pose else {}
    categories = [{"id": number, "name": name, **points} for number, name in sorted(declared.names.items())]
    return coco_content(images, categories)


def _without_labels(images: Sequence[Path], declared: YoloFile) -> str:
    """What is wrong where not one image has a file of labels, nor a folder for it: these have not lost all objects."""
    for image in images:
        path = labels_of(image, declared.roots)
        if os.path.lexists(path) or (path.parent != image.parent and os.path.isdir(path.parent)):
            return ""
    if not images:
        return ""
    looked = labels_of(images[0], declared.roots)
    return f"none of {len(images)} images has a file of labels (an empty one would do); looked for such as {looked}"


def recognise_yolo(root: Path) -> bool:
    """Whether a folder has a description of a data set, or a file is one."""
    try:
        file = find_yaml(root)
        if root.is_file():
            return root.suffix in (".yaml", ".yml", ".data")
        return any(read_yaml(file).splits.values()) or has_label_lines(root)
    except DatasetNotFoundError:
        return False
    except AnnotationError:
        return True  # opening it says why


def refusal(root: Path) -> str:
    """Why a folder with YOLO's text files cannot be read; empty where it has none, or can."""
    try:
        find_yaml(root)
    except DatasetNotFoundError:
        if has_label_lines(root):
            return (
                "beside images are text files with lines as YOLO has them, but nothing names the classes: write "
                "data.yaml with names and the folder of each split, or classes.txt with a name a line"
            )
    return ""


def check_yolo(root: Path, *, decode: bool = True) -> CheckReport:
    """Check ``data.yaml``, every image and every line about it."""
    file = find_yaml(root)
    try:
        declared = read_yaml(file)
    except AnnotationError as error:
        return CheckReport((Problem.of_error(f"unusable {file.name}", file, error),))
    problems: list[Problem] = []
    images: list[Path] = []
    for split, entries in declared.splits.items():
        try:
            images += (files := split_files(declared, split))
            if unlabelled := _without_labels(files, declared):
                severity: Literal["error", "warning"] = "warning" if split == "test" else "error"
                problems.append(Problem("missing labels", severity, str(file), f"{split}: {unlabelled}"))
        except DatasetNotFoundError as error:
            message = str(error).removeprefix(f"{file}: ")
            needed = bool(entries) and split != "test"  # which many descriptions name in vain
            problems.append(Problem("missing split", "error" if needed else "warning", str(file), message))
    for path, times in Counter(images).items():
        if times > 1:
            problems.append(Problem("duplicate image", "error", str(path), f"is in {times} splits"))
    images = list(dict.fromkeys(images))
    counts: list[int] = []
    problems += in_parallel(partial(_image_and_labels, declared, counts, decode), images)
    problems += _stray_labels(images, declared.roots)
    if not sum(counts):
        problems.append(Problem("no annotations", "error", str(file), "no image has an object"))
    return CheckReport(tuple(problems), len(images), sum(counts))


def _image_and_labels(declared: YoloFile, counts: list[int], decode: bool, image: Path) -> list[Problem]:
    """What is wrong with an image and its labels; the number of its objects is added to ``counts``."""
    problems = image_problems(image.parent, {"file_name": image.name}, decode=decode)
    path = labels_of(image, declared.roots)
    file = str(path)
    try:
        size = image_size(image)
    except ImageError:  # told already; the lines can be looked through all the same
        size = (1000, 1000)
    try:
        lines = list(label_lines(path))
    except AnnotationError as error:
        return [*problems, Problem.of_error("unreadable annotations", file, error)]
    counts.append(len(lines))
    for number, line in lines:
        try:
            record = parse_label(line, len(declared.names), size, declared.pose)
        except ValueError as error:
            problems.append(Problem("malformed line", "error", file, f"line {number}: {error}"))
            continue
        annotation = {**record, "id": number, "image_id": 1, "category_id": 1}
        points = len(declared.pose.meaning) if declared.pose else 0
        problems += annotation_problems(annotation, {1: size}, {1: points}, False, file)
    for line, times in Counter(" ".join(line.split()) for _, line in lines).items():
        if times > 1:
            problems.append(Problem("duplicate object", "warning", file, f"{line[:60]!r} occurs {times} times"))
    return problems


def _stray_labels(images: list[Path], roots: tuple[Path, ...]) -> list[Problem]:
    """Files of labels that belong to no image."""
    known = {labels_of(image, roots) for image in images}
    folders = {path.parent for path in known if path.parent.name != "images" and "labels" in path.parts}
    known |= {folder / name for folder in folders for name in CLASS_LISTS}
    strays = sorted({file for folder in folders for file in folder.glob("[!.]*.txt")} - known)
    return [Problem("labels without an image", "warning", str(file), "no split has its image") for file in strays]


def write_fake(root: Path, *, images: int = 6, seed: int = 0, outlines: bool = False) -> None:
    """Write a miniature of drawn diamonds: ``images`` of 80 x 96 in each split, the last without objects.

    Args:
        root: the folder, made where needed.
        images: how many each split has.
        seed: of the drawings.
        outlines: write the corners instead of the boxes.
    """
    root = Path(root)
    names = {0: "ship", 1: "plane"}
    for number, split in enumerate(SPLITS):
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True, exist_ok=True)
        for turn in range(images):
            generator = np.random.default_rng((seed, number, turn))
            image = Image.new("RGB", (96, 80), tuple(int(c) for c in generator.integers(90, 150, 3)))
            count = 0 if turn == images - 1 and images > 1 else 1 + turn % 3
            objects = [_draw(image, generator, outlines) for _ in range(count)]
            image.save(root / "images" / split / f"{turn:04d}.jpg", quality=95)
            lines = [f"{write_label(thing, thing['category_id'], (80, 96))}\n" for thing in objects]
            if lines:
                (root / "labels" / split / f"{turn:04d}.txt").write_text("".join(lines))
    (root / "data.yaml").write_text(yaml_text(names, {split: f"images/{split}" for split in SPLITS}))


def _draw(image: Image.Image, generator: np.random.Generator, outlines: bool) -> dict[str, Any]:
    """Draw a diamond of one class and describe it."""
    kind = int(generator.integers(2))
    wide, high = (int(side) * 2 for side in generator.integers(8, 18, 2))
    left, top = int(generator.integers(0, image.width - wide)), int(generator.integers(0, image.height - high))
    corners = [
        (left, top + high // 2),
        (left + wide // 2, top),
        (left + wide, top + high // 2),
        (left + wide // 2, top + high),
    ]
    ImageDraw.Draw(image).polygon(corners, fill=((220, 60, 50), (60, 90, 230))[kind])
    polygon = [[float(value) for corner in corners for value in corner]]
    return {"category_id": kind, "bbox": [left, top, wide, high], "segmentation": polygon if outlines else []}


ENTRY = DatasetEntry(
    open=open_yolo,
    write_fake=write_fake,
    recognise=recognise_yolo,
    mark="data.yaml, obj.data or classes.txt, with images/ and a text file of numbers for each (labels/ or beside)",
    check=check_yolo,
    refusal=refusal,
    summary="YOLO txt: data.yaml, images/ and labels/: boxes, outlines, keypoints",
    licence=OF_THE_OWNER,
    size="any",
    source="your own files; the layout: https://docs.ultralytics.com/datasets/detect",
)
