"""The queue: bounded, in order, equal work together, and an end that finishes what waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from visus.server.jobs import Jobs, call_each
from visus.server.settings import RequestError


class Gate:
    """Work that waits until it is let through, and remembers what was done together."""

    def __init__(self) -> None:
        self.open, self.reached = threading.Event(), threading.Event()
        self.together: list[list[Any]] = []

    def work(self, things: Sequence[Any]) -> list[Any]:
        self.reached.set()
        assert self.open.wait(10)
        self.together.append(list(things))
        return [thing * 2 for thing in things]

    def other(self, things: Sequence[Any]) -> list[Any]:
        self.together.append(list(things))
        return list(things)


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    made = Jobs(most=4, batch_size=3)
    yield made
    made.stop(5)


def test_equal_work_that_waits_is_done_together_and_in_order(jobs: Jobs) -> None:
    gate = Gate()
    first = jobs.add(gate.work, 1)
    assert gate.reached.wait(10)
    later = [*jobs.add(gate.work, 2), *jobs.add(gate.other, 10), *jobs.add(gate.work, 3, 4)]
    gate.open.set()
    assert [job.done.result(10) for job in [*first, *later]] == [2, 4, 10, 6, 8]
    assert gate.together == [[1], [2, 3, 4], [10]]


def test_a_full_queue_takes_nothing_of_what_does_not_fit(jobs: Jobs) -> None:
    gate = Gate()
    jobs.add(gate.work, 0)
    assert gate.reached.wait(10)
    jobs.add(gate.work, 1, 2, 3)
    with pytest.raises(RequestError, match="busy") as caught:
        jobs.add(gate.work, 4, 5)
    assert caught.value.status == 503
    assert caught.value.retry_after is not None
    assert caught.value.retry_after >= 1
    assert len(jobs) == 3
    gate.open.set()


def test_what_fails_is_told_to_whoever_asked(jobs: Jobs) -> None:
    def broken(things: Sequence[Any]) -> list[Any]:
        raise RuntimeError("broken")

    [job] = jobs.add(broken, 1)
    with pytest.raises(RuntimeError, match="broken"):
        job.done.result(10)
    [job] = jobs.add(lambda things: [], 1)
    with pytest.raises(RuntimeError, match="gave 0 results"):
        job.done.result(10)
    [fine, bad] = jobs.add(call_each, lambda: 3, lambda: 1 // 0)
    assert fine.done.result(10) == 3
    with pytest.raises(ZeroDivisionError):
        bad.done.result(10)


def test_stopping_finishes_what_waits_and_takes_no_more(jobs: Jobs) -> None:
    gate = Gate()
    waiting = [*jobs.add(gate.work, 1), *jobs.add(gate.work, 2)]
    gate.open.set()
    jobs.stop(10)
    assert [job.done.result(0) for job in waiting] == [2, 4]
    with pytest.raises(RequestError, match="stopping"):
        jobs.add(gate.work, 3)


def test_cancelled_jobs_are_not_done(jobs: Jobs) -> None:
    gate = Gate()
    jobs.add(gate.work, 1)
    assert gate.reached.wait(10)
    [dropped] = jobs.add(gate.work, 2)
    [kept] = jobs.add(gate.work, 3)
    assert dropped.done.cancel()
    gate.open.set()
    assert kept.done.result(10) == 6
    assert gate.together == [[1], [3]]
