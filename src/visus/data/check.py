"""Looks through a data set for everything that training or evaluation would stumble over; reports all of it at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from visus.data.check_records import Problem, check_records
from visus.data.datasets.coco_index import Record, read_coco_json
from visus.data.datasets.coco_layouts import all_coco
from visus.data.datasets.pennfudan import read_instances
from visus.data.errors import AnnotationError
from visus.data.images import ImageError, image_size, is_damaged_jpeg, read_image

__all__ = ["CheckReport", "Problem", "check_coco", "check_folder", "check_pennfudan"]


@dataclass(frozen=True)
class CheckReport:
    """What was found, and in how much data."""

    problems: tuple[Problem, ...]
    images: int
    objects: int

    @property
    def counts(self) -> dict[str, int]:
        """How often each kind of problem was found, the most frequent first."""
        return dict(Counter(problem.kind for problem in self.problems).most_common())

    @property
    def errors(self) -> int:
        """The number of problems that are errors rather than warnings."""
        return sum(problem.severity == "error" for problem in self.problems)

    def __add__(self, other: CheckReport) -> CheckReport:
        return CheckReport(self.problems + other.problems, self.images + other.images, self.objects + other.objects)


def check_folder(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every annotation file and every picture of a data set in one of COCO's layouts or in Penn-Fudan's.

    Args:
        root: the folder.
        decode: read every picture completely; otherwise only the heads of the files.
    """
    root = Path(root)
    if (root / "masks").is_dir() and (root / "images").is_dir():
        return check_pennfudan(root, decode=decode)
    reports = [check_coco(found.annotations, found.images, decode=decode) for found in all_coco(root)]
    if not reports:
        why = "no such folder" if not root.is_dir() else "found neither COCO annotations nor images/ with masks/"
        return CheckReport((Problem("no data set", "error", str(root), why),), 0, 0)
    return sum(reports[1:], reports[0])


def check_coco(annotations: Path, images: Path | None = None, *, decode: bool = True) -> CheckReport:
    """Check an annotation file in COCO's format and the pictures that it names.

    Args:
        annotations: the JSON file.
        images: the folder of the pictures; None looks for it near the file.
        decode: read every picture completely; otherwise only the heads of the files.
    """
    annotations = Path(annotations)
    try:
        content = read_coco_json(annotations)
    except (AnnotationError, OSError) as error:
        message = str(error).removeprefix(f"{annotations}: ")
        return CheckReport((Problem("unreadable annotations", "error", str(annotations), message),), 0, 0)
    problems = list(check_records(content, str(annotations)))
    records = [record for record in content["images"] if _names_a_file(record)]
    folder = Path(images) if images else _find_pictures(annotations, records)
    if folder is None:
        message = "found none of its pictures near it: say where they are"
        problems.append(Problem("missing image folder", "error", str(annotations), message))
    else:
        problems += _in_parallel(partial(_file_problems, folder, decode=decode), records)
    return CheckReport(tuple(problems), len(content["images"]), len(content["annotations"]))


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
        return [problem, *_file_problems(picture.parent, record, decode=decode)], 0
    record |= {"height": masks.shape[1], "width": masks.shape[2]}
    problems = _file_problems(picture.parent, record, decode=decode)
    if len(masks) == 0:
        problems.append(Problem("empty mask", "warning", str(mask), "holds no instance"))
    return problems, len(masks)


def _file_problems(folder: Path, record: Record, *, decode: bool) -> list[Problem]:
    """What is wrong with the picture of an image record."""
    path = folder / record["file_name"]
    name = str(path)
    try:
        height, width = read_image(path).shape[-2:] if decode else image_size(path)
    except ImageError as error:
        return [Problem(_kind_of_failure(path), "error", name, str(error).removeprefix(f"{name}: "))]
    problems = []
    if decode and is_damaged_jpeg(path):
        message = "readable, but libjpeg-turbo complains: parts of the picture may be wrong"
        problems.append(Problem("damaged JPEG", "warning", name, message))
    said = (record.get("height"), record.get("width"))
    if None not in said and said != (height, width):
        turned = " (turned by its EXIF orientation?)" if said == (width, height) else ""
        message = f"the picture has (h, w) = {(height, width)}, the annotations say {said}{turned}"
        problems.append(Problem("wrong image size", "error", name, message))
    if min(height, width) < 8 or max(height, width) > 16 * min(height, width):
        problems.append(Problem("extreme image size", "warning", name, f"(h, w) = {(height, width)}"))
    return problems


def _kind_of_failure(path: Path) -> str:
    if not path.exists():
        return "missing image"
    return "empty image file" if path.stat().st_size == 0 else "corrupt image"


def _in_parallel(check: partial[list[Problem]], records: list[Record]) -> Iterator[Problem]:
    with ThreadPoolExecutor() as pool:  # decoding leaves the interpreter free
        for problems in pool.map(check, records):
            yield from problems


def _names_a_file(record: object) -> bool:
    return isinstance(record, dict) and isinstance(record.get("file_name"), str)


def _find_pictures(annotations: Path, records: list[Record]) -> Path | None:
    """The folder near an annotation file that holds at least one of its first pictures."""
    near, above = annotations.parent, annotations.parent.parent
    name = annotations.stem.rpartition("_")[2]
    folders = (near, near / "images", above / name, above / "images" / name, above, above / "images")
    if not records:
        return near
    return next((f for f in folders if any((f / record["file_name"]).is_file() for record in records[:50])), None)
