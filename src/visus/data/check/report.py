"""What a check of a data set found, and the checks of images and boxes that all layouts share."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from jaxtyping import UInt8
from torch import Tensor

from visus.data.check.records import Problem
from visus.data.files.images import ImageError, image_size, is_damaged_jpeg, is_nearly_black, read_image
from visus.data.formats.coco_values import Record

Item = TypeVar("Item")

_DEEP = (".png", ".tif", ".tiff", ".pgm", ".ppm", ".pnm", ".jp2")  # formats of more than 8 bits


@dataclass(frozen=True)
class CheckReport:
    """What was found, and in how much data: so many images, and so many objects or masks.

    ``notes`` tell what is no fault of the data and has consequences all the same.
    """

    problems: tuple[Problem, ...]
    images: int = 0
    objects: int = 0
    unit: Literal["objects", "masks"] = "objects"
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How often each kind of problem was found, the most frequent first."""
        return dict(Counter(problem.kind for problem in self.problems).most_common())

    @property
    def errors(self) -> int:
        """The number of problems that are errors rather than warnings."""
        return sum(problem.severity == "error" for problem in self.problems)

    def __add__(self, other: CheckReport) -> CheckReport:
        return replace(
            self,
            problems=self.problems + other.problems,
            images=self.images + other.images,
            objects=self.objects + other.objects,
            notes=self.notes + other.notes,
        )


def image_problems(
    folder: Path,
    record: Record,
    *,
    decode: bool,
    read: Callable[[Path], UInt8[Tensor, "3 h w"]] = read_image,
    size_of: Callable[[Path], tuple[int, int]] = image_size,
) -> list[Problem]:
    """What is wrong with the file of an image record.

    Args:
        folder: what its name is relative to.
        record: with its "file_name", and "height" and "width" if they are known.
        decode: read the image completely; otherwise only the head of the file.
        read: gives the pixels [3 h w] of an image.
        size_of: gives the (h, w) of an image.
    """
    path = folder / record["file_name"]
    name = str(path)
    try:
        height, width = read(path).shape[-2:] if decode else size_of(path)
    except ImageError as error:
        return [Problem.of_error(_kind_of_failure(path), path, error)]
    problems = []
    if decode and is_damaged_jpeg(path):
        message = "readable, but libjpeg-turbo complains: parts of the image may be wrong"
        problems.append(Problem("damaged JPEG", "warning", name, message))
    if decode and path.suffix.lower() in _DEEP and is_nearly_black(path):
        message = "16 bits whose values are all below 4096: it comes out nearly black; save it with 8 bits"
        problems.append(Problem("nearly black", "warning", name, message))
    said = (record.get("height"), record.get("width"))
    if None not in said and said != (height, width):
        turned = " (turned by its EXIF orientation?)" if said == (width, height) else ""
        message = f"the image has (h, w) = {(height, width)}, the annotations say {said}{turned}"
        problems.append(Problem("wrong image size", "error", name, message))
    if min(height, width) < 8 or max(height, width) > 16 * min(height, width):
        problems.append(Problem("extreme image size", "warning", name, f"(h, w) = {(height, width)}"))
    return problems


def border_problems(
    box_xyxy: tuple[float, float, float, float], size: tuple[int, int], file: str, where: str
) -> list[Problem]:
    """Whether a box is empty, lies outside of its image, or reaches over its border by more than a pixel.

    Args:
        box_xyxy: in pixels.
        size: the (h, w) of the image.
        file: for the problem.
        where: which box it is.
    """
    (x1, y1, x2, y2), (height, width) = box_xyxy, size
    message = f"{where} has the box {box_xyxy}; the image has (h, w) = {size}"
    if not (x2 > x1 and y2 > y1):
        return [Problem("degenerate box", "error", file, message)]
    if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
        return [Problem("box outside the image", "error", file, message)]
    if min(x1, y1) < -1 or x2 > width + 1 or y2 > height + 1:
        return [Problem("box reaches over the border", "warning", file, message)]
    return []


def no_data(root: Path, error: Exception) -> CheckReport:
    """The report on a folder in which there is nothing to check."""
    return CheckReport((Problem.of_error("no data set", root, error),))


def _kind_of_failure(path: Path) -> str:
    if not os.path.exists(path):  # which is False for a name that no file can have
        return "missing image"
    return "empty image file" if path.stat().st_size == 0 else "corrupt image"


def in_parallel(check: Callable[[Item], list[Problem]], items: Iterable[Item]) -> Iterator[Problem]:
    """The problems that ``check`` finds in each item, in their order."""
    with ThreadPoolExecutor() as pool:  # decoding leaves the interpreter free
        for problems in pool.map(check, items):
            yield from problems
