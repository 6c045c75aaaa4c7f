"""What is to be computed, one after the other: a bounded queue, and a thread that takes equal work together.

A job is some work and what it is done on. While the thread computes, others gather; then it takes the oldest, and with
it those that wait for the same work, up to a limit. Nothing ever waits for others to come.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from visus.server.settings import RequestError

Work = Callable[[Sequence[Any]], Sequence[Any]]
"""Does the same to several things: a result for each, or the exception that it failed with."""

_MEMORY = 0.9  # how much of the mean time of a job stays, when the next is done


@dataclass(eq=False)
class Job:
    """Something to be done.

    Args:
        work: what.
        thing: on what.
        done: its result.
        started: whether the thread has taken it.
    """

    work: Work
    thing: Any
    done: Future[Any] = field(default_factory=Future)
    started: bool = False


class Jobs:
    """The queue and its thread.

    Args:
        most: jobs that wait, at most.
        batch_size: jobs that are done together, at most.
    """

    def __init__(self, *, most: int, batch_size: int) -> None:
        self.most, self.batch_size = most, batch_size
        self.batches, self.taken = 0, 0
        self._waiting: deque[Job] = deque()
        self._change = threading.Condition()
        self._stopped = False
        self._seconds = 0.1  # the mean of a job
        self._thread = threading.Thread(target=self._serve, name="visus jobs", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def stopped(self) -> bool:
        """Whether nothing more is taken."""
        return self._stopped

    def add(self, work: Work, *things: Any) -> list[Job]:
        """Puts work on each thing into the queue: all of them or none.

        Raises:
            RequestError: there is no room (503), or the server is stopping.
        """
        jobs = [Job(work, thing) for thing in things]
        with self._change:
            if self._stopped:
                raise RequestError("the server is stopping", status=503, retry_after=5)
            if len(self._waiting) + len(jobs) > self.most:
                raise self.busy()
            self._waiting.extend(jobs)
            self._change.notify()
        return jobs

    def busy(self) -> RequestError:
        """The error to answer with while there is no room, and when there probably will be."""
        wait = max(1, math.ceil(self._seconds * max(1, len(self._waiting))))
        return RequestError(f"busy: {self.most} requests are waiting; try again", status=503, retry_after=wait)

    def stop(self, seconds: float) -> None:
        """Does what waits, and ends the thread; waits for that at most so long."""
        with self._change:
            self._stopped = True
            self._change.notify()
        self._thread.join(seconds)

    def _serve(self) -> None:
        while batch := self._next():
            began = time.monotonic()
            self.batches, self.taken = self.batches + 1, self.taken + len(batch)  # before anybody has the answer
            self._do(batch)
            each = (time.monotonic() - began) / len(batch)
            self._seconds = _MEMORY * self._seconds + (1 - _MEMORY) * each

    def _next(self) -> list[Job]:
        """The oldest job and others of its work; empty when all is done and nothing more will come."""
        with self._change:
            while not self._waiting:
                if self._stopped:
                    return []
                self._change.wait()
            work = self._waiting[0].work
            batch, left = list[Job](), deque[Job]()
            for job in self._waiting:
                chosen = job.work == work and len(batch) < self.batch_size
                (batch if chosen else left).append(job)
            self._waiting = left
        for job in batch:
            job.started = True
        return batch

    def _do(self, batch: list[Job]) -> None:
        kept = [job for job in batch if job.done.set_running_or_notify_cancel()]
        if not kept:
            return
        try:
            results = list(kept[0].work([job.thing for job in kept]))
            if len(results) != len(kept):
                raise RuntimeError(f"work on {len(kept)} things gave {len(results)} results")
        except BaseException as error:  # whatever it is, the thread goes on
            results = [error] * len(kept)
        for job, result in zip(kept, results, strict=True):
            with suppress(Exception):  # whoever waited has left
                if isinstance(result, BaseException):
                    job.done.set_exception(result)
                else:
                    job.done.set_result(result)


def call_each(things: Sequence[Callable[[], Any]]) -> list[Any]:
    """The work of things that are functions: calls each, and gives what it raises as its result."""
    return [_called(thing) for thing in things]


def _called(thing: Callable[[], Any]) -> Any:
    try:
        return thing()
    except Exception as error:
        return error
