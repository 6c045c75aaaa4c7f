"""Omniglot: 1,623 characters of 50 alphabets, each drawn once by 20 people, as few-shot learning uses it.

Lake, Salakhutdinov, Tenenbaum, "Human-level concept learning through probabilistic program induction", Science 2015.
Layout: ``images_background`` and ``images_evaluation``, as the published zips or as folders, with
``ALPHABET/characterNN/*.png``. Images become 28x28, and each character turned by 90, 180 and 270 degrees is a class of
its own (Vinyals et al., arXiv 1606.04080, section 4.1.1).

Splits share no character: ``train``, ``val`` and ``test`` have 1,100, 100 and 423 characters, shuffled over both parts
(the 1200/423 of MAML, of which 100 choose the weights). ``train:vinyals`` and so on are those of the lists
``splits/vinyals/train.txt``, whose lines are ``ALPHABET/characterNN/rot090``, where the folder holds them.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from visus.data.check.records import Problem
from visus.data.check.report import CheckReport, in_parallel, no_data
from visus.data.entry import DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError, ImageError
from visus.data.files.content import read_content
from visus.data.files.images import decode_image
from visus.data.files.listed_files import read_lines
from visus.data.files.splits import SPLITS, check_split
from visus.data.files.walk import is_left_behind
from visus.data.records.fake_images import save_class
from visus.data.records.flat import NameTable
from visus.errors import VisusError
from visus.types import ClassTarget, Sample, Schema

PARTS = ("images_background", "images_evaluation")
SIDE = 28
TURNS = (0, 90, 180, 270)
SHARES = {"train": 1100, "val": 100, "test": 423}
"""Characters of each split, of 1,623."""
_ALL = 1623
LEAST = 6
"""Two characters for each split."""
_FORM = re.compile(r"(?:.*/)?(?P<character>[^/]+/character\d+)/[^/]+\.png")
_LISTED = re.compile(r"(?P<character>[^/]+/character\d+)/rot(?P<turn>\d+)")
_ORDER = 1
"""The seed of the order of characters; never change it, or measured numbers change."""


@dataclass(frozen=True)
class _Drawings:
    """The drawings of a folder: the file of each and its character, in order."""

    root: Path
    files: list[str]
    characters: list[str]

    def read(self, file: str) -> bytes:
        """The content of a drawing, out of its zip or its folder."""
        part, _, inner = file.partition(".zip/")
        if not inner:
            return read_content(self.root / file, ImageError)
        with zipfile.ZipFile(self.root / f"{part}.zip") as archive:
            return archive.read(inner)


class OmniglotImages(Dataset[Sample]):
    """Drawings of 28x28 pixels; each is read once and then kept, by all processes together.

    Args:
        drawings: those of all characters.
        classes: the character and the turn in degrees of each class, label by label.
    """

    def __init__(self, drawings: _Drawings, classes: Sequence[tuple[str, int]]) -> None:
        self.root = drawings.root
        self._names = NameTable(drawings.files)
        places: dict[str, list[int]] = {}
        for place, character in enumerate(drawings.characters):
            places.setdefault(character, []).append(place)
        rows = [
            (place, label, TURNS.index(turn))
            for label, (character, turn) in enumerate(classes)
            for place in places[character]
        ]
        self._places, self.labels, self._turns = torch.tensor(rows, dtype=torch.int64).reshape(-1, 3).unbind(1)
        self.super_labels: Int64[Tensor, " n"] | None = None
        names = tuple(f"{character} {turn}" for character, turn in classes)
        self.schema = Schema(categories=names, category_ids=tuple(range(len(names))))
        count = len(drawings.files)
        self._kept = torch.zeros(count, SIDE, SIDE, dtype=torch.uint8).share_memory_()  # type: ignore[no-untyped-call]
        self._known = torch.zeros(count, dtype=torch.bool).share_memory_()  # type: ignore[no-untyped-call]
        self._archives: dict[str, zipfile.ZipFile] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        place = int(self._places[index])
        if not self._known[place]:
            self._kept[place] = _small(self._read(place), self.path(index))
            self._known[place] = True
        image = self._kept[place].rot90(int(self._turns[index])).expand(3, SIDE, SIDE).contiguous()
        return Sample(image, ClassTarget(self.labels[index].clone(), (SIDE, SIDE), index), self.path(index))

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_archives": {}}

    def size(self, index: int) -> tuple[int, int]:
        """The (h, w) of an image."""
        return SIDE, SIDE

    def path(self, index: int) -> str:
        """The file of a drawing; ``PART.zip/...`` for one in a zip."""
        return str(self.root / self._names[int(self._places[index])])

    def _read(self, place: int) -> bytes:
        name = self._names[place]
        part, _, inner = name.partition(".zip/")
        if not inner:
            return read_content(self.root / name, ImageError)
        if part not in self._archives:  # of its own in each process: they share no place in a file
            self._archives[part] = zipfile.ZipFile(io.BytesIO(read_content(self.root / f"{part}.zip", ImageError)))
        return self._archives[part].read(inner)


def _small(data: bytes, path: str) -> UInt8[Tensor, "28 28"]:
    pixels = decode_image(data, path)[None, :1].float()
    return F.interpolate(pixels, size=(SIDE, SIDE), mode="bilinear", antialias=True)[0, 0].round().to(torch.uint8)


def open_omniglot(root: Path, split: str, *, for_training: bool = False) -> OmniglotImages:
    """Open a split: train, val or test, or those with ``:vinyals``.

    Args:
        for_training: changes nothing here.

    Raises:
        AnnotationError: a list names a character that is not there, or a zip is damaged.
    """
    name, _, lists = split.partition(":")
    check_split(split if lists not in ("", "vinyals") else name, (*SPLITS, *(f"{one}:vinyals" for one in SPLITS)))
    drawings = _drawings(Path(root))
    characters = sorted(set(drawings.characters))
    if lists:
        return OmniglotImages(drawings, _listed(drawings.root / "splits" / lists / f"{name}.txt", characters))
    if len(characters) < LEAST:
        raise AnnotationError(f"{root}: {_too_few(len(characters))}")
    return OmniglotImages(drawings, [(one, turn) for turn in TURNS for one in _part(characters, name)])


def _too_few(count: int) -> str:
    return f"{count} characters are too few for train, val and test: {LEAST} are needed"


def _part(characters: list[str], split: str) -> list[str]:
    """The characters of a split, in the order of their names; as large a share of fewer, and at least two."""
    shuffled = Random(_ORDER).sample(characters, len(characters))
    val, test = (max(2, round(len(characters) * SHARES[name] / _ALL)) for name in ("val", "test"))
    bounds = {"test": (0, test), "val": (test, test + val), "train": (test + val, len(characters))}
    first, last = bounds[split]
    return sorted(shuffled[first:last])


def _listed(file: Path, characters: list[str]) -> list[tuple[str, int]]:
    if not file.is_file():
        raise DatasetNotFoundError(f"{file}: no such list; it belongs to the published code of Prototypical networks")
    known, found = set(characters), []
    for number, line in enumerate(read_lines(file, blank=True), 1):
        match = _LISTED.fullmatch(line)
        if line and (not match or match["character"] not in known or int(match["turn"]) not in TURNS):
            raise AnnotationError(
                f"{file}, line {number}: no character of this folder, turned by rot000 to rot270: {line!r}"
            )
        if match:
            found.append((match["character"], int(match["turn"])))
    return found


def _drawings(root: Path) -> _Drawings:
    """All drawings of a folder, in the order of their names."""
    files = sorted({file for part in PARTS for file in (*_in_folder(root, part), *_in_zip(root, part))})
    kept = [file for file in files if not any(map(is_left_behind, file.split("/")))]
    found = [(file, match["character"]) for file in kept if (match := _FORM.fullmatch(file))]
    if not found:
        raise DatasetNotFoundError(f"{root}: no images_background or images_evaluation, as zips or as folders")
    return _Drawings(root, [file for file, _ in found], [character for _, character in found])


def _in_folder(root: Path, part: str) -> Iterator[str]:
    return (path.relative_to(root).as_posix() for path in (root / part).glob("*/character*/*.png"))


def _in_zip(root: Path, part: str) -> Iterator[str]:
    file = root / f"{part}.zip"
    if not file.is_file() or (root / part).is_dir():
        return
    try:
        with zipfile.ZipFile(file) as archive:
            yield from (f"{part}.zip/{name}" for name in archive.namelist())
    except zipfile.BadZipFile as error:
        raise AnnotationError(f"{file}: no zip, or cut short ({error}); fetch it again") from error


def recognise_omniglot(root: Path) -> bool:
    """Whether a folder has one of the two parts, as a zip or as a folder with characters."""
    return any(
        (root / f"{part}.zip").is_file() or next((root / part).glob("*/character*"), None) is not None for part in PARTS
    )


def check_omniglot(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every drawing.

    Args:
        root: the folder.
        decode: read every drawing completely; otherwise only whether it can be read from the disk.
    """
    try:
        drawings = _drawings(Path(root))
    except VisusError as error:
        return no_data(Path(root), error)
    problems = list(in_parallel(partial(_problems, drawings, decode), drawings.files))
    counts = {one: drawings.characters.count(one) for one in sorted(set(drawings.characters))}
    few = [one for one, count in counts.items() if count < 2]
    problems += [Problem("small class", "warning", str(root), f"{one} has one drawing") for one in few]
    if len(counts) < LEAST:
        problems.append(Problem("few characters", "error", str(root), _too_few(len(counts))))
    return CheckReport(tuple(problems), len(drawings.files), len(drawings.files))


