"""The example of metric learning runs as it is, on a few drawn individuals."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "metric_learning.py"


@pytest.mark.parametrize("model", ["hdc_lite0"])
def test_it_trains_and_meets_others(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model", model, "--steps", "1", "--individuals", "1", "--size", "64", "--classes", "3"]
    runpy.run_path(str(EXAMPLE))["main"](words)
    printed = capsys.readouterr().out
    assert "before {'R@1'" in printed
    assert "after {'R@1'" in printed
