"""Stanford Online Products: 120,053 photographs of 22,634 things for sale, in 12 super-classes.

Song, Xiang, Jegelka, Savarese, "Deep Metric Learning via Lifted Structured Feature Embedding", CVPR 2016. Layout:
``Ebay_train.txt`` and ``Ebay_test.txt`` with the columns ``image_id class_id super_class_id path``. No class is in
both.
"""

from __future__ import annotations

from pathlib import Path

from visus.data.records.class_splits import LabelledDataset, open_class_split
from visus.data.records.classes_fake import save_class
from visus.data.records.image_records import ImageRecord, images_of, read_rows, whole_number
from visus.data.records.labelled import LabelledImages

_HEADER = "image_id class_id super_class_id path"


def open_sop(root: Path, split: str, *, for_training: bool = False) -> LabelledDataset:
    """Open a split (see `open_class_split`); labels are products, super-labels kinds of products.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: the list is missing.
        AnnotationError: a line of it is damaged.
    """
    return open_class_split(split, lambda train: _read(Path(root), "Ebay_train.txt" if train else "Ebay_test.txt"))


def _read(root: Path, name: str) -> LabelledImages:
    listing = root / name
    records: list[ImageRecord] = []
    names: dict[int, str] = {}
    for _, class_id, super_id, path in read_rows(listing, 4, skip=1):
        label = whole_number(class_id, listing, "class_id")
        records.append(ImageRecord(path, label, whole_number(super_id, listing, "super_class_id")))
        names.setdefault(label, f"{Path(path).parent.name.removesuffix('_final')} {label}")
    return images_of(root, records, names=names)


def write_fake(root: Path, *, classes: int = 12, views: int = 4, seed: int = 0) -> None:
    """Write a miniature: ``classes`` of 2 super-classes, the first half of them for training."""
    root = Path(root)
    lines: dict[str, list[str]] = {"Ebay_train.txt": [], "Ebay_test.txt": []}
    for number in range(1, classes + 1):
        listing = lines["Ebay_train.txt" if number <= (classes + 1) // 2 else "Ebay_test.txt"]
        kind = ("chair_final", "lamp_final")[number % 2]
        for view in range(views):
            path = f"{kind}/{number:05d}_{view}.jpg"
            save_class(root / path, number, view, seed=seed)
            listing.append(f"{len(listing) + 1} {number} {number % 2 + 1} {path}")
    for name, listing in lines.items():
        (root / name).write_text("\n".join([_HEADER, *listing]) + "\n")
