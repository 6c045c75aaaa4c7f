"""Labelled Faces in the Wild (LFW): 13,233 photographs of 5,749 people, and 6,000 listed pairs in ten parts.

Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", University of Massachusetts, Technical Report 07-49,
2007. Layout: ``pairs.txt`` beside the folder ``lfw`` (or ``lfw_funneled``, ``lfw-deepfunneled``) with images like
``George_W_Bush/George_W_Bush_0001.jpg``. The first line of ``pairs.txt`` says how many parts there are, and how many
pairs of one person (and of two people) each has; a pair of one person is ``name, number, number``, one of two people
``name, number, name, number``.

"test" has the images of the pairs, one pair after the other, for the metric ``lfw``; "train" those of the people who
are in no pair.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from visus.data.check.listed import check_listed
from visus.data.check.report import CheckReport
from visus.data.entry import DatasetEntry
from visus.data.errors import DatasetNotFoundError
from visus.data.files.listed_files import read_lines
from visus.data.records.class_splits import LabelledDataset, open_class_split
from visus.data.records.fake_images import save_class
from visus.data.records.image_records import Complain, ImageRecord, ListedImages, images_of, refuse, whole_number

PAIRS: Final = "pairs.txt"
FOLDERS: Final = ("lfw", "lfw_funneled", "lfw-deepfunneled")
_FORM: Final = re.compile(r"(?P<person>.+)_(?P<number>\d{4})\.jpg")


def open_lfw(root: Path, split: str, *, for_training: bool = False) -> LabelledDataset:
    """Open a split (see `open_class_split`); labels are people."""
    return open_class_split(split, lambda train: images_of((_people if train else _pairs)(Path(root), refuse)))


def _pairs(root: Path, complain: Complain) -> ListedImages:
    """The images of the pairs, two by two."""
    folder, path = _folder(root), root / PAIRS
    people = sorted(place.name for place in folder.iterdir() if place.is_dir())
    numbers = {name: number for number, name in enumerate(people)}
    lines = [(number, line.split()) for number, line in enumerate(read_lines(path, blank=True), 1) if line]
    records: list[ImageRecord] = []
    for number, fields in lines[1:]:
        if len(fields) not in (3, 4):
            complain(path, number, f"a pair has 3 or 4 fields, this has {len(fields)}: {' '.join(fields)!r}")
            continue
        names = (fields[0], fields[0] if len(fields) == 3 else fields[2])
        try:
            found = [_image(folder, name, text) for name, text in zip(names, (fields[1], fields[-1]), strict=True)]
        except ValueError as error:
            complain(path, number, str(error))
            continue
        records += [ImageRecord(f"{folder.name}/{one}", numbers[name]) for one, name in zip(found, names, strict=True)]
    _check_parts(path, lines, len(records) // 2, complain)
    return ListedImages(root, records, {number: name for name, number in numbers.items()})


def _check_parts(path: Path, lines: Sequence[tuple[int, list[str]]], pairs: int, complain: Complain) -> None:
    """Whether there are as many pairs as the first line says."""
    head = lines[0][1] if lines else []
    if len(head) != 2 or not all(field.isdigit() for field in head):
        complain(path, 1, "the first line says how many parts there are, and how many pairs of each kind in one")
    elif 2 * int(head[0]) * int(head[1]) != pairs:
        complain(
            path, 1, f"{head[0]} parts with twice {head[1]} pairs make {2 * int(head[0]) * int(head[1])}, not {pairs}"
        )


def _image(folder: Path, name: str, text: str) -> str:
    """The path of a person's image, by its number.

    Raises:
        ValueError: the number is none, or there is no such file.
    """
    found = f"{name}/{name}_{whole_number(text, 'the number of an image'):04d}.jpg"
    if not (folder / found).is_file():
        raise ValueError(f"names {found}, and there is no such image")
    return found


def _people(root: Path, complain: Complain, *, all_of_them: bool = False) -> ListedImages:
    """The images of people who are in no pair, or of all."""
    folder = _folder(root)
    known = {} if all_of_them else {record.label for record in _pairs(root, complain).records}
    people = sorted(place.name for place in folder.iterdir() if place.is_dir())
    records = [
        ImageRecord(f"{folder.name}/{name}/{path.name}", number)
        for number, name in enumerate(people)
        if number not in known
        for path in sorted((folder / name).iterdir())
        if (found := _FORM.fullmatch(path.name)) and found["person"] == name
    ]
    return ListedImages(root, records, dict(enumerate(people)))


def _folder(root: Path) -> Path:
    """The folder of people.

    Raises:
        DatasetNotFoundError: there is none, or no list of pairs.
    """
    for name in FOLDERS:
        if (root / name).is_dir() and (root / PAIRS).is_file():
            return root / name
    raise DatasetNotFoundError(f"{root}: no {PAIRS} beside a folder {', '.join(FOLDERS)}")


def recognise_lfw(root: Path) -> bool:
    """Whether a folder has the list of pairs and the folder of people."""
    return (Path(root) / PAIRS).is_file() and any((Path(root) / name).is_dir() for name in FOLDERS)


def check_lfw(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every pair and every image; arguments as for `check_listed`."""

    def read(root: Path, complain: Complain) -> ListedImages:
        _pairs(root, complain)
        return _people(root, complain, all_of_them=True)

    return check_listed(Path(root), read=partial(read), decode=decode)


def write_fake(root: Path, *, classes: int = 8, views: int = 4, seed: int = 0) -> None:
    """Write a miniature of ``classes`` people: half of them in two parts of pairs, of the first ``views``."""
    root = Path(root)
    names = [f"Person_{chr(ord('A') + number % 26)}{number // 26 or ''}" for number in range(classes)]
    for number, name in enumerate(names):
        for view in range(1, views + 1):
            save_class(root / FOLDERS[0] / name / f"{name}_{view:04d}.jpg", number, view, seed=seed)
    tested = names[classes // 2 :]
    lines = [f"2\t{len(tested)}"]
    for part in (1, 2):
        lines += [f"{name}\t{part}\t{part + 1}" for name in tested]
        lines += [f"{name}\t{part}\t{tested[place - 1]}\t{part + 1}" for place, name in enumerate(tested)]
    (root / PAIRS).write_text("\n".join(lines) + "\n")


ENTRY = DatasetEntry(
    open=open_lfw,
    write_fake=write_fake,
    recognise=recognise_lfw,
    mark="pairs.txt beside lfw/ (verification of faces)",
    check=check_lfw,
    summary="Labelled Faces in the Wild: pairs of faces in ten parts",
    licence="research; photographs from the news, see its page",
    size="6,000 pairs of 7,701 images for the test, others of people in no pair to train with",
    source="http://vis-www.cs.umass.edu/lfw/",
    unseen_classes=True,
)
