"""Training with two optimisers through the command line: rounds, resuming, clipping, and a measure that counts down."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from training import tiny_gan
from visus import catalog
from visus.cli import main
from visus.draw.draw import DRAWINGS
from visus.metrics.ranking import MEANINGS, QUALITIES
from visus.recipes import RECIPES
from visus.runs.train import train


@pytest.fixture(autouse=True)
def _gan(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One line in the catalog, and a row in the tables of what is done with its kind of prediction."""
    monkeypatch.setitem(catalog.PROBLEMS, "tiny_generation", tiny_gan.PROBLEM)
    monkeypatch.setitem(catalog.MODELS, "tiny_gan", tiny_gan.tiny_gan)
    monkeypatch.setitem(RECIPES, "tiny_gan", tiny_gan.recipe)
    monkeypatch.setitem(DRAWINGS, tiny_gan.Generated, tiny_gan.draw_generated)
    monkeypatch.setitem(QUALITIES, tiny_gan.Generated, tiny_gan.closeness)
    monkeypatch.setitem(MEANINGS, tiny_gan.Generated, "Quality: how near an image is to a real one.")
    monkeypatch.chdir(tmp_path)


def rows(run: str) -> list[dict[str, float]]:
    with (Path(run) / "metrics.csv").open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_rounds_count_once_and_the_smallest_distance_is_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "tiny_gan", "--run", "one"]) == 0
    history = rows("one")
    assert [row["step"] for row in history] == [4, 8, 12]  # 32 images in batches of 8: not 8, 16, 24
    assert {"train discriminator", "train generator", "val discriminator", "val generator"} <= set(history[0])
    distances = [row["colour distance"] for row in history]
    assert distances[-1] != distances[0]
    best = min(range(3), key=lambda place: distances[place])
    written = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    bests = [place for place, line in enumerate(written) if line.rstrip().endswith("best")]
    assert bests[-1] == best
    measured = json.loads(Path("one/metrics.json").read_text())["colour distance"]
    assert measured > 1  # levels, not shares
    report = Path("one/report.html").read_text()
    assert "smaller is better" in report
    assert f"<strong>{measured:.4g}</strong>" in report


def test_limits_count_rounds() -> None:
    assert main(["train", "tiny_gan", "--run", "short", "--fit.max-steps", "6"]) == 0
    assert rows("short")[-1]["step"] == 6


def test_a_resumed_run_is_the_uninterrupted_one() -> None:
    """Cut inside the second epoch; weights, optimisers and history go on to the last bit."""
    assert main(["train", "tiny_gan", "--run", "whole"]) == 0
    assert main(["train", "tiny_gan", "--run", "cut", "--fit.max-steps", "6"]) == 0
    assert main(["train", "tiny_gan", "--run", "cut", "--resume", "--fit.max-steps", "12"]) == 0
    ours, theirs = (torch.load(f"{run}/last.ckpt", weights_only=True) for run in ("whole", "cut"))
    assert len(ours["optimizer_states"]) == 2
    assert ours["rounds"] == theirs["rounds"] == 12
    for name, value in ours["state_dict"].items():
        assert torch.equal(value, theirs["state_dict"][name]), name
    columns = ("step", "train discriminator", "train generator")
    assert [rows("cut")[-1][name] for name in columns] == [rows("whole")[-1][name] for name in columns]


def test_each_optimiser_is_clipped() -> None:
    """With plain SGD at a rate of 1 a round moves each network by at most the clipped norm."""
    recipe = tiny_gan.recipe()
    optim = replace(recipe.optim, name="sgd", lr=1.0, momentum=0.0)
    moved = {}
    for clip_norm in (1e-3, None):
        chosen = replace(
            recipe, optim=replace(optim, clip_norm=clip_norm), fit=replace(recipe.fit, max_steps=1, epochs=1)
        )
        weights = load_file(train(chosen, run=Path(f"clip-{clip_norm}")) / "weights.safetensors")
        torch.manual_seed(recipe.fit.seed)
        start = tiny_gan.tiny_gan().state_dict()
        for part in ("generator", "discriminator"):
            steps = [(weights[name] - start[name]).flatten() for name in weights if name.startswith(part)]
            moved[part, clip_norm] = float(torch.cat(steps).norm())
    for part in ("generator", "discriminator"):
        assert 0.9e-3 < moved[part, 1e-3] < 1.1e-3
        assert moved[part, None] > 2e-3


def test_accumulated_batches_make_one_round() -> None:
    recipe = tiny_gan.recipe()
    run = train(replace(recipe, fit=replace(recipe.fit, accumulate=3, epochs=1)), run=Path("accumulated"))
    assert rows(str(run))[-1]["step"] == 2  # four batches: three, and the last one alone
