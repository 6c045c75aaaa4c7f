"""Looks through a data set in Penn-Fudan's layout."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from visus.data.check.records import Problem
from visus.data.check.report import CheckReport, picture_problems
from visus.data.files.images import ImageError
from visus.data.formats.coco_index import Record
from visus.data.readers.pennfudan import read_instances


def check_pennfudan(root: Path, *, decode: bool = True) -> CheckReport:
    """Check the pictures, masks and lists of a folder in Penn-Fudan's layout."""
    root = Path(root)
    problems: list[Problem] = []
    names: list[str] = []
    for listing in (root / "train.txt", root / "test.txt"):
        if listing.is_file():
            names += listing.read_text().split()
        else:
            problems.append(Problem("missing list", "error", str(listing), "no such file"))
    if not names:
        problems.append(Problem("empty data set", "error", str(root), "its lists name no picture"))
    for name, times in Counter(names).items():
        if times > 1:
            problems.append(Problem("duplicate image", "error", str(root), f"{name} is listed {times} times"))
    objects = 0
    for name in dict.fromkeys(names):
        found, count = _pair_problems(root, name, decode)
        problems += found
        objects += count
    return CheckReport(tuple(problems), len(names), objects)


def _pair_problems(root: Path, name: str, decode: bool) -> tuple[list[Problem], int]:
    """What is wrong with a picture and its mask, and the number of objects."""
    picture, mask = root / "images" / f"{name}.jpg", root / "masks" / f"{name}.png"
    record: Record = {"file_name": picture.name}
    try:
        masks = read_instances(mask)
    except ImageError as error:
        kind = "unreadable mask" if mask.exists() else "missing mask"
        problem = Problem(kind, "error", str(mask), str(error).removeprefix(f"{mask}: "))
        return [problem, *picture_problems(picture.parent, record, decode=decode)], 0
    record |= {"height": masks.shape[1], "width": masks.shape[2]}
    problems = picture_problems(picture.parent, record, decode=decode)
    if len(masks) == 0:
        problems.append(Problem("empty mask", "warning", str(mask), "holds no instance"))
    return problems, len(masks)
