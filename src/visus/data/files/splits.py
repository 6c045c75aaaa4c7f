"""The splits of a data set: their names, and the division of one that comes in one piece."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

SPLITS = ("train", "val", "test")
ALIASES = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
_DIVISION_SEED = 20140501  # of the train/val/test division; never change it, or measured numbers change


def split_called(name: str) -> str | None:
    """The split that a folder or a list called ``name`` is for, None for any other name."""
    return next((split for split, aliases in ALIASES.items() if name.lower() in aliases), None)


def split_lists(root: Path) -> dict[str, Path]:
    """The list of each split that a folder has one for, such as ``train.txt`` or ``valid.txt``."""
    found = {}
    for split, aliases in ALIASES.items():
        for alias in reversed(aliases):  # the usual name wins
            if (root / f"{alias}.txt").is_file():
                found[split] = root / f"{alias}.txt"
    return found


def missing_split(split: str, present: Iterable[str]) -> str:
    """Says that a data set lacks a split, what it has, and how to name another one to measure on.

    Args:
        split: the one that was asked for.
        present: those that there are.
    """
    there = list(present)
    cure = "; `--data.val test` measures on it" if split == "val" and "test" in there else ""
    return f"has no split {split!r}; it has {', '.join(there) or 'none'}{cure}"


def check_split(split: str, known: tuple[str, ...] = SPLITS) -> None:
    """Refuse what is no split.

    Raises:
        ValueError: ``split`` is not among the ``known``.
    """
    if split not in known:
        raise ValueError(f"split {split!r} is unknown; the splits are {', '.join(known)}")


def divided(count: int, split: str) -> list[int]:
    """The places, ascending, of the 80, 10 or 10 % of ``count`` things that a split gets, the same every time.

    At least one thing is in each split where there are three.
    """
    turns: list[int] = torch.randperm(count, generator=torch.Generator().manual_seed(_DIVISION_SEED)).tolist()
    held_out = max(round(count / 10), 1) if count >= 3 else 0
    bounds = {"test": (0, held_out), "val": (held_out, 2 * held_out), "train": (2 * held_out, count)}
    first, last = bounds[split]
    return sorted(turns[first:last])
