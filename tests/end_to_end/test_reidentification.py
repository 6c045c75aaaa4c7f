"""Re-identification from the command line, on a miniature of Market-1501."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from visus.cli import main
from visus.data.readers.market1501 import write_fake

SHORT = ["--fit.epochs", "1", "--fit.max-steps", "1", "--data.batch-size", "8", "--data.workers", "0"]


def test_both_protocols(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The choices stand beside the numbers; without the rule of the cameras more is found, as each has a copy there."""
    monkeypatch.setenv("COLUMNS", "120")
    root, run = tmp_path / "market", tmp_path / "run"
    write_fake(root, classes=8, views=6)
    data = ["--data.dataset", "market1501", "--data.root", str(root), "--data.val", "test"]
    assert main(["train", "descriptor_lite0_sop", "--run", str(run), *data, *SHORT, "--metric", "market1501"]) == 0
    numbers = json.loads((run / "metrics.json").read_text())
    assert {f"{name} (other cameras, unmatched skipped)" for name in ("mAP", "mINP", "CMC-1", "queries")} <= set(
        numbers
    )
    capsys.readouterr()
    assert main(["evaluate", str(run), "--split", "test", "--metric", "reid_all_cameras"]) == 0
    assert "mAP (all cameras, unmatched skipped)" in capsys.readouterr().out
