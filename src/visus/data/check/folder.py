"""Looks through a data set for everything that training or evaluation would stumble over; reports all of it at once."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from visus.data.check.mirror_guess import not_mirrored, offered_pairs
from visus.data.check.records import Problem
from visus.data.check.report import CheckReport, no_data
from visus.data.datasets import DATASETS
from visus.data.entry import DatasetEntry, Void
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.splits import SPLITS
from visus.data.formats.flip_pairs import FlipPairsError, flip_pairs_file
from visus.data.recognise import find_dataset
from visus.data.records.relabelled import label_table
from visus.errors import VisusError
from visus.names import find


def check_folder(root: Path, *, decode: bool = True, dataset: str | None = None, void: Void = "auto") -> CheckReport:
    """Check every annotation file and every image of a data set.

    Where the check of the layout finds no error, the reader itself opens every split and reads all targets, so what
    passes can be read; and the categories of the splits are compared.

    Args:
        root: the folder.
        decode: read every image completely; otherwise only the heads of the files.
        dataset: the name of the data set or layout; None recognises it.
        void: what 255 means in masks of classes.

    Raises:
        ValueError: there is no such data set, or it is generated and has no folder.
        VisusError: ``void`` for data without masks of classes.
    """
    root = Path(root).expanduser()
    try:
        name, root = (dataset, root) if dataset else find_dataset(root)
    except DatasetNotFoundError as error:
        return no_data(root, error)
    entry = find(DATASETS, name, "data set").with_void(void)
    if entry.check is None:
        raise ValueError(f"{name} is generated: there is nothing to check")
    try:
        report = entry.check(root, decode=decode)
    except VisusError as error:  # such as a package that its reader needs and that is not installed
        return CheckReport((Problem("unusable data set", "error", str(root), str(error)),))
    if report.errors:
        return report
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the reader warns of is in the report already
        opened: dict[str, Any] = {}
        found = tuple(_refused(root, entry, opened))
        note = "" if found else _note(root, opened)
    return report + CheckReport(found, notes=(note,) if note else ())


def _note(root: Path, opened: dict[str, Any]) -> str:
    """What training will not do with the first split; empty where there is nothing to say."""
    dataset = next(iter(opened.values()), None)
    return "" if dataset is None else not_mirrored(root, dataset.schema, offered_pairs(dataset))


def _refused(root: Path, entry: DatasetEntry, opened: dict[str, Any]) -> Iterator[Problem]:
    """What the reader refuses, and splits that do not mean the same; the others go into ``opened``."""
    absent: list[str] = []
    for split in SPLITS:
        try:
            opened[split] = entry.open(root, split, for_training=split == "train")
            yield from _unreadable(root, opened[split])
        except DatasetNotFoundError as error:
            absent.append(str(error))
        except FlipPairsError as error:  # the same for every split
            file = flip_pairs_file(root)
            yield Problem("unusable flip pairs", "error", str(file), str(error).removeprefix(f"{file}: "))
            return
        except VisusError as error:
            yield Problem("unreadable split", "error", str(root), f"the split {split!r}: {error}")
    if not opened and absent:
        yield Problem.of_error("missing split", root, absent[0])
    if not entry.unseen_classes:
        yield from _differences(root, opened)


def _unreadable(root: Path, dataset: Any) -> Iterator[Problem]:
    """The first target of a split that its reader refuses."""
    if not hasattr(dataset, "target"):
        return
    for index in range(len(dataset)):
        try:
            dataset.target(index)
        except VisusError as error:
            yield Problem("unreadable target", "error", dataset.path(index), str(error))
            return


def _differences(root: Path, opened: dict[str, Any]) -> Iterator[Problem]:
    """Categories, masks and keypoints of other splits that do not fit those of the first one."""
    if not opened:
        return
    first, *others = opened
    learned = opened[first].schema
    for split in others:
        schema = opened[split].schema
        try:
            label_table(learned, schema, of=f"the split {first!r}", other=f"the split {split!r}")
        except AnnotationError as error:
            yield Problem("different categories", "error", str(root), str(error))
        for what, has, lacks in (
            ("masks", learned.has_masks, not schema.has_masks),
            ("keypoints", learned.keypoints, not schema.keypoints),
        ):
            if has and lacks and len(opened[split]):
                message = f"the split {first!r} has {what}, the split {split!r} has none to measure them by"
                yield Problem(f"missing {what}", "error", str(root), message)
