"""Work beside the network: the next images are read, and the last results are written, while it computes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Any, Final, Self, TypeVar

Value = TypeVar("Value")

THREAD: Final = "visus-read-ahead"
"""The name of the thread."""

_WAIT: Final = 0.1  # seconds, until somebody who waits looks whether the other side has gone


class _End:
    """What comes last: an error, or nothing."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def read_ahead(values: Iterable[Value], *, depth: int = 2) -> Iterator[Value]:
    """The same values in the same order, of which up to ``depth`` are made by a thread before they are asked for.

    An error comes where it would have come. Whoever stops early waits for the value that is being made, and no other.
    """
    ready: Queue[Value | _End] = Queue(maxsize=depth)
    gone = threading.Event()

    def put(value: Value | _End) -> bool:
        while not gone.is_set():
            try:
                ready.put(value, timeout=_WAIT)
            except Full:
                continue
            return True
        return False

    def make() -> None:
        error: BaseException | None = None
        try:
            for value in values:
                if not put(value):
                    return
        except BaseException as caught:  # raised again by whoever asks
            error = caught
        put(_End(error))

    thread = threading.Thread(target=make, name=THREAD, daemon=True)
    thread.start()
    try:
        while True:
            try:
                value = ready.get(timeout=_WAIT)
            except Empty:
                continue
            if isinstance(value, _End):
                if value.error is not None:
                    raise value.error
                return
            yield value
    finally:
        gone.set()
        thread.join()


class Beside:
    """Does one job after the other in a thread, as a context: leaving it waits for all, and raises what went wrong.

    Args:
        most: so many jobs wait, at most; the next one is put off until one is done.
    """

    def __init__(self, *, most: int = 4) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._jobs: deque[Future[Any]] = deque()
        self._most = most

    def do(self, job: Callable[[], object]) -> None:
        """Puts a job at the end; raises what an earlier one has raised."""
        while self._jobs and (len(self._jobs) >= self._most or self._jobs[0].done()):
            self._jobs.popleft().result()
        self._jobs.append(self._pool.submit(job))

    def wait(self) -> None:
        """Until all jobs are done; those behind one that failed are left out."""
        while self._jobs:
            self._jobs.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finishes what was begun, also after an error elsewhere, which then counts more than one of a job."""
        try:
            self.wait()
        except Exception:
            if error is None:
                raise
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)
