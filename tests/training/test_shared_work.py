"""A list of work that two processes share: every piece is done once, and errors are told by the first one."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch.multiprocessing import start_processes

from visus.errors import VisusError
from visus.training.shared_work import Sharing, shared_work

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes of these tests are forked")


def share(folder: Path, pieces: int, failing: Sequence[int], listing_fails: bool = False) -> None:
    """Shares pieces, each a number, and writes what this process did and was told."""
    done: list[int] = []

    def listed() -> list[int]:
        if listing_fails:
            raise VisusError("no list")
        return list(range(pieces))

    def begin(device: torch.device) -> Callable[[Sequence[int]], list[int]]:
        assert device.type == "cpu"

        def work(some: Sequence[int]) -> list[int]:
            for one in some:
                if one in failing:
                    raise VisusError(f"piece {one} cannot be done")
                done.append(one)
            return done

        return work

    told: object
    try:
        told = shared_work(listed, begin, Sharing("cpu", 2, 1, 3, "start again"))
    except VisusError as error:
        told = str(error)
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps({"done": done, "told": told}))


def _as_process(rank: int, port: int, folder: Path, pieces: int, failing: Sequence[int], listing_fails: bool) -> None:
    """What one of two processes does; the variables are those that torchrun sets."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"GROUP_RANK": "0", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    share(folder, pieces, failing, listing_fails)


def shared(
    folder: Path, pieces: int, failing: Sequence[int] = (), listing_fails: bool = False
) -> tuple[list[list[int]], list[object]]:
    """What each of two processes did, and what it was told."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start_processes(_as_process, (port, folder, pieces, failing, listing_fails), nprocs=2, start_method="fork")
    found = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]
    return [one["done"] for one in found], [one["told"] for one in found]


@pytest.mark.parametrize("pieces", [11, 1, 0])
def test_each_piece_is_done_once(tmp_path: Path, pieces: int) -> None:
    done, told = shared(tmp_path, pieces)
    assert sorted(done[0] + done[1]) == list(range(pieces))
    assert abs(len(done[0]) - len(done[1])) <= 1
    assert told == [[some for some in done if some], None], "the first process is told what all have done"


def test_an_error_of_any_process_is_told_by_the_first(tmp_path: Path) -> None:
    done, told = shared(tmp_path, 20, failing=[1])
    assert told == ["piece 1 cannot be done", None]
    assert done == [list(range(0, 20, 2)), []], "the other process did its share"


def test_a_list_that_cannot_be_made_ends_all_processes(tmp_path: Path) -> None:
    assert shared(tmp_path, 20, listing_fails=True) == ([[], []], ["no list", None])
