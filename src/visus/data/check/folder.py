"""Looks through a data set for everything that training or evaluation would stumble over; reports all of it at once."""

from __future__ import annotations

from pathlib import Path

from visus.data.check.records import Problem
from visus.data.check.report import CheckReport, no_data
from visus.data.datasets import DATASETS
from visus.data.errors import DatasetNotFoundError
from visus.data.recognise import layout_of
from visus.errors import VisusError
from visus.names import find


def check_folder(root: Path, *, decode: bool = True, dataset: str | None = None) -> CheckReport:
    """Check every annotation file and every image of a data set.

    Args:
        root: the folder.
        decode: read every image completely; otherwise only the heads of the files.
        dataset: the name of the data set or layout; None recognises it.

    Raises:
        ValueError: there is no such data set, or it is generated and has no folder.
    """
    root = Path(root)
    try:
        name = dataset or layout_of(root)
    except DatasetNotFoundError as error:
        return no_data(root, error)
    check = find(DATASETS, name, "data set").check
    if check is None:
        raise ValueError(f"{name} is generated: there is nothing to check")
    try:
        return check(root, decode=decode)
    except VisusError as error:  # such as a package that its reader needs and that is not installed
        return CheckReport((Problem("unusable data set", "error", str(root), str(error)),), 0, 0)
