"""``visus gallery add`` in two processes that Lightning starts, or torchrun, and after one of them was killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from galleries.painted import paint, painted
from visus.cli import main

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="signals of POSIX")

# The command line, of which process 1 kills itself once, when it has added its first images.
DRIVER = """
import os, signal, sys
from pathlib import Path
from visus.cli import main
from visus.galleries import adding, devices
from visus.runs.launch import process_rank
devices.BATCH = 4
finish = adding.Adder._finish
def finish_and_die(self, *words):
    finish(self, *words)
    if process_rank() == 1 and not Path("killed").exists():
        Path("killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
adding.Adder._finish = finish_and_die
sys.exit(main())
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty gallery about a folder of 33 images, of which two have equal pixels and one is damaged."""
    monkeypatch.chdir(tmp_path)
    painted(tmp_path / "images" / "cups", 31)
    paint(tmp_path / "images" / "cups" / "copy.png", 30)
    (tmp_path / "images" / "broken.png").write_bytes(b"none")
    assert main(["gallery", "create", "things", "--root", "images"]) == 0
    return tmp_path


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=300, check=False)


def stats(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    capsys.readouterr()
    assert main(["gallery", "stats", "things", "--json"]) == 0
    told: dict[str, object] = json.loads(capsys.readouterr().out)
    return told


ADD = ["gallery", "add", "things", "images", "--folder-as", "kind", "--device", "cpu", "--json"]


@pytest.mark.slow
def test_two_processes_add_what_one_does_and_go_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "driver.py").write_text(DRIVER)
    broken = run(place, "driver.py", *ADD, "--devices", "2")
    assert broken.returncode == 2, broken
    assert "Process 0 of 2 (from 0) lost another one" in broken.stderr
    assert broken.stderr.rstrip().endswith("What was reported is in things: the same command goes on.")
    assert len(broken.stderr.splitlines()) == 1
    before = stats(capsys)["entries"]
    assert isinstance(before, int)
    assert 4 <= before < 31

    again = run(place, "-m", "visus", *ADD, "--devices", "2")
    assert again.returncode == 1, again
    report = json.loads(again.stdout)
    assert (report["images"], report["added"]) == (33, 31 - before)
    assert [one["name"] for one in report["failures"]] == ["broken.png"]
    assert (stats(capsys)["entries"], stats(capsys)["fields"]) == (31, {"kind": 1})

    (place / "images" / "broken.png").unlink()
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--", "visus"]
    third = run(place, *words, *ADD)
    assert (third.returncode, third.stderr) == (0, ""), third
    report = json.loads(third.stdout)
    assert (report["images"], report["added"], report["unchanged"]) == (32, 0, 32)
