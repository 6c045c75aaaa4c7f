"""The documents agree with the code: links lead somewhere, examples import what exists, commands name what exists."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from visus.catalog import LOSSES, MODELS
from visus.cli import VERBS
from visus.recipes import RECIPES

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
COMMAND = re.compile(r"^visus (\w+)(?: (.*?))?\s*(?:#.*)?$", re.MULTILINE)


def _blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture of a page exists."""
    prose = re.sub(r"^```.*?^```", "", TEXTS[page], flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)", prose)
    broken = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_import_what_exists(page: Path) -> None:
    """Python examples parse, and the names that they import from visus are there."""
    for block in _blocks(TEXTS[page], "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "visus":
                module = importlib.import_module(str(node.module))
                missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                assert not missing, f"{node.module} has no {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_what_exists(page: Path) -> None:
    """Commands in code blocks use existing verbs, and `visus train` existing recipes or the reader's own folder."""
    for block in _blocks(TEXTS[page], ""):
        for verb, rest in COMMAND.findall(block):
            if verb.isupper():
                continue
            assert verb in VERBS
            if verb == "train":
                assert rest.split()[0] in {*RECIPES, "my_coco"}


def test_every_verb_is_explained() -> None:
    """The page of the command line has a row for each verb."""
    page = TEXTS[ROOT / "docs" / "command_line.md"]
    assert [verb for verb in VERBS if f"| `visus {verb}" not in page] == []


def test_every_model_is_listed() -> None:
    """The pages of the rooms have a row for each model, and none for what does not exist."""
    pages = ("classification", "detection", "metric_learning", "segmentation")
    text = "\n".join(TEXTS[ROOT / "docs" / f"{page}.md"] for page in pages)
    cells = re.findall(r"^\| ((?:`\w+`[, ]*)+)\|", text, re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert set(MODELS) - named == set()
    assert named - set(MODELS) - set(LOSSES) == set()


def test_every_page_is_in_the_navigation() -> None:
    """mkdocs.yml names each page of docs once."""
    named = re.findall(r": (\w+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))


def test_the_readme_is_short() -> None:
    """At most 120 lines."""
    assert len(TEXTS[ROOT / "README.md"].splitlines()) <= 120
