"""Small sets whose file names hold the class and the view: objects on a turntable, people's faces."""

from __future__ import annotations

import re
from pathlib import Path

from visus.data.errors import DatasetNotFoundError
from visus.data.records.class_splits import first_half
from visus.data.records.image_records import ImageRecord, images_of
from visus.data.records.labelled import LabelledImages


def read_numbered_views(root: Path, pattern: str, form: str, kind: str, *, train: bool) -> LabelledImages:
    """The pictures of one half of the classes, ordered by class and view.

    Args:
        root: the folder.
        pattern: a glob for the pictures.
        form: a regular expression for their path below the folder, with the groups "class" and "view".
        kind: what a class is called ("object"): classes are named by it and their number.
        train: the first half, or the other one.

    Raises:
        DatasetNotFoundError: the folder has no such picture.
    """
    found = [(match, path) for path in root.glob(pattern) if (match := re.fullmatch(form, _below(root, path)))]
    if not found:
        raise DatasetNotFoundError(f"{root}: no picture {pattern}")
    rows = sorted((int(match["class"]), int(match["view"]), _below(root, path)) for match, path in found)
    trained = first_half(label for label, _, _ in rows)
    records = [ImageRecord(path, label) for label, _, path in rows if (label in trained) == train]
    return images_of(root, records, names={label: f"{kind} {label}" for label, _, _ in rows})


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
