"""miniImageNet: 100 classes of ImageNet with 600 images each, 64, 16 and 20 of them for training, validation and test.

Vinyals et al., arXiv 1606.04080, with the split of Ravi and Larochelle, "Optimization as a Model for Few-Shot
Learning", ICLR 2017. Layout: ``train.csv``, ``val.csv`` and ``test.csv`` with the columns ``filename,label``, and
the images in ``images``. Any data set with such lists is read; splits may share no class.
"""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

from visus.data.check.listed import check_listed
from visus.data.check.records import Problem
from visus.data.check.report import CheckReport
from visus.data.entry import DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.content import read_head
from visus.data.files.listed_files import read_text
from visus.data.files.splits import SPLITS, check_split
from visus.data.records.fake_images import save_class
from visus.data.records.image_records import Complain, ImageRecord, ListedImages, images_of, refuse
from visus.data.records.labelled import LabelledImages

_COLUMNS = ["filename", "label"]


def open_miniimagenet(root: Path, split: str, *, for_training: bool = False) -> LabelledImages:
    """Open a split; labels count from 0 inside of it.

    Args:
        for_training: changes nothing here.

    Raises:
        AnnotationError: a list is damaged, or a class is in two splits.
    """
    check_split(split)
    root = Path(root)
    listed = _read(split, root, refuse)
    shared = [name for other in SPLITS if other != split for name in _shared(root, split, other)]
    if shared:
        raise AnnotationError(f"{root}: class {shared[0]} is in two lists: what is tested must not have been trained")
    return images_of(listed)


def _read(split: str, root: Path, complain: Complain) -> ListedImages:
    names = _rows(root, split, complain)
    numbers = {label: number for number, label in enumerate(sorted({label for _, label in names}))}
    folder = "images/" if (root / "images").is_dir() else ""
    records = [ImageRecord(f"{folder}{file}", numbers[label]) for file, label in names]
    return ListedImages(root, records, {number: label for label, number in numbers.items()})


def _rows(root: Path, split: str, complain: Complain) -> list[tuple[str, str]]:
    """The file and the label of each line of a list."""
    file = root / f"{split}.csv"
    if not file.is_file():
        raise DatasetNotFoundError(f"{file}: no such list; train.csv, val.csv and test.csv have columns filename,label")
    lines = list(csv.reader(read_text(file).splitlines()))
    if not lines or [cell.strip().lower() for cell in lines[0]] != _COLUMNS:
        raise AnnotationError(f"{file}: the first line must be filename,label")
    found = []
    for number, line in enumerate(lines[1:], 2):
        cells = [cell.strip() for cell in line]
        if len(cells) != len(_COLUMNS) or not all(cells):
            complain(file, number, f"a file name and a label are needed, not {','.join(line)[:60]!r}")
        else:
            found.append((cells[0], cells[1]))
    return found


def _shared(root: Path, one: str, other: str) -> list[str]:
    """The labels of two lists; none where there is no such list."""
    if not (root / f"{other}.csv").is_file():
        return []
    labels = [{label for _, label in _rows(root, split, lambda *_: None)} for split in (one, other)]
    return sorted(labels[0] & labels[1])


def recognise_miniimagenet(root: Path) -> bool:
    """Whether a folder has a list for training with the columns of this layout and no others."""
    first = read_head(root / "train.csv", 64).decode(errors="replace").partition("\n")[0]
    return [cell.strip().lower() for cell in first.split(",")] == _COLUMNS


def check_miniimagenet(root: Path, *, decode: bool = True) -> CheckReport:
    """Check all lists and every image; arguments as for `check_listed`."""
    root = Path(root)
    reports = [check_listed(root, read=partial(_read, split), decode=decode) for split in SPLITS]
    problems = []
    for place, one in enumerate(SPLITS):
        for other in SPLITS[place + 1 :]:
            try:
                shared = _shared(root, one, other)
            except (AnnotationError, DatasetNotFoundError):
                continue  # which the reports say
            message = f"is in {one}.csv and {other}.csv: what is tested must not have been trained"
            problems += [
                Problem("class in two lists", "error", str(root), f"class {name} {message}") for name in shared
            ]
    return sum(reports, CheckReport(tuple(problems)))


def write_fake(root: Path, *, classes: int = 18, views: int = 4, seed: int = 0) -> None:
    """Write a miniature of ``classes``, a third of them for each split."""
    root = Path(root)
    lines: dict[str, list[str]] = {split: [",".join(_COLUMNS)] for split in SPLITS}
    for number in range(classes):
        for view in range(views):
            name = f"n{number:08d}{view:08d}.jpg"
            save_class(root / "images" / name, number, view, seed=seed)
            lines[SPLITS[number % 3]].append(f"{name},n{number:08d}")
    for split, some in lines.items():
        (root / f"{split}.csv").write_text("\n".join(some) + "\n")


ENTRY = DatasetEntry(
    open=open_miniimagenet,
    write_fake=write_fake,
    recognise=recognise_miniimagenet,
    mark="train.csv, val.csv and test.csv with columns filename,label (few-shot learning)",
    check=check_miniimagenet,
    summary="miniImageNet's layout: lists filename,label for splits that share no class",
    licence="research (ImageNet)",
    size="38,400 + 9,600 + 12,000 images, 64 + 16 + 20 classes",
    source="arXiv 1606.04080, lists of Ravi and Larochelle (ICLR 2017)",
    unseen_classes=True,
)
