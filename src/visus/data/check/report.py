"""What a check of a data set found, and the checks of pictures that all layouts share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from visus.data.check.records import Problem
from visus.data.files.images import ImageError, image_size, is_damaged_jpeg, read_image
from visus.data.formats.coco_index import Record

Item = TypeVar("Item")


@dataclass(frozen=True)
class CheckReport:
    """What was found, and in how much data: so many images, and so many objects or masks."""

    problems: tuple[Problem, ...]
    images: int
    objects: int
    unit: Literal["objects", "masks"] = "objects"

    @property
    def counts(self) -> dict[str, int]:
        """How often each kind of problem was found, the most frequent first."""
        return dict(Counter(problem.kind for problem in self.problems).most_common())

    @property
    def errors(self) -> int:
        """The number of problems that are errors rather than warnings."""
        return sum(problem.severity == "error" for problem in self.problems)

    def __add__(self, other: CheckReport) -> CheckReport:
        return CheckReport(
            self.problems + other.problems, self.images + other.images, self.objects + other.objects, self.unit
        )


def picture_problems(folder: Path, record: Record, *, decode: bool) -> list[Problem]:
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


def in_parallel(check: Callable[[Item], list[Problem]], items: Iterable[Item]) -> Iterator[Problem]:
    """The problems that ``check`` finds in each item, in their order."""
    with ThreadPoolExecutor() as pool:  # decoding leaves the interpreter free
        for problems in pool.map(check, items):
            yield from problems
