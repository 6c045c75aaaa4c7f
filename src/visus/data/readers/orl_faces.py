"""The ORL (AT&T) faces: 40 people, 10 photographs each, grey.

Samaria, Harter, "Parameterisation of a Stochastic Model for Human Face Identification", WACV 1994. Layout:
``s<person>/<photograph>.pgm``.
"""

from __future__ import annotations

from pathlib import Path

from visus.data.records.class_splits import LabelledDataset, open_class_split
from visus.data.records.classes_fake import save_class
from visus.data.records.numbered_views import read_numbered_views

_FORM = r"s(?P<class>\d+)/(?P<view>\d+)\.pgm"


def open_orl_faces(root: Path, split: str, *, for_training: bool = False) -> LabelledDataset:
    """Open a split (see `open_class_split`): the first half of the people trains, the other tests.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: the folder holds no picture of this set.
    """
    return open_class_split(
        split, lambda train: read_numbered_views(Path(root), "s*/*.pgm", _FORM, "person", train=train)
    )


def write_fake(root: Path, *, classes: int = 6, views: int = 5, seed: int = 0) -> None:
    """Write a miniature of ``classes`` people."""
    for number in range(1, classes + 1):
        for view in range(1, views + 1):
            save_class(Path(root) / f"s{number}" / f"{view}.pgm", number, view, seed=seed, grey=True)
