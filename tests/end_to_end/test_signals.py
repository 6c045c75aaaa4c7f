"""Ctrl-C and SIGTERM to `visus train` and other verbs, sent to the process or to its whole group, as schedulers do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups of POSIX")

SMALL = ["fcn_vignettes", "--data.train-length", "12", "--data.val-length", "4", "--data.batch-size", "2"]
SMALL += ["--fit.epochs", "2", "--fit.accelerator", "cpu", "--model-options.size", "96"]

# Runs the command line after a change: the AT-th call of METHOD with ABOUT in its arguments sends SIGNAL to the group.
DRIVER = """
import importlib, os, subprocess, sys, time
module, kind, method, about, at, number, times, *words = sys.argv[1:]
owner = getattr(importlib.import_module(module), kind)
original = getattr(owner, method)
calls = 0
def changed(*arguments, **options):
    global calls
    calls += about in str(arguments) if about else 1
    if calls == int(at):
        calls += 1
        for _ in range(int(times)):
            # By a process of another group, as a scheduler would.
            subprocess.run(["/bin/sh", "-c", f"kill -{number} -{os.getpgid(0)}"], start_new_session=True)
            time.sleep(0.05)
    return original(*arguments, **options)
setattr(owner, method, changed)
from visus.training import records
records.LONG_VALIDATION = 0.0
sys.argv = ["visus", *words]
from visus.cli import main
sys.exit(main())
"""
BATCH = ("visus.training.task", "Task", "training_step", "", "2")
SAVE = ("visus.training.records", "Checkpoints", "_save", "", "2")
VALIDATION = ("visus.training.task", "Task", "validation_step", "", "2")


@dataclass
class Ended:
    """How a command ended."""

    status: int
    out: str
    errors: str


def command(folder: Path, *words: str, driver: list[str] | None = None) -> Ended:
    """Runs the command line in a group of its own."""
    start = [sys.executable, "-c", DRIVER, *driver] if driver else [sys.executable, "-m", "visus"]
    done = subprocess.run(
        [*start, *words], cwd=folder, capture_output=True, text=True, start_new_session=True, timeout=300, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("where", "number", "status", "goes_on"),
    [
        (BATCH, signal.SIGTERM, 143, True),
        (BATCH, signal.SIGINT, 130, False),
        (SAVE, signal.SIGTERM, 143, False),
        (VALIDATION, signal.SIGTERM, 143, True),
    ],
    ids=["SIGTERM in the first epoch", "Ctrl-C in the first epoch", "while saving", "in a validation"],
)
def test_a_training_that_is_stopped_goes_on_with_the_command_it_prints(
    tmp_path: Path, where: tuple[str, ...], number: int, status: int, goes_on: bool
) -> None:
    words = ["train", *SMALL, "--data.workers", "1", "--run", "my run"]
    ended = command(tmp_path, *words, driver=[*where, str(int(number)), "1"])
    assert ended.status == status, ended
    assert ended.errors == ""
    assert ended.out.rstrip().endswith(", as asked. Go on with: visus train 'my run' --resume")
    assert (tmp_path / "my run" / "last.ckpt").is_file()
    assert not list((tmp_path / "my run").glob(".*.part"))
    if not goes_on:
        return
    again = command(tmp_path, "train", "my run", "--resume")
    assert again.status == 0, again
    assert (tmp_path / "my run" / "report.html").is_file()
    assert len((tmp_path / "my run" / "metrics.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("file", "at"),
    [
        ("last.ckpt", 1),
        pytest.param("last.ckpt", 2, marks=pytest.mark.slow),
        pytest.param("weights.safetensors", 2, marks=pytest.mark.slow),
        pytest.param("metrics.csv", 2, marks=pytest.mark.slow),
    ],
)
def test_a_training_that_is_killed_while_it_writes_goes_on_from_what_is_whole(
    tmp_path: Path, file: str, at: int
) -> None:
    """kill -9, when a file is written beside its place and is not there yet."""
    words = ["train", *SMALL, "--data.workers", "0", "--run", "run"]
    written = ["pathlib", "Path", "replace", f".{file}.", str(at)]
    ended = command(tmp_path, *words, driver=[*written, str(int(signal.SIGKILL)), "1"])
    assert ended.status == -signal.SIGKILL, ended
    run = tmp_path / "run"
    assert len(list(run.glob(f".{file}.*.part"))) == 1
    again = command(tmp_path, "train", "run", "--resume")
    if (file, at) == ("last.ckpt", 1):
        assert again.status == 2
        assert again.errors.strip().endswith(
            "Nothing to resume: run/last.ckpt does not exist. Leave --resume out to start a new run."
        )
        assert "\n" not in again.errors.strip()
        return
    assert again.status == 0, again
    assert not list(run.glob(".*.part"))
    assert len((run / "metrics.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_stops_at_once(tmp_path: Path, number: int, status: int) -> None:
    words = ["train", *SMALL, "--data.workers", "1", "--run", "run"]
    ended = command(tmp_path, *words, driver=[*BATCH, str(int(number)), "2"])
    assert ended.status == status
    assert "Traceback" not in ended.errors + ended.out
    assert not (tmp_path / "run" / "last.ckpt").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("seconds", [0.3, 1.5, 3.0])
def test_a_signal_at_any_other_time_ends_a_command_in_one_line(
    tmp_path: Path, number: int, status: int, seconds: float
) -> None:
    started = subprocess.Popen(
        [sys.executable, "-m", "visus", "demo", "--minutes", "1", "--run", "demo"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(seconds)
    os.killpg(started.pid, number)
    out, errors = started.communicate(timeout=120)
    assert started.returncode == status, (out, errors)
    assert "Traceback" not in out + errors
