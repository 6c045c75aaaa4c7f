"""Runs a function in two processes that talk to each other, as training on several devices does."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch.distributed as dist


def in_two_processes(use: Callable[[int, Path], None], folder: Path) -> None:
    """Calls ``use`` with the rank and the folder, in this process and in another one; both have to end well."""
    other = multiprocessing.get_context("spawn").Process(target=_joined, args=(use, 1, folder))
    other.start()
    _joined(use, 0, folder)
    other.join(60)
    assert other.exitcode == 0


def _joined(use: Callable[[int, Path], None], rank: int, folder: Path) -> None:
    meeting, patience = f"file://{folder}/meeting", timedelta(seconds=120)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=patience)
    use(rank, folder)
    dist.destroy_process_group()
