"""Two processes train as one with the double batch: the same losses, the same weights, metrics of all images."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.multiprocessing import start_processes

from training.adversaries import make_adversarial_task
from visus.training.recipe import Recipe
from visus.training.run import RunFolder


def train(squares: SimpleNamespace, folder: Path, recipe: Recipe, make: Callable[..., Any] | None) -> None:
    """Trains the small problem, as the task that ``make`` makes; leaves the weights of each process in ``folder``."""
    from visus.training.fit import fit

    run = RunFolder(folder)
    run.create(recipe)
    task = make(squares, recipe, dropout=0.0, norm=False) if make else squares.task(recipe, dropout=0.0, norm=False)
    train_loader, val_loader = squares.loaders(recipe, 48, 32)
    train_loader.dataset.dataset.transform = lambda sample, generator: sample
    fit(task, train_loader, val_loader, recipe, run, schema=squares.schema, loggers=[])
    torch.save(task.model.state_dict(), folder / f"process{os.environ.get('RANK', '0')}.pt")


def train_as_process(rank: int, port: int, *what: Any) -> None:
    """What one of two processes does; the variables are those that torchrun sets."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"GROUP_RANK": "0", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    train(*what)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes of this test are forked")
@pytest.mark.parametrize("make", [None, make_adversarial_task], ids=["one optimiser", "two optimisers"])
@pytest.mark.parametrize("accumulate", [1, 4])
def test_two_processes_train_as_one_with_the_double_batch(
    squares: SimpleNamespace, tmp_path: Path, accumulate: int, make: Callable[..., Any] | None
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one = squares.recipe(epochs=3, ema_decay=0.9, accumulate=accumulate)  # 6 batches: the last round has 2 of 4
    two = replace(one, data=replace(one.data, batch_size=4), fit=replace(one.fit, devices=2))
    start_processes(train_as_process, (port, squares, tmp_path / "two", two, make), nprocs=2, start_method="fork")
    train(squares, tmp_path / "one", one, make)

    first, second = (torch.load(tmp_path / "two" / f"process{rank}.pt") for rank in (0, 1))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    alone = torch.load(tmp_path / "one" / "process0.pt")
    torch.testing.assert_close(first, alone, rtol=1e-3, atol=1e-5)
    histories = [RunFolder(tmp_path / name).history() for name in ("one", "two")]
    assert len(histories[0]) == len(histories[1]) == 3
    for expected, row in zip(*histories, strict=True):
        assert row["step"] == expected["step"]
        assert row["train loss"] == pytest.approx(expected["train loss"], rel=1e-4)
        assert row["val loss"] == pytest.approx(expected["val loss"], rel=1e-4)
        assert row["box AP"] == expected["box AP"]
