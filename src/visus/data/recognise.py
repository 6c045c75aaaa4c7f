"""Which data set or layout a folder holds, by its folders and files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from visus.data.datasets import DATASETS
from visus.data.errors import DatasetNotFoundError

if TYPE_CHECKING:
    from visus.data.feed.loader import SampleDataset


def open_folder(root: Path, split: str, *, for_training: bool = False) -> SampleDataset:
    """Open a split of a folder in whatever layout it is; where VOC's has both, its boxes.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: no layout fits, or the split is missing.
        AnnotationError: the annotations cannot be used.
    """
    return DATASETS[layout_of(Path(root))].open(Path(root), split, for_training=for_training)


def layout_of(root: Path) -> str:
    """The name, in `DATASETS`, of the first data set or layout that a folder looks like.

    Raises:
        DatasetNotFoundError: it looks like none; lists what was looked for.
    """
    for name, entry in DATASETS.items():
        if entry.recognise is not None and entry.recognise(root):
            return name
    if not root.exists():
        raise DatasetNotFoundError(f"{root}: no such folder")
    marks = "\n".join(f"  {name}: {entry.mark}" for name, entry in DATASETS.items() if entry.recognise)
    raise DatasetNotFoundError(f"{root}: holds no data set of a known layout. Looked for\n{marks}")
