"""What becomes of memory that a process has freed."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_MALLOPT: Final[dict[int, int]] = {-4: 0, -1: 2**31 - 1, -2: 64 << 20, -8: 1}
"""What glibc is told, by its numbers: no mapping of its own for a large block (M_MMAP_MAX), give back none below 2 GB
(M_TRIM_THRESHOLD), grow by 64 MB (M_TOP_PAD), one heap for all threads (M_ARENA_MAX)."""


def keep_memory() -> None:
    """Has this process keep the memory that it frees; elsewhere than on Linux with glibc, does nothing.

    A step of training frees and takes the same hundreds of megabytes again, and so does each image of a large network.
    By default they go back to the system each time, and every page is cleared when it is touched anew: a fifth of the
    time on a CPU. The command line does this by itself; a program of your own calls it once, before it computes.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for number, value in _MALLOPT.items():
            mallopt(number, value)
