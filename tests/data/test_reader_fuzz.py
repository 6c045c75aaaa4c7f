"""Damaged data sets: readers read them or refuse them by name, the check reports what they refuse, nothing hangs.

`make fuzz` tries many more than `make test` does; VISUS_FUZZ is how many of each reader, VISUS_FUZZ_SEED the first.
"""

from __future__ import annotations

import os
import random
import shutil
import time
import warnings
from pathlib import Path

import pytest

from data.mutations import copied, damage
from visus.catalog import DATASETS
from visus.data.check.folder import check_folder
from visus.data.errors import DatasetNotFoundError
from visus.errors import VisusError

COUNT = int(os.environ.get("VISUS_FUZZ", "6"))
FIRST = int(os.environ.get("VISUS_FUZZ_SEED", "0"))
SECONDS = 2.0
NAMES = sorted(name for name, entry in DATASETS.items() if entry.write_fake)


def read(name: str, root: Path) -> tuple[list[str], int]:
    """What the reader refuses, and how many splits it opened."""
    refused: list[str] = []
    absent: list[str] = []
    opened = 0
    for split in ("train", "val", "test"):
        try:
            dataset = DATASETS[name].open(root, split, for_training=split == "train")
            opened += 1
            for index in range(len(dataset)):
                dataset[index]
        except DatasetNotFoundError as error:
            absent.append(str(error))
        except VisusError as error:
            refused.append(str(error))
    for message in (*absent, *refused):
        if "/" not in message:
            raise TypeError(f"a message that names no file: {message}")
    return refused, opened


def trial(name: str, root: Path) -> str:
    """What is wrong with how a damaged data set is read and checked; empty where nothing is."""
    begin = time.process_time()  # other tests may run beside this one; hangs are ended by the runner's limit
    try:
        refused, opened = read(name, root)
    except Exception as error:
        return f"reading raises {type(error).__name__}: {error}"
    middle = time.process_time()
    try:
        report = check_folder(root, dataset=name)
    except Exception as error:
        return f"the check raises {type(error).__name__}: {error}"
    if max(middle - begin, time.process_time() - middle) > SECONDS:
        return f"{middle - begin:.1f} s to read, {time.process_time() - middle:.1f} s to check"
    if not report.errors and refused:
        return f"the check passes what the reader refuses: {refused[0]}"
    if not report.errors and not opened:
        return "the check passes what has no split"
    return ""


@pytest.mark.parametrize("name", NAMES)
def test_damaged_data_sets_are_read_or_refused(name: str, tmp_path: Path) -> None:
    write = DATASETS[name].write_fake
    assert write is not None
    write(tmp_path / "whole")
    failures = []
    for seed in range(FIRST, FIRST + COUNT):
        generator = random.Random(f"{name} {seed}")
        root = tmp_path / "damaged"
        copied(tmp_path / "whole", root)
        what = [damage(root, generator) for _ in range(generator.choice((1, 1, 2, 3)))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if wrong := trial(name, root):
                failures.append(f"seed {seed}: {'; '.join(what)}\n    {wrong}")
        shutil.rmtree(root)
    assert not failures, "\n".join(failures)
