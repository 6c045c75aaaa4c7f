"""What is shown: plain lines in a pipe, a live line on a terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from visus.metrics.metric import LOSS, Measure
from visus.training import display, fit
from visus.training.display import clock, shown_numbers
from visus.training.run import RunFolder


def shown(squares: SimpleNamespace, folder: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool) -> str:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=150, color_system=None, _environ={})
    monkeypatch.setattr(fit, "Console", lambda: console)
    monkeypatch.setattr(display, "REFRESH_SECONDS", 0.0)
    recipe = squares.recipe(epochs=2)
    recipe = replace(recipe, optim=replace(recipe.optim, warmup_steps=0))
    run = RunFolder(folder)
    run.create(recipe)
    fit.fit(squares.task(recipe), *squares.loaders(recipe), recipe, run, schema=squares.schema, loggers=[])
    return text.getvalue()


def test_a_pipe_gets_a_line_an_epoch(squares: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(squares, tmp_path, monkeypatch, terminal=False).splitlines()
    assert len(lines) == 2
    for number, line in enumerate(lines, 1):
        assert line.startswith(f"epoch {number}/2  loss ")
        for part in ("val loss", "box AP", "lr"):
            assert part in line
    assert lines[0].endswith("best")
    assert "\x1b" not in "".join(lines)


def test_a_terminal_gets_a_live_line(squares: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(squares, tmp_path, monkeypatch, terminal=True)
    for part in ("epoch 1/2", "3/5", "it/s", "loss", "class", "box", "lr ", "ETA", "validating", "best"):
        assert part in text


def test_the_live_line_shows_the_sum_and_each_loss_once(
    squares: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sum in bold, then the terms: no number of another name, none twice."""
    text = shown(squares, tmp_path, monkeypatch, terminal=True)
    line = next(part for part in re.split(r"[\r\n]+", text) if "it/s" in part and " class " in part)
    losses = re.search(r"  loss (\d+\.\d{3})  class (\d+\.\d{3})  box (\d+\.\d{3})\s*(?:\x1b|$)", line)
    assert losses is not None, line
    assert len(re.findall(r"\bloss\b", line)) == 1
    total, *terms = map(float, losses.groups())
    assert total == pytest.approx(sum(terms), abs=2e-3)


def test_shown_numbers_fit_on_a_line() -> None:
    numbers = {"val loss": 1.0, "val box": 1.0, "box AP": 0.5, "box AP50": 0.7, "mask AP": 0.4, "keypoint AP": 0.3}
    measures = {
        name: LOSS if name.startswith("val ") else Measure(headline=name.endswith(" AP")) for name in numbers
    } | {"FID": Measure(unit="number", smaller_is_better=True)}
    assert shown_numbers(numbers, measures) == ["val loss", "box AP", "mask AP", "keypoint AP"]
    assert shown_numbers({"FID": 12.5}, measures) == ["FID"]
    assert shown_numbers({"val loss": 1.0, "val box": 1.0}, measures) == ["val loss"]
    assert shown_numbers({}, measures) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.21, "4.2 s"), (42, "42 s"), (59.6, "1:00"), (125, "2:05"), (3725, "1:02:05"), (float("inf"), "-")],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
