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

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes of these tests are forked")


def train(
    squares: SimpleNamespace, folder: Path, recipe: Recipe, make: Callable[..., Any] | None, resume: bool = False
) -> None:
    """Trains the small problem, as the task that ``make`` makes; leaves the weights of each process in ``folder``."""
    from visus.training.fit import fit

    run = RunFolder(folder)
    run.create(recipe)
    task = make(squares, recipe, dropout=0.0, norm=False) if make else squares.task(recipe, dropout=0.0, norm=False)
    train_loader, val_loader = squares.loaders(recipe, 48, 32)
    train_loader.dataset.dataset.transform = lambda sample, generator: sample
    fit(task, train_loader, val_loader, recipe, run, schema=squares.schema, resume=resume, loggers=[])
    torch.save(task.model.state_dict(), folder / f"process{os.environ.get('RANK', '0')}.pt")


def train_as_process(rank: int, port: int, *what: Any) -> None:
    """What one of two processes does; the variables are those that torchrun sets."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"GROUP_RANK": "0", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    train(*what)


def in_two_processes(*what: Any) -> None:
    """Does `train` in two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start_processes(train_as_process, (port, *what), nprocs=2, start_method="fork")


@pytest.mark.parametrize("make", [None, make_adversarial_task], ids=["one optimiser", "two optimisers"])
@pytest.mark.parametrize("accumulate", [1, 4])
def test_two_processes_train_as_one_with_the_double_batch(
    squares: SimpleNamespace, tmp_path: Path, accumulate: int, make: Callable[..., Any] | None
) -> None:
    one = squares.recipe(epochs=3, ema_decay=0.9, accumulate=accumulate)  # 6 batches: the last round has 2 of 4
    two = replace(one, data=replace(one.data, batch_size=4), fit=replace(one.fit, devices=2))
    in_two_processes(squares, tmp_path / "two", two, make)
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


def test_two_processes_go_on_to_the_same_numbers(squares: SimpleNamespace, tmp_path: Path) -> None:
    whole = squares.recipe(epochs=2, devices=2)
    in_two_processes(squares, tmp_path / "whole", whole, None)
    cut = replace(whole, fit=replace(whole.fit, max_steps=1))  # inside the first epoch
    in_two_processes(squares, tmp_path / "cut", cut, None)
    in_two_processes(squares, tmp_path / "cut", whole, None, True)
    expected, found = (torch.load(tmp_path / name / "process0.pt") for name in ("whole", "cut"))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize(("before", "after", "steps"), [(2, 1, [5, 11]), (1, 2, [4, 7])])
def test_a_run_goes_on_with_other_processes_than_it_began_with(
    squares: SimpleNamespace, tmp_path: Path, before: int, after: int, steps: list[int]
) -> None:
    """48 images in batches of 8 are 6 rounds an epoch for one process and 3 for two; each image still comes once."""
    recipe = squares.recipe(epochs=2)
    for devices, rounds in ((before, 2 if before == 1 else 1), (after, None)):
        part = replace(recipe, fit=replace(recipe.fit, devices=devices, max_steps=rounds))
        run = in_two_processes if devices == 2 else train
        run(squares, tmp_path, part, None, rounds is None)
    history = RunFolder(tmp_path).history()
    assert [row["step"] for row in history] == steps
    assert history[-1]["lr"] < 0.1 * recipe.optim.lr, "the schedule ends where the run does"
