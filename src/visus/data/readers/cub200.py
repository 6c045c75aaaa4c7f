"""CUB-200-2011: 11,788 photographs of 200 kinds of birds with a box each; classes 1-100 train, 101-200 test.

Wah, Branson, Welinder, Perona, Belongie, "The Caltech-UCSD Birds-200-2011 Dataset", CNS-TR-2011-001. Layout:
``images.txt`` (id, path below ``images/``), ``image_class_labels.txt`` (id, class), ``bounding_boxes.txt`` (id, x, y,
width, height), ``classes.txt`` (class, name). Most results are on whole images, some on those cropped to the box.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from visus.data.check.listed import check_listed
from visus.data.entry import DatasetEntry
from visus.data.formats.coco_values import short
from visus.data.records.class_splits import open_halves
from visus.data.records.fake_images import save_class
from visus.data.records.image_records import (
    Box,
    Complain,
    ImageRecord,
    ListedImages,
    read_rows,
    whole_number,
)

Value = TypeVar("Value")


def _read(root: Path, complain: Complain) -> ListedImages:
    images_file, boxes_file, names_file = root / "images.txt", root / "bounding_boxes.txt", root / "classes.txt"
    labels = _by_number(root / "image_class_labels.txt", 2, lambda row: whole_number(row[0], "a class"), complain)
    boxes = _by_number(boxes_file, 5, _box, complain) if boxes_file.is_file() else None
    names = _by_number(names_file, 2, lambda row: row[0], complain) if names_file.is_file() else {}
    records = []
    for line, (key, path) in read_rows(images_file, 2, complain=complain):
        number = int(key) if key.isdecimal() and len(key) < 19 else -1
        if number not in labels:
            complain(images_file, line, f"image {key} ({path}) has no class in image_class_labels.txt")
        elif boxes is not None and number not in boxes:
            complain(images_file, line, f"image {key} ({path}) has no box in bounding_boxes.txt")
        else:
            box = None if boxes is None else boxes[number]
            records.append(ImageRecord(f"images/{path}", labels[number], box_xyxy=box))
    return ListedImages(root, records, names)


open_cub200 = partial(open_halves, read=_read)
check_cub200 = partial(check_listed, read=_read)


def _by_number(
    path: Path, columns: int, read: Callable[[Sequence[str]], Value], complain: Complain
) -> dict[int, Value]:
    """What ``read`` makes of the fields behind the number of each line, by that number."""
    found: dict[int, Value] = {}
    for line, (key, *row) in read_rows(path, columns, complain=complain):
        try:
            number, value = whole_number(key, "the first field"), read(row)
        except ValueError as error:
            complain(path, line, str(error))
            continue
        if number in found:
            complain(path, line, f"a line before this one has the number {number}, too")
        found[number] = value
    return found


def _box(sides: Sequence[str]) -> Box:
    try:
        x, y, width, height = (float(side) for side in sides)
    except ValueError:
        raise ValueError(f"x, y, width and height must be numbers, not {short(sides)}") from None
    if not all(map(math.isfinite, (x, y, width, height))):
        raise ValueError(f"x, y, width and height must be finite, not {short(sides)}")
    return x, y, x + width, y + height


def recognise_cub200(root: Path) -> bool:
    """Whether a folder has the list of the images and one about them."""
    return (root / "images.txt").is_file() and any(
        (root / name).is_file() for name in ("image_class_labels.txt", "bounding_boxes.txt")
    )


def write_fake(root: Path, *, classes: int = 8, views: int = 4, seed: int = 0) -> None:
    """Write a miniature of ``classes`` kinds."""
    root = Path(root)
    images: list[str] = []
    labels, boxes, names = [], [], []
    for number in range(1, classes + 1):
        name = f"{number:03d}.Drawn_Bird"
        names.append(f"{number} {name}")
        for view in range(views):
            key, path = len(images) + 1, f"{name}/Drawn_Bird_{view:04d}.jpg"
            left, top, right, bottom = save_class(root / "images" / path, number, view, seed=seed)
            images.append(f"{key} {path}")
            labels.append(f"{key} {number}")
            boxes.append(f"{key} {left:.1f} {top:.1f} {right - left:.1f} {bottom - top:.1f}")
    lists = {"images": images, "image_class_labels": labels, "bounding_boxes": boxes, "classes": names}
    for file, lines in lists.items():
        (root / f"{file}.txt").write_text("\n".join(lines) + "\n")


ENTRY = DatasetEntry(
    open=open_cub200,
    write_fake=write_fake,
    recognise=recognise_cub200,
    mark="images.txt with image_class_labels.txt (retrieval of birds)",
    check=check_cub200,
    summary="CUB-200-2011: 100 classes learn, the other 100 test",
    licence="unknown; the photographs belong to their owners",
    size="5,864 + 5,924 images, 100 + 100 classes",
    source="https://www.vision.caltech.edu/datasets/cub_200_2011/",
    unseen_classes=True,
)
