"""CUB-200-2011: 11,788 photographs of 200 kinds of birds with a box each; classes 1-100 train, 101-200 test.

Wah, Branson, Welinder, Perona, Belongie, "The Caltech-UCSD Birds-200-2011 Dataset", CNS-TR-2011-001. Layout:
``images.txt`` (id, path below ``images/``), ``image_class_labels.txt`` (id, class), ``bounding_boxes.txt`` (id, x, y,
width, height), ``classes.txt`` (class, name). Most results are on whole pictures, some on those cropped to the box.
"""

from __future__ import annotations

from pathlib import Path

from visus.data.errors import AnnotationError
from visus.data.records.class_splits import LabelledDataset, first_half, open_class_split
from visus.data.records.classes_fake import save_class
from visus.data.records.image_records import Box, ImageRecord, images_of, read_rows, whole_number
from visus.data.records.labelled import LabelledImages


def open_cub200(root: Path, split: str, *, for_training: bool = False, crop: bool = False) -> LabelledDataset:
    """Open a split (see `open_class_split`): the first half of the classes trains, the other tests.

    Args:
        root: the folder with ``images.txt``.
        split: its name.
        for_training: changes nothing here.
        crop: show only what is in the box.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: a list is missing.
        AnnotationError: a line of one is damaged, or a picture has no class or no box.
    """
    return open_class_split(split, lambda train: _read(Path(root), train, crop))


def _read(root: Path, train: bool, crop: bool) -> LabelledImages:
    labels_file, boxes_file = root / "image_class_labels.txt", root / "bounding_boxes.txt"
    labels = {key: whole_number(label, labels_file, "a class") for key, label in read_rows(labels_file, 2)}
    boxes = {key: _box(sides, boxes_file) for key, *sides in read_rows(boxes_file, 5)} if boxes_file.is_file() else {}
    trained = first_half(labels.values())
    records = []
    for key, path in read_rows(root / "images.txt", 2):
        if key not in labels:
            raise AnnotationError(f"{labels_file}: image {key} ({path}) has no class")
        if boxes and key not in boxes:
            raise AnnotationError(f"{boxes_file}: image {key} ({path}) has no box")
        if (labels[key] in trained) == train:
            records.append(ImageRecord(f"images/{path}", labels[key], box_xyxy=boxes.get(key)))
    names_file = root / "classes.txt"
    names = {int(number): name for number, name in read_rows(names_file, 2)} if names_file.is_file() else {}
    return images_of(root, records, names=names, crop=crop)


def _box(sides: list[str], path: Path) -> Box:
    try:
        x, y, width, height = (float(side) for side in sides)
    except ValueError as error:
        raise AnnotationError(f"{path}: x, y, width and height must be numbers, not {sides}") from error
    return x, y, x + width, y + height


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
