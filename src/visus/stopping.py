"""Ctrl-C and SIGTERM: the first one asks, the second one ends the process, and worker processes hear neither.

A terminal and a scheduler send a signal to all processes of a group. Only the main process may answer it: a worker that
ends takes away the batch that the main process waits for.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from visus.errors import VisusError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """A signal ends the process now. No ``Exception``, as ``KeyboardInterrupt`` is none: nothing takes it for an error.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class StoppedOnRequest(VisusError):
    """Work was left after a request, with everything saved; the message says how to go on.

    Args:
        message: what was left where, and the command that goes on.
        number: of the signal that asked.
    """

    def __init__(self, message: str, number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.number = number


def exit_status(number: int) -> int:
    """The status of a process that a signal ended: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + number


def stop_now(number: int, frame: FrameType | None) -> None:
    """A signal handler that raises `Stopped`."""
    raise Stopped(number)


def ignore_signals() -> None:
    """Makes this process deaf to `SIGNALS`."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def be_worker(number: int = 0) -> None:
    """Makes a worker process deaf to `SIGNALS`, but for the SIGTERM by which its own parent ends it.

    Without ``sigwaitinfo`` (on macOS) nobody can tell the sender, and SIGTERM ends the worker as ever.

    Args:
        number: of the worker.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        threading.Thread(target=_obey_parent, args=(os.getppid(),), daemon=True).start()


def _obey_parent(parent: int) -> None:
    """Waits for the parent's SIGTERM, and ends this process."""
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != parent:
        pass
    os._exit(exit_status(signal.SIGTERM))


class StopRequest:
    """Inside ``with``, a first signal only sets `number`; a second one raises `Stopped`.

    Signals reach the main thread alone; in any other one this does nothing.

    Args:
        on_request: called once, with the number of the first signal.
    """

    def __init__(self, on_request: Callable[[int], None] = lambda number: None) -> None:
        self.number = 0
        self.on_request = on_request
        self._before: dict[int, Any] = {}
        self._process = os.getpid()

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before = {}

    def listen(self) -> None:
        """Takes the signals, again where others took them in between."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before.setdefault(number, signal.getsignal(number))
                signal.signal(number, self._asked)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a process that was just forked and is not yet deaf
            return
        if self.number:
            raise Stopped(number)
        self.number = number
        self.on_request(number)
