"""Market-1501: 32,668 photographs of 1,501 people by six cameras; query and gallery are separate.

Zheng, Shen, Tian, Wang, Wang, Tian, "Scalable Person Re-identification: A Benchmark", ICCV 2015. Layout: the folders
``bounding_box_train``, ``query`` and ``bounding_box_test`` with images like ``0002_c1s1_000451_03.jpg``: person 2,
camera 1. Of the gallery, images of "person" -1 (junk: neither right nor wrong) are left out, and those of person 0
(distractors: nobody who is asked for) are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from visus.data.check.listed import check_listed
from visus.data.check.records import Problem
from visus.data.check.report import CheckReport
from visus.data.entry import DatasetEntry
from visus.data.errors import DatasetNotFoundError
from visus.data.files.suffixes import SUFFIXES
from visus.data.files.walk import visible
from visus.data.records.class_splits import LabelledDataset, open_class_split
from visus.data.records.fake_images import save_class
from visus.data.records.image_records import Complain, ImageRecord, ListedImages, images_of, refuse

JUNK: Final = -1
DISTRACTORS: Final = 0
_PARTS: Final[dict[str, bool | None]] = {"bounding_box_train": None, "query": True, "bounding_box_test": False}
"""Whether the images of a folder are asked for (else searched); None for those to train with."""

_FORM: Final = re.compile(r"(-1|\d{4})_c(\d+)(s\d+)?_.*")


def open_market1501(root: Path, split: str, *, for_training: bool = False) -> LabelledDataset:
    """Open a split (see `open_class_split`); "test" has queries and gallery, told apart by its ``is_query``.

    Labels are people, and images know their cameras.
    """
    return open_class_split(split, lambda train: images_of(_read(Path(root), train)))


def _read(root: Path, train: bool | None = None, complain: Complain = refuse) -> ListedImages:
    """The images to train with, those to test with, or all."""
    if not recognise_market1501(root):
        raise DatasetNotFoundError(f"{root}: no folders {', '.join(_PARTS)}")
    records = []
    for folder, asks in _PARTS.items():
        if train is not None and train != (asks is None):
            continue
        paths = [path for path in visible(root / folder) if path.suffix.lower() in SUFFIXES]
        for number, path in enumerate(paths, 1):
            found = _FORM.fullmatch(path.stem)
            if found is None:
                complain(
                    root / folder, number, f"{path.name} does not say its person and camera, as 0002_c1s1_000451_03"
                )
                continue
            person, camera = int(found[1]), int(found[2])
            if person != JUNK:
                records.append(ImageRecord(f"{folder}/{path.name}", person, is_query=asks, camera=camera))
    names = {record.label: f"person {record.label}" for record in records}
    return ListedImages(root, records, names | {DISTRACTORS: "distractors"} if DISTRACTORS in names else names)


def recognise_market1501(root: Path) -> bool:
    """Whether a folder has the three parts."""
    return all((Path(root) / folder).is_dir() for folder in _PARTS)


def check_market1501(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every name and image, and that queries can be answered; arguments as for `check_listed`."""
    root = Path(root)
    parts: list[ListedImages] = []

    def read(root: Path, complain: Complain) -> ListedImages:
        parts.append(_read(root, complain=complain))
        return parts[0]

    report = check_listed(root, read=read, decode=decode)
    return CheckReport((*report.problems, *_part_problems(root, parts)), report.images, report.objects)


def _part_problems(root: Path, parts: list[ListedImages]) -> Iterator[Problem]:
    """Whether each query has an image of its person by another camera, and people are trained or tested, not both."""
    for listed in parts:
        seen: dict[int, set[int | None]] = {}
        for record in listed.records:
            if record.is_query is False:
                seen.setdefault(record.label, set()).add(record.camera)
        for record in listed.records:
            if record.is_query and not seen.get(record.label, set()) - {record.camera}:
                message = f"{record.path}: no other camera has {listed.name(record.label)} in the gallery"
                yield Problem("query without gallery", "warning", str(root), message)
        train, test = ({r.label for r in listed.records if (r.is_query is None) == kind} for kind in (True, False))
        for label in sorted(train & test):
            message = f"{listed.name(label)} is trained, so that it cannot be tested"
            yield Problem("class in both parts", "error", str(root), message)


def write_fake(root: Path, *, classes: int = 8, views: int = 4, seed: int = 0) -> None:
    """Write a miniature of ``classes`` people by two cameras, with two distractors and one junk image.

    Half of the people train; of the others the first image of each camera is a query.
    """
    root = Path(root)
    for folder in _PARTS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for person in range(1, classes + 1):
        for view in range(views):
            name = f"{person:04d}_c{view % 2 + 1}s1_{view:06d}_00.jpg"
            folder = "bounding_box_train" if person <= classes // 2 else "query" if view < 2 else "bounding_box_test"
            save_class(root / folder / name, person, view, seed=seed)
    for view in range(2):
        name = f"0000_c{view + 1}s1_000001_01.jpg"
        save_class(root / "bounding_box_test" / name, classes + 1, view, seed=seed)
    save_class(root / "bounding_box_test" / "-1_c2s1_000002_01.jpg", classes + 2, 0, seed=seed)


ENTRY = DatasetEntry(
    open=open_market1501,
    write_fake=write_fake,
    recognise=recognise_market1501,
    mark="bounding_box_train/, query/ and bounding_box_test/ (re-identification)",
    check=check_market1501,
    summary="Market-1501: people by six cameras, queries and a gallery",
    licence="research only",
    size="12,936 + 3,368 queries + 15,913 gallery images without junk, 751 + 750 people",
    source="https://zheng-lab.cecs.anu.edu.au/Project/project_reid.html",
    unseen_classes=True,
)
