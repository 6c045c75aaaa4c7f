"""Memory that a process keeps."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is glibc's")
def test_a_process_keeps_the_memory_that_it_frees() -> None:
    touch = (
        "import resource, sys, torch\n"
        "from visus import keep_memory\n"
        "if sys.argv[1] == 'keep': keep_memory()\n"
        "def step(): [torch.ones(n * 1_000_000) for n in (4, 16, 1, 8)]\n"
        "for _ in range(10): step()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(10): step()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)"
    )
    faults = {}
    for word in ("keep", "usual"):
        command = [sys.executable, "-c", touch, word]
        faults[word] = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert faults["keep"] < faults["usual"] / 10, faults
