"""What is said of drawn scenes is understood: on annotated graphs every phrase is found and every answer right."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "phrases.py"


def test_phrases_and_questions_about_annotated_graphs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "phrases.json"
    sizes = ["--scenes", "40", "--phrases", "30", "--questions", "150", "--size", "64"]
    runpy.run_path(str(BENCHMARK))["main"](["truth", *sizes, "--out", str(out)])
    numbers = json.loads(out.read_text())["numbers"]
    assert json.loads(capsys.readouterr().out) == numbers
    wrong = {name: value for name, value in numbers.items() if not name.startswith("prior") and value < 1}
    assert not wrong
    assert numbers["prior alone: all questions"] < 0.9
