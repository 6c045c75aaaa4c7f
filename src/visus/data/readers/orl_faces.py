"""The ORL (AT&T) faces: 40 people, 10 photographs each, grey.

Samaria, Harter, "Parameterisation of a Stochastic Model for Human Face Identification", WACV 1994. Layout:
``s<person>/<photograph>.pgm``.
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

_FORM = r"s(?P<class>\d+)/(?P<view>\d+)\.pgm"


def _read(root: Path, complain: Complain) -> ListedImages:
    return numbered_views(root, "s*/*.pgm", _FORM, "person")


open_orl_faces = partial(open_halves, read=_read)
check_orl_faces = partial(check_listed, read=_read)


def recognise_orl_faces(root: Path) -> bool:
    """Whether a folder has folders of this set's names only, with an image of its names in one of them."""
    folders = [path for path in root.glob("[!.]*") if path.is_dir()]
    named = all(re.fullmatch(r"s\d+", folder.name) for folder in folders)
    return named and any(re.fullmatch(r"\d+\.pgm", path.name) for folder in folders for path in folder.glob("*.pgm"))


def write_fake(root: Path, *, classes: int = 6, views: int = 5, seed: int = 0) -> None:
    """Write a miniature of ``classes`` people."""
    for number in range(1, classes + 1):
        for view in range(1, views + 1):
            save_class(Path(root) / f"s{number}" / f"{view}.pgm", number, view, seed=seed, grey=True)


ENTRY = DatasetEntry(
    open=open_orl_faces,
    write_fake=write_fake,
    recognise=recognise_orl_faces,
    mark="s1/1.pgm and so on (retrieval of faces)",
    check=check_orl_faces,
    summary="ORL faces, half of the people unseen",
    licence="research, with credit to AT&T Laboratories Cambridge",
    size="200 + 200 images, 20 + 20 people",
    source="https://cam-orl.co.uk/facedatabase.html",
    unseen_classes=True,
)
