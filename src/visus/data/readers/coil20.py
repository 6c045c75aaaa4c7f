"""COIL-20: 20 objects on a turntable, each seen from 72 sides, grey.

Nene, Nayar, Murase, "Columbia Object Image Library (COIL-20)", CUCS-005-96. Layout: ``obj<object>__<view>.png``.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from visus.data.check.listed import check_listed
from visus.data.entry import DatasetEntry
from visus.data.records.class_splits import open_halves
from visus.data.records.fake_images import save_class
from visus.data.records.image_records import Complain, ListedImages, numbered_views

_FORM = r"obj(?P<class>\d+)__(?P<view>\d+)\.png"


def _read(root: Path, complain: Complain) -> ListedImages:
    return numbered_views(root, "obj*__*.png", _FORM, "object")


open_coil20 = partial(open_halves, read=_read)
check_coil20 = partial(check_listed, read=_read)


def recognise_coil20(root: Path) -> bool:
    """Whether a folder has images with names of this set."""
    return any(re.fullmatch(_FORM, path.name) for path in root.glob("obj*__*.png"))


def write_fake(root: Path, *, classes: int = 6, views: int = 6, seed: int = 0) -> None:
    """Write a miniature of ``classes`` objects."""
    for number in range(1, classes + 1):
        for view in range(views):
            save_class(Path(root) / f"obj{number}__{view}.png", number, view, seed=seed, grey=True)


ENTRY = DatasetEntry(
    open=open_coil20,
    write_fake=write_fake,
    recognise=recognise_coil20,
    mark="obj1__0.png and so on (retrieval of objects on a turntable)",
    check=check_coil20,
    summary="COIL-20: objects on a turntable, half of them unseen",
    licence="research",
    size="720 + 720 images, 10 + 10 objects",
    source="https://www.cs.columbia.edu/CAVE/software/softlib/coil-20.php",
    unseen_classes=True,
)
