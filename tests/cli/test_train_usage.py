"""`visus train --help`: the recipes by problem, each once, in lines that fit a terminal."""

from __future__ import annotations

import re
import sys

import pytest

from visus.catalog import PROBLEMS, problem_of
from visus.cli import main
from visus.cli.train import _recipe_list
from visus.recipes import BY_PROBLEM, RECIPES


def names_in(text: str) -> list[str]:
    """The names of recipes, those in braces written out."""
    found = []
    for line in text.splitlines():
        if match := re.match(r"    (\w+)(?:\{([\w,]+)\})? ", line):
            found += [match[1] + end for end in match[2].split(",")] if match[2] else [match[1]]
    return found


def test_each_recipe_stands_once_below_its_problem() -> None:
    assert sorted(names_in(_recipe_list())) == sorted(RECIPES)
    titles = [title.partition(":")[0].replace(" ", "_") for title in BY_PROBLEM]
    assert set(titles) == PROBLEMS.keys()
    for title, recipes in zip(titles, BY_PROBLEM.values(), strict=True):
        assert {problem_of(make().model).name for make in recipes.values()} == {title}
        first = next(iter(recipes.values()))().model
        assert not re.search("resnet|vgg|googlenet|inception", first), "the first is for a laptop"


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_terminal_s_lines_are_not_wider_than_it(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = _recipe_list().splitlines()
    assert max(map(len, lines)) <= columns
    assert sorted(names_in("\n".join(lines))) == sorted(RECIPES)


def test_the_page_names_fine_tuning_and_own_parts_and_fits_60_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    said = capsys.readouterr().out
    assert "--init RUN|NAME" in said
    assert "--own.loss FILE.py:NAME" in said
    assert all(len(line) <= 60 for line in said.replace(_recipe_list(), "").splitlines())


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("verb", ["train fasterrcnn_lite0", "train maskrcnn_vignettes", "evaluate", "predict"])
def test_the_extended_help_explains_parts_of_one_s_own(
    verb: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main([*verb.split(), "--help"]) == 0
    said = capsys.readouterr().out
    box = said.partition(" own options ")[2].partition(" options ")[0]
    assert all(len(line) <= columns for line in box.splitlines())
    about = " ".join(box.replace("│", " ").split())  # with a frame, or without where the output knows no letters for it
    assert "FILE.py:NAME or MODULE:NAME" in about
    parts = {"evaluate": ["data", "backbone"], "predict": ["backbone"]}
    for part in parts.get(verb, ["data", "val", "loss", "augment", "backbone"]):
        assert re.search(rf"--own\.{part} STR \S+", about), "explained"


def test_the_list_has_a_section_for_each_problem(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["list", "recipes"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    places = [lines.index(title) for title in BY_PROBLEM]
    assert places == sorted(places)
    assert all(any(line.startswith(f"{name} ") for line in lines) for name in RECIPES)
