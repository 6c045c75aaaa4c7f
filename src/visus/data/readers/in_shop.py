"""In-Shop Clothes Retrieval (DeepFashion): 52,712 photographs of 7,982 items; query and gallery are separate.

Liu, Luo, Qiu, Wang, Tang, "DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich Annotations", CVPR
2016. Layout: ``list_eval_partition.txt`` in the folder, in ``Eval/`` or in ``Anno/``: the number of images, a line of
headings, then image, item and "train", "query" or "gallery". Images lie where the list says, below the folder or
below ``Img/``. A query is searched for among the images of the gallery only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from visus.data.check.listed import check_listed
from visus.data.check.records import Problem
from visus.data.check.report import CheckReport
from visus.data.entry import DatasetEntry
from visus.data.errors import DatasetNotFoundError
from visus.data.records.class_splits import LabelledDataset, open_class_split
from visus.data.records.fake_images import save_class
from visus.data.records.image_records import (
    Complain,
    ImageRecord,
    ListedImages,
    images_of,
    read_rows,
    refuse,
)

_LIST = "list_eval_partition.txt"
_PARTS: Final[dict[str, bool | None]] = {"train": None, "query": True, "gallery": False}
"""Whether the images of a part are asked for (else searched); None for those to train with."""


def open_in_shop(root: Path, split: str, *, for_training: bool = False) -> LabelledDataset:
    """Open a split (see `open_class_split`); "test" has queries and gallery, told apart by its ``is_query``.

    Labels are items; super-labels are sex and kind of clothing, from the names of the folders.
    """
    return open_class_split(split, lambda train: images_of(_part(_read(Path(root)), train)))


def _part(listed: ListedImages, train: bool) -> ListedImages:
    """The images to train with, which are neither query nor gallery, or the others."""
    return replace(listed, records=[record for record in listed.records if (record.is_query is None) == train])


def _listing(root: Path) -> Path | None:
    places = (root / folder / _LIST for folder in ("", "Eval", "Anno"))
    return next((place for place in places if place.is_file()), None)


def _read(root: Path, complain: Complain = refuse) -> ListedImages:
    listing = _listing(root)
    if listing is None:
        raise DatasetNotFoundError(f"{root}: no {_LIST}; looked in the folder, in Eval/ and in Anno/")
    rows: list[tuple[str, str, bool | None]] = []
    for line, (path, item, part) in read_rows(listing, 3, skip=2, complain=complain):
        if part in _PARTS:
            rows.append((path, item, _PARTS[part]))
        else:
            complain(listing, line, f"{path} is {part!r}; it must be one of {', '.join(_PARTS)}")
    items = {item: number for number, item in enumerate(sorted({item for _, item, _ in rows}))}
    kinds = {kind: number for number, kind in enumerate(sorted({_kind(path) for path, _, _ in rows}))}
    records = [ImageRecord(path, items[item], kinds[_kind(path)], is_query=asks) for path, item, asks in rows]
    base = root / "Img" if (root / "Img").is_dir() else root
    return ListedImages(base, records, {number: item for item, number in items.items()})


def _kind(path: str) -> str:
    """The kind of clothing ("WOMEN/Dresses") of an image ``img/WOMEN/Dresses/id_00000002/02_1_front.jpg``."""
    return "/".join(Path(path).parts[-4:-2])


def recognise_in_shop(root: Path) -> bool:
    """Whether a folder has the list."""
    return _listing(root) is not None


def check_in_shop(root: Path, *, decode: bool = True) -> CheckReport:
    """Check the list and every image, and that queries can be answered; arguments as for `check_listed`."""
    root = Path(root)
    parts: list[ListedImages] = []

    def read(root: Path, complain: Complain) -> ListedImages:
        parts.append(_read(root, complain))
        return parts[0]

    report = check_listed(root, read=read, decode=decode)
    return CheckReport((*report.problems, *_part_problems(root, parts)), report.images, report.objects)


def _part_problems(root: Path, parts: list[ListedImages]) -> Iterator[Problem]:
    """Whether queries can be answered, and classes are trained or tested, not both."""
    for listed in parts:
        train, query, gallery = ({r.label for r in listed.records if r.is_query is asks} for asks in _PARTS.values())
        for label in sorted(query - gallery):
            message = f"{listed.name(label)} has a query, but no image of the gallery"
            yield Problem("query without gallery", "warning", str(root), message)
        for label in sorted(train & (query | gallery)):
            message = f"{listed.name(label)} is trained, so that it cannot be tested"
            yield Problem("class in both parts", "error", str(root), message)


def write_fake(root: Path, *, classes: int = 8, views: int = 4, seed: int = 0) -> None:
    """Write a miniature of ``classes`` items: half train, of the rest one image in four is a query."""
    root = Path(root)
    lines = []
    for number in range(1, classes + 1):
        kind = ("WOMEN/Dresses", "MEN/Shirts_Polos")[number % 2]
        for view in range(views):
            path = f"img/{kind}/id_{number:08d}/{view:02d}_1_front.jpg"
            save_class(root / "Img" / path, number, view, seed=seed)
            part = "train" if number <= classes // 2 else ("query" if view % 4 == 0 else "gallery")
            lines.append(f"{path} id_{number:08d} {part}")
    (root / "Eval").mkdir(exist_ok=True)
    heads = [str(len(lines)), "image_name item_id evaluation_status"]
    (root / "Eval" / _LIST).write_text("\n".join([*heads, *lines]) + "\n")


ENTRY = DatasetEntry(
    open=open_in_shop,
    write_fake=write_fake,
    recognise=recognise_in_shop,
    mark="list_eval_partition.txt (retrieval of clothes)",
    check=check_in_shop,
    summary="In-Shop Clothes: queries and a gallery",
    licence="non-commercial research only",
    size="25,882 + 14,218 queries + 12,612 gallery images, 3,997 + 3,985 classes",
    source="https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion/InShopRetrieval.html",
    unseen_classes=True,
)
