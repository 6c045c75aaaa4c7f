"""Stanford Online Products: 120,053 photographs of 22,634 things for sale, in 12 superclasses.

Song, Xiang, Jegelka, Savarese, "Deep Metric Learning via Lifted Structured Feature Embedding", CVPR 2016. Layout:
``Ebay_train.txt`` and ``Ebay_test.txt`` with the columns ``image_id class_id super_class_id path``. No class is in
both.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from visus.data.check.listed import check_listed
from visus.data.check.records import Problem
from visus.data.check.report import CheckReport
from visus.data.entry import DatasetEntry
from visus.data.records.class_splits import LabelledDataset, open_class_split
from visus.data.records.fake_images import save_class
from visus.data.records.image_records import (
    Complain,
    ImageRecord,
    ListedImages,
    images_of,
    read_rows,
    refuse,
    whole_number,
)

_HEADER = "image_id class_id super_class_id path"
_LISTS = {"train": "Ebay_train.txt", "test": "Ebay_test.txt"}


def open_sop(root: Path, split: str, *, for_training: bool = False) -> LabelledDataset:
    """Open a split (see `open_class_split`); labels are products, super-labels kinds of products."""
    return open_class_split(split, lambda train: images_of(_read(Path(root), _LISTS["train" if train else "test"])))


def _read(root: Path, name: str, complain: Complain = refuse) -> ListedImages:
    listing = root / name
    records: list[ImageRecord] = []
    names: dict[int, str] = {}
    for line, (_, class_id, super_id, path) in read_rows(listing, 4, skip=1, complain=complain):
        try:
            label, kind = whole_number(class_id, "class_id"), whole_number(super_id, "super_class_id")
        except ValueError as error:
            complain(listing, line, str(error))
            continue
        records.append(ImageRecord(path, label, kind))
        names.setdefault(label, f"{Path(path).parent.name.removesuffix('_final')} {label}")
    return ListedImages(root, records, names)


def recognise_sop(root: Path) -> bool:
    """Whether a folder has one of the lists."""
    return any((root / name).is_file() for name in _LISTS.values())


def check_sop(root: Path, *, decode: bool = True) -> CheckReport:
    """Check both lists and every image; arguments as for `check_listed`."""
    root = Path(root)
    seen: dict[str, set[int]] = {}

    def read(name: str, root: Path, complain: Complain) -> ListedImages:
        listed = _read(root, name, complain)
        seen[name] = {record.label for record in listed.records}
        return listed

    reports = [check_listed(root, read=partial(read, name), decode=decode) for name in _LISTS.values()]
    both = sorted(set.intersection(*seen.values())) if len(seen) == len(_LISTS) else []
    message = "is in both lists: what is tested must not have been trained"
    shared = [Problem("class in both lists", "error", str(root), f"class {label} {message}") for label in both]
    return sum(reports, CheckReport(tuple(shared)))


def write_fake(root: Path, *, classes: int = 12, views: int = 4, seed: int = 0) -> None:
    """Write a miniature: ``classes`` of 2 superclasses, the first half of them for training."""
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


ENTRY = DatasetEntry(
    open=open_sop,
    write_fake=write_fake,
    recognise=recognise_sop,
    mark="Ebay_train.txt or Ebay_test.txt (retrieval of products)",
    check=check_sop,
    summary="Stanford Online Products' layout (Ebay_train.txt, Ebay_test.txt)",
    licence="unknown",
    size="59,551 + 60,502 images, 11,318 + 11,316 classes",
    source="https://cvgl.stanford.edu/projects/lifted_struct/",
    unseen_classes=True,
)
