"""Runs every check of the project in turn, from the fastest to the slowest, and stops at the first that fails.

The tests come last, so that the runner's closing line is the last line printed. Arguments go to the test runner.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent
CHECKS: dict[str, list[str]] = {
    "installed versions agree": [sys.executable, "-m", "pip", "check"],
    "lint": [str(TOOLS / "ruff"), "check", "."],
    "format": [str(TOOLS / "ruff"), "format", "--check", "."],
    "layers": [str(TOOLS / "lint-imports")],
    "types": [str(TOOLS / "mypy")],
}
TESTS = [sys.executable, "-m", "pytest", "-n", "2", "-m", "not slow"]


def main(arguments: Sequence[str]) -> int:
    """Runs the checks and then the tests; the exit status is that of the first failure."""
    # One thread for each process: two test workers share the cores instead of fighting for them.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    seconds = {}
    for name, command in CHECKS.items():
        print(f"== {name}: {shown(command)}", flush=True)
        start = time.monotonic()
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        seconds[name] = time.monotonic() - start
        if status:
            print(f"== {name} failed after {seconds[name]:.1f} s; the checks after it did not run", flush=True)
            return status
    print("== passed: " + ", ".join(f"{name} {took:.1f} s" for name, took in seconds.items()), flush=True)
    tests = [*TESTS, *arguments]
    print(f"== tests: {shown(tests)}", flush=True)
    return subprocess.run(tests, cwd=ROOT, env=environment, check=False).returncode


def shown(command: Sequence[str]) -> str:
    """The command as a person would type it."""
    words = [Path(command[0]).name, *command[1:]]
    return " ".join(f'"{word}"' if " " in word else word for word in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
