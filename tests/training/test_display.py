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
from visus.training.display import clock, live_line, shown_numbers, speed
from visus.training.run import RunFolder


def shown(squares: SimpleNamespace, folder: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool) -> str:
    text = io.StringIO()
    console = Console(
        file=text, force_terminal=terminal, width=150, color_system=None, _environ={}, emoji=False, highlight=False
    )
    monkeypatch.setattr(fit, "console", lambda markup: console)
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


PARTS = ["12.3 it/s", "ETA 1:02:05", "lr 1.0e-02", "loss 12.345", "class 1.234", "box 0.123", "objectness 0.500"]


@pytest.mark.parametrize("width", range(40, 200, 3))
@pytest.mark.parametrize("epoch", ["epoch 1/2", "epoch 100/100"])
def test_the_live_line_fits_its_terminal(width: int, epoch: str) -> None:
    line = live_line(epoch, 1000, 2000, PARTS, width).plain
    if width >= 60:
        assert len(line) < width
    for part in (epoch, "1000/2000", "12.3 it/s", "ETA 1:02:05", "loss 12.345"):
        assert part in line
    assert ("━" in line) == (width - len("".join([epoch, " 1000/2000  12.3 it/s  ETA 1:02:05  loss 12.345"])) > 9)
    assert [part for part in PARTS if part in line] == PARTS or "objectness" not in line


def test_at_80_columns_epoch_bar_speed_time_and_loss_are_seen_and_more_on_wider_ones() -> None:
    narrow, wide = (live_line("epoch  3/12", 26, 52, PARTS, width).plain for width in (80, 160))
    assert re.fullmatch(r"epoch  3/12 ━+─+ 26/52  12\.3 it/s  ETA 1:02:05  (lr 1\.0e-02  )?loss 12\.345", narrow)
    assert all(part in wide for part in PARTS)
    plain = live_line("epoch  3/12", 26, 52, PARTS, 80, ascii_only=True).plain
    assert plain.isascii()
    assert re.search(r" =+-+ ", plain)


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.0, "- it/s"), (0.02, "50.0 s/it"), (0.99, "1.0 s/it"), (1.0, "1.0 it/s"), (123.4, "123.4 it/s")],
)
def test_a_speed_is_never_shown_as_nothing(rate: float, text: str) -> None:
    assert speed(rate) == text


def test_the_speed_counts_steps_and_not_what_lies_between_epochs(
    squares: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(squares, tmp_path, monkeypatch, terminal=True)
    assert " 0.0 it/s" not in text
    assert "- it/s" not in text


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(
    squares: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = io.StringIO()
    console = Console(
        file=text, force_terminal=True, width=80, color_system=None, _environ={"TERM": "dumb"}, highlight=False
    )
    assert console.is_dumb_terminal
    monkeypatch.setattr(fit, "console", lambda markup: console)
    recipe, run = squares.recipe(epochs=1), RunFolder(tmp_path)
    run.create(recipe)
    fit.fit(squares.task(recipe), *squares.loaders(recipe), recipe, run, schema=squares.schema, loggers=[])
    assert len(text.getvalue().splitlines()) == 1
    assert "\x1b" not in text.getvalue()


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
