"""Work beside the network: the order, the errors and the end are those of work that is done at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import pytest

from visus.predict.ahead import THREAD, Beside, read_ahead


def test_values_come_in_their_order() -> None:
    assert list(read_ahead(range(100), depth=3)) == list(range(100))
    assert list(read_ahead([])) == []


def test_values_are_made_before_they_are_asked_for_and_no_more_than_that() -> None:
    made: list[int] = []
    third = threading.Event()

    def values() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            if number == 3:
                third.set()
            yield number

    ahead: Any = read_ahead(values(), depth=2)
    assert next(ahead) == 0
    assert third.wait(5), "nothing is made while the first value is looked at"
    assert len(made) == 4, "the one that was asked for, two that wait, and one that finds no place"
    ahead.close()


def test_an_error_comes_behind_the_values_before_it() -> None:
    def values() -> Iterator[int]:
        yield 1
        raise OSError("torn")

    ahead = read_ahead(values())
    assert next(ahead) == 1
    with pytest.raises(OSError, match="torn"):
        next(ahead)


def test_whoever_stops_early_leaves_no_thread() -> None:
    ahead: Any = read_ahead(count(), depth=2)
    assert list(islice(ahead, 3)) == [0, 1, 2]
    ahead.close()
    assert THREAD not in [thread.name for thread in threading.enumerate()]


def test_jobs_are_done_in_their_order_and_all_of_them() -> None:
    done: list[int] = []
    with Beside(most=2) as beside:
        for number in range(20):
            beside.do(lambda number=number: done.append(number))  # type: ignore[misc]
    assert done == list(range(20))


def test_an_error_of_a_job_is_raised_where_the_next_ones_are_given() -> None:
    def fails() -> None:
        raise OSError("full")

    def work() -> None:
        with Beside(most=1) as beside:
            beside.do(fails)
            for _ in range(5):
                beside.do(lambda: done.append(1))

    done: list[int] = []
    with pytest.raises(OSError, match="full"):
        work()
    assert len(done) < 5


def test_an_error_elsewhere_counts_more_and_jobs_are_finished() -> None:
    done: list[int] = []

    def work() -> None:
        with Beside() as beside:
            beside.do(lambda: done.append(1))
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert done == [1]
