"""Which data set or layout a folder holds, by all that lies in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from visus.data.datasets import DATASETS
from visus.data.errors import DatasetNotFoundError
from visus.data.files.suffixes import SUFFIXES
from visus.data.files.walk import visible
from visus.data.formats.annotation_signs import annotation_signs, inventory

if TYPE_CHECKING:
    from visus.data.feed.loader import SampleDataset

_LEVELS = 2  # of folders that an archive may have put around a data set
_BY_FOLDERS = ("image_folder", "orl_faces")
"""Layouts that are recognised by nothing but folders of images."""


def open_folder(root: Path, split: str, *, for_training: bool = False) -> SampleDataset:
    """Open a split of a folder in whatever layout it is; where VOC's has both, its boxes.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: no layout fits, or the split is missing.
        AnnotationError: the annotations cannot be used.
    """
    layout, place = find_dataset(Path(root))
    return DATASETS[layout].open(place, split, for_training=for_training)


def layout_of(root: Path) -> str:
    """The name, in `DATASETS`, of the first data set or layout that a folder looks like.

    Raises:
        DatasetNotFoundError: it looks like none; says what was found and what was looked for.
    """
    return find_dataset(root)[0]


def find_dataset(root: Path) -> tuple[str, Path]:
    """The name, in `DATASETS`, of what a folder holds, and where: in it, or in the only folder in it.

    Raises:
        DatasetNotFoundError: it looks like no layout; says what was found, what came near and what was looked for.
    """
    root = Path(root).expanduser()
    if found := _found(root, _LEVELS):
        return found
    if not root.exists():
        raise DatasetNotFoundError(f"{root}: no such folder")
    marks = "\n".join(f"  {name}: {entry.mark}" for name, entry in DATASETS.items() if entry.recognise)
    place = _innermost(root)
    refusals = ((name, entry.refusal(place)) for name, entry in DATASETS.items() if root.is_dir())
    near = [f"no {name}: {reason}" for name, reason in refusals if reason]
    signs = annotation_signs(place) if root.is_dir() else []
    if signs and not any(signs[0] in reason for reason in near):
        near.append(f"{', '.join(signs)}: in no format or place that is read; COCO, VOC and YOLO are")
    there = f"Found\n{inventory(place)}\n" if root.is_dir() else ""
    raise DatasetNotFoundError(
        f"{root}: holds no data set of a known layout{': ' * bool(near)}{'; '.join(near)}\n{there}Looked for\n{marks}\n"
        "Where it is one of these nevertheless, say its name: --dataset or --data.dataset NAME"
    )


def _found(root: Path, levels: int) -> tuple[str, Path] | None:
    for name, entry in DATASETS.items():
        if entry.recognise is not None and entry.recognise(root):
            return name, root
    inner = _only_folder(root)
    if inner is None or levels == 0:
        return None
    found = _found(inner, levels - 1)
    # What lies beside the folder may be what its images mean.
    return None if found and found[0] in _BY_FOLDERS and annotation_signs(root) else found


def _only_folder(root: Path) -> Path | None:
    """The only folder that holds something in a folder that has no image itself, as archives unpack."""
    found = visible(root)
    inner = [path for path in found if path.is_dir() and visible(path)]
    return inner[0] if len(inner) == 1 and not any(path.suffix.lower() in SUFFIXES for path in found) else None


def _innermost(root: Path) -> Path:
    """Where in a folder something lies that may be a data set."""
    for _ in range(_LEVELS):
        inner = _only_folder(root)
        if inner is not None and any(path.is_dir() for path in visible(inner)):
            root = inner
    return root
