"""Looks through a data set of images with one mask of classes each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from visus.data.check.records import Problem
from visus.data.check.report import CheckReport, image_problems, in_parallel
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import ImageError
from visus.data.files.splits import SPLITS
from visus.data.formats.coco_index import image_record
from visus.data.records.semantic_pairs import SemanticPairs
from visus.types import VOID


def check_semantic(root: Path, *, open_split: Callable[[Path, str], SemanticPairs], decode: bool = True) -> CheckReport:
    """Check every image and every mask of all splits.

    Args:
        root: the folder.
        open_split: opens one split of it.
        decode: read every image completely; otherwise only the heads of the files. Masks are always read.
    """
    problems: list[Problem] = []
    splits: dict[str, SemanticPairs] = {}
    for split in SPLITS:
        try:
            splits[split] = open_split(root, split)
        except DatasetNotFoundError as error:
            problems.append(Problem.of_error("missing split", root, error, "warning"))
        except AnnotationError as error:
            return CheckReport((Problem.of_error("unusable list of classes", root, error),), unit="masks")
    seen: set[int] = set()  # filled by several threads: an update of a set is one step

    def check(item: tuple[SemanticPairs, int]) -> list[Problem]:
        return _pair_problems(*item, decode, seen)

    problems += in_parallel(check, [(pairs, i) for pairs in splits.values() for i in range(len(pairs))])
    problems += _set_problems(root, splits, seen)
    count = sum(map(len, splits.values()))
    return CheckReport(tuple(problems), count, count, "masks")


def _pair_problems(pairs: SemanticPairs, index: int, decode: bool, seen: set[int]) -> list[Problem]:
    """What is wrong with an image and its mask; the classes of the mask are marked in ``seen``."""
    image, mask = Path(pairs.path(index)), pairs.mask_path(index)
    try:
        target = pairs.target(index)
    except (ImageError, AnnotationError) as error:
        missing = "unreadable mask" if os.path.exists(mask) else "missing mask"
        kind = "unknown class" if isinstance(error, AnnotationError) else missing
        problem = Problem.of_error(kind, mask, error)
        return [problem, *image_problems(image.parent, image_record(image.name, None), decode=decode)]
    problems = [
        Problem("mask of another size", "error", mask, f"{problem.message} (h, w)")
        if problem.kind == "wrong image size"
        else problem
        for problem in image_problems(image.parent, image_record(image.name, target.size), decode=decode)
    ]
    present = target.labels.flatten().bincount().nonzero().flatten().tolist()
    seen.update(present)
    if present == [VOID]:
        problems.append(Problem("mask without classes", "warning", mask, "every pixel is void"))
    return problems


def _set_problems(root: Path, splits: dict[str, SemanticPairs], seen: set[int]) -> list[Problem]:
    """Problems that only all pairs together show."""
    problems = []
    for split, pairs in splits.items():
        if not len(pairs):
            problems.append(Problem("empty split", "error", str(root), f"no image is in the split {split!r}"))
    paths = Counter(pairs.path(i) for pairs in splits.values() for i in range(len(pairs)))
    if not paths:
        problems.append(Problem("empty data set", "error", str(root), "its splits name no image"))
    for path, times in paths.items():
        if times > 1:
            problems.append(Problem("duplicate image", "error", path, f"is listed {times} times"))
    for pairs in list(splits.values())[:1]:
        for label, name in enumerate(pairs.schema.categories):
            if paths and label not in seen:
                problems.append(Problem("unused class", "warning", str(root), f"no mask has {name}"))
    return problems
