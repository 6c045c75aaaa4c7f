"""COIL-20: 20 objects on a turntable, each seen from 72 sides, grey.

Nene, Nayar, Murase, "Columbia Object Image Library (COIL-20)", CUCS-005-96. Layout: ``obj<object>__<view>.png``.
"""

from __future__ import annotations

from pathlib import Path

from visus.data.records.class_splits import LabelledDataset, open_class_split
from visus.data.records.classes_fake import save_class
from visus.data.records.numbered_views import read_numbered_views

_FORM = r"obj(?P<class>\d+)__(?P<view>\d+)\.png"


def open_coil20(root: Path, split: str, *, for_training: bool = False) -> LabelledDataset:
    """Open a split (see `open_class_split`): the first half of the objects trains, the other tests.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: the folder holds no picture of this set.
    """
    return open_class_split(
        split, lambda train: read_numbered_views(Path(root), "obj*__*.png", _FORM, "object", train=train)
    )


def write_fake(root: Path, *, classes: int = 6, views: int = 6, seed: int = 0) -> None:
    """Write a miniature of ``classes`` objects."""
    for number in range(1, classes + 1):
        for view in range(views):
            save_class(Path(root) / f"obj{number}__{view}.png", number, view, seed=seed, grey=True)