def _problems(drawings: _Drawings, decode: bool, file: str) -> list[Problem]:
    path = str(drawings.root / file)
    try:
        data = drawings.read(file)
        if decode or not data.startswith(b"\x89PNG"):
            decode_image(data, path)
    except (VisusError, OSError, zipfile.BadZipFile) as error:
        return [Problem.of_error("unreadable image", path, error)]
    return []


def write_fake(root: Path, *, characters: int = 16, drawers: int = 5, seed: int = 0) -> None:
    """Write a miniature, as folders: ``characters`` of two alphabets by ``drawers`` people."""
    for number in range(characters):
        part, alphabet = PARTS[number % 2], ("Latin", "Greek")[number % 2]
        for view in range(drawers):
            file = f"{number:04d}_{view + 1:02d}.png"
            save_class(
                Path(root) / part / alphabet / f"character{number // 2 + 1:02d}" / file,
                number,
                view,
                seed=seed,
                grey=True,
            )


ENTRY = DatasetEntry(
    open=open_omniglot,
    write_fake=write_fake,
    recognise=recognise_omniglot,
    mark="images_background.zip or images_background/ALPHABET/character01 (few-shot learning of characters)",
    check=check_omniglot,
    summary="Omniglot: characters of 50 alphabets, turned ones as classes of their own, unseen ones in val and test",
    licence="MIT",
    size="88,000 + 8,000 + 33,840 images, 4,400 + 400 + 1,692 classes",
    source="https://github.com/brendenlake/omniglot",
    unseen_classes=True,
)
