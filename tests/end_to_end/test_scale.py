"""Training on several processes through the command line: one is killed, and the run goes on; torchrun by itself."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from visus.training.run import RunFolder

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="signals of POSIX")

SMALL = ["fcn_vignettes", "--data.train-length", "12", "--data.val-length", "5", "--data.batch-size", "2"]
SMALL += ["--data.workers", "0", "--fit.epochs", "2", "--fit.accelerator", "cpu", "--model-options.size", "64"]

# The command line, of which process 1 kills itself once, at its fifth step: in the second epoch.
DRIVER = """
import os, signal, sys
from pathlib import Path
from typing import Any
from visus.cli import main
from visus.runs.launch import process_rank
from visus.training.task import Task
original, calls = Task.training_step, 0
def step(*words):
    global calls
    calls += 1
    if calls == 5 and process_rank() == 1 and not Path("killed").exists():
        Path("killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*words)
Task.training_step = step
sys.exit(main())
"""


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    file = tmp_path / "driver.py"
    file.write_text(DRIVER)
    return file


def started(folder: Path, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, *map(str, words)]
    # Where agents start their processes again for different reasons, torch 2.13 gives them addresses of before.
    there = {**os.environ, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    return subprocess.Popen(command, cwd=folder, env=there, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def flat(measures: dict[Any, Any]) -> dict[str, float]:
    """Measures, those of each class with all their names, matrices number by number."""
    found: dict[str, float] = {}
    for name, value in measures.items():
        parts = dict(enumerate(value)) if isinstance(value, list) else value
        inner = flat(parts) if isinstance(parts, dict) else {"": value}
        found |= {f"{name} {key}": number for key, number in inner.items()}
    return found


@pytest.mark.slow
def test_a_run_goes_on_after_one_of_two_processes_was_killed(tmp_path: Path, driver: Path) -> None:
    broken = started(tmp_path, driver, "train", *SMALL, "--fit.devices", 2, "--run", "run")
    out, errors = broken.communicate(timeout=500)
    assert broken.returncode == 2, (out, errors)
    assert "Process 0 of 2 (from 0) lost another one" in errors
    assert errors.rstrip().endswith("Go on with: visus train run --resume")
    assert len(errors.splitlines()) == 1
    run = RunFolder(tmp_path / "run")
    assert len(run.history()) == 1

    again = started(tmp_path, "-m", "visus", "train", "run", "--resume")
    out, errors = again.communicate(timeout=500)
    assert (again.returncode, errors) == (0, ""), out
    assert [row["step"] for row in run.history()] == [3, 6], "as many rounds as without the fault"

    alone = run.metrics()
    run.metrics_file.unlink()
    words = ["evaluate", "run", "--fit.devices", 2, "--device", "cpu"]
    measured = started(tmp_path, "-m", "visus", *words)
    out, errors = measured.communicate(timeout=500)
    assert (measured.returncode, errors) == (0, ""), out
    assert out.count("mIoU") == 1, "one process tells"
    assert flat(run.metrics()) == pytest.approx(flat(alone))


@pytest.mark.slow
def test_torchrun_on_two_machines_starts_again_by_itself(tmp_path: Path, driver: Path) -> None:
    """Two agents with a process each stand for two machines; the first run of the name belongs to somebody else."""
    (tmp_path / "runs" / "fcn_vignettes").mkdir(parents=True)
    (tmp_path / "runs" / "fcn_vignettes" / "recipe.json").write_text("{}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = ["--nnodes", 2, "--nproc-per-node", 1, "--max-restarts", 3, "--rdzv-id", "job-7"]
    shared += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}"]
    agents = [
        started(tmp_path, "-m", "torch.distributed.run", *shared, "--node-rank", rank, driver, "train", *SMALL)
        for rank in range(2)
    ]
    told = [agent.communicate(timeout=500) for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], told
    out = "".join(out for out, _ in told)
    assert out.count("torchrun has started its processes again: they go on in runs/fcn_vignettes-2") == 1
    run = RunFolder(tmp_path / "runs" / "fcn_vignettes-2")
    assert [row["step"] for row in run.history()] == [3, 6]
    assert (tmp_path / "killed").exists()
    fit = json.loads(run.recipe_file.read_text())["fit"]
    assert (fit["devices"], fit["nodes"]) == (1, 2), "torchrun tells how many there are"
    assert not (run.path / ".launch").exists()
    assert not (tmp_path / "runs" / "fcn_vignettes-3").exists()
