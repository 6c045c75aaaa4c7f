"""Small sets whose file names hold the class and the view: objects on a turntable, people's faces."""

from __future__ import annotations

import re
from pathlib import Path

from visus.data.errors import DatasetNotFoundError
from visus.data.records.image_records import ImageRecord, ListedImages


def numbered_views(root: Path, pattern: str, form: str, kind: str) -> ListedImages:
    """The images of all classes, ordered by class and view.

    Args:
        root: the folder.
        pattern: a glob for the images.
        form: a regular expression for their path below the folder, with the groups "class" and "view".
        kind: what a class is called ("object"): classes are named by it and their number.

    Raises:
        DatasetNotFoundError: the folder has no such image.
    """
    paths = [path.relative_to(root).as_posix() for path in root.glob(pattern)]
    found = [match for path in paths if (match := re.fullmatch(form, path))]
    if not found:
        raise DatasetNotFoundError(f"{root}: no image {pattern}")
    rows = sorted((int(match["class"]), int(match["view"]), match.string) for match in found)
    return ListedImages(
        root, [ImageRecord(path, label) for label, _, path in rows], {label: f"{kind} {label}" for label, _, _ in rows}
    )
