"""Time our operator and a peer's in turns, A B A B ..., so that a busy machine slows both alike and the ratio holds.

Each side is a long-lived process of its own Python environment (ours: the one that runs this file; the peer's:
``.peers`` beside ``src``), with the same number of threads, fed with the names of cases through a pipe. A benchmark is
a script with

    def ours() -> Cases: ...      # imports visus
    def theirs() -> Cases: ...    # imports the peer
    if __name__ == "__main__":
        run(__file__, ours, theirs, sizes)

where ``Cases`` maps a case's name to a function without arguments that does the work once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

Cases = Mapping[str, Callable[[], object]]

ROOT = Path(__file__).resolve().parents[1]
PEER_PYTHON = ROOT / ".peers" / "bin" / "python"


def run(
    script: str,
    ours: Callable[[], Cases],
    theirs: Callable[[], Cases],
    sizes: Mapping[str, object],
    *,
    peer: Path = PEER_PYTHON,
) -> None:
    """The command line of a benchmark: compare all cases, print a table, write ``results/<script>.json``.

    ``peer`` is the Python that has the other library; ``Path(sys.executable)`` for one that lives beside ours.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--side", choices=("ours", "theirs"), help="be one of the two timed processes (internal)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15, help="turns that each side gets for each case")
    parser.add_argument("--only", default="", help="time only cases whose name contains this; writes nothing")
    parser.add_argument("--no-write", action="store_true", help="print the table and leave the results as they are")
    options = parser.parse_args()
    if options.side:
        torch.set_num_threads(options.threads)
        _serve(ours() if options.side == "ours" else theirs())
        return
    if not peer.exists():
        sys.exit(f"{peer} is absent: make the environment of the peer first (make peers)")
    path = Path(script).resolve()
    a, b = _Side(sys.executable, path, "ours", options.threads), _Side(peer, path, "theirs", options.threads)
    with a, b:
        rows = {}
        for name in (name for name in a.hello["cases"] if options.only in name):
            rows[name] = row = _compare(a, b, name, options.rounds)
            seconds = f"ours {row['ours_s'] * 1e3:9.3f} ms  theirs {row['theirs_s'] * 1e3:9.3f} ms"
            print(f"{name:48s} {seconds}  ratio {row['ratio']:.3f}", flush=True)
        versions = {**a.hello["versions"], "peer": b.hello["versions"]}
    record = {
        "command": f"python benchmarks/{path.name} --threads {options.threads} --rounds {options.rounds}",
        "commit": commit(),
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "threads": options.threads, "system": platform.platform()},
        "settings": {"OMP_WAIT_POLICY": "passive"},
        "versions": versions,
        "sizes": dict(sizes),
        "seconds are": "the median over turns of the mean of a turn; ratio = median over turns of ours / theirs",
        "cases": rows,
    }
    if not options.no_write and not options.only:
        target = path.parent / "results" / f"{path.stem}.json"
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(record, indent=2) + "\n")


def _compare(ours: _Side, theirs: _Side, name: str, rounds: int) -> dict[str, float]:
    pairs = [(ours.time(name), theirs.time(name)) for _ in range(rounds + 1)][1:]  # the first turn warms up
    return {
        "ours_s": statistics.median(a for a, _ in pairs),
        "theirs_s": statistics.median(b for _, b in pairs),
        "ratio": statistics.median(a / b for a, b in pairs),
    }


class _Side:
    """One of the two timed processes."""

    def __init__(self, python: Path | str, script: Path, side: str, threads: int) -> None:
        # Idle threads sleep: spinning ones would take the cores of the very threads they wait for on a busy machine.
        settings = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive", "PYTHONPATH": str(ROOT / "src")}
        command = [str(python), str(script), "--side", side, "--threads", str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **settings}, cwd=ROOT
        )
        self.hello = self._read()

    def __enter__(self) -> _Side:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate("\n")

    def time(self, name: str) -> float:
        """Seconds of one call of a case."""
        assert self.process.stdin is not None
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        return float(self._read()["seconds"])

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended early; its message stands above")
        return json.loads(line)


def _serve(cases: Cases, turn_seconds: float = 0.15) -> None:
    """Answer the names on the standard input with seconds until an empty line comes."""
    names = ("torch", "torchvision", "visus", "numpy", "faiss-cpu", "pytorch-metric-learning")
    installed = {d.metadata["Name"].lower(): d.version for d in metadata.distributions()}
    versions = {"python": platform.python_version(), **{name: installed[name] for name in names if name in installed}}
    print(json.dumps({"cases": list(cases), "versions": versions}), flush=True)
    for name in map(str.strip, sys.stdin):
        if not name:
            return
        calls, start = 0, time.perf_counter()
        while calls == 0 or time.perf_counter() - start < turn_seconds:
            cases[name]()
            calls += 1
        print(json.dumps({"seconds": (time.perf_counter() - start) / calls}), flush=True)


def said() -> str:
    """The command line of this process, as it is typed."""
    threads = os.environ.get("OMP_NUM_THREADS")
    return " ".join(
        [
            *([f"OMP_NUM_THREADS={threads}"] if threads else []),
            "python",
            f"benchmarks/{Path(sys.argv[0]).name}",
            *sys.argv[1:],
        ]
    )


def commit() -> str:
    """The commit of the checkout, with a mark where files differ from it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "none"


def cpu() -> str:
    """The model name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
