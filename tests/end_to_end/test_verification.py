"""Margin losses and verification from the command line, on a miniature of LFW."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from visus.cli import main
from visus.data.readers.lfw import write_fake

SHORT = ["--fit.epochs", "1", "--fit.max-steps", "1", "--data.batch-size", "8", "--data.workers", "0"]


@pytest.mark.parametrize("loss", ["arcface", "cosface"])
def test_a_margin_loss_is_measured_on_pairs(loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss learns a direction for each person; ten parts of six pairs are more than the list has, so two are."""
    monkeypatch.setenv("COLUMNS", "120")
    root, run = tmp_path / "faces", tmp_path / "run"
    write_fake(root, classes=6, views=3)
    data = ["--data.dataset", "lfw", "--data.root", str(root), "--data.val", "test", "--data.batches", "shuffled"]
    words = ["train", "descriptor_lite0_sop", "--run", str(run), *data, *SHORT, "--loss", loss, "--metric", "lfw"]
    assert main(words) == 0
    numbers = json.loads((run / "metrics.json").read_text())
    assert numbers["genuine pairs (listed pairs)"] == numbers["impostor pairs (listed pairs)"] == 6
    assert 0 <= numbers["accuracy (10 folds) (listed pairs)"] <= 1
    assert main(["evaluate", str(run), "--split", "test", "--metric", "verification"]) == 0
    numbers = json.loads((run / "metrics-test-verification.json").read_text())
    assert numbers["genuine pairs (all pairs)"] + numbers["impostor pairs (all pairs)"] == 24 * 23 / 2
