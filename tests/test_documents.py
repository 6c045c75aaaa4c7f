"""The documents agree with the code: links lead somewhere, examples run, commands and tables name what exists."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

import visus
from visus.catalog import DATASETS, LOSSES, METRICS, MODELS
from visus.cli import VERBS
from visus.data.augment import AUGMENTATIONS
from visus.nn.backbones import BACKBONES
from visus.recipes import RECIPES
from visus.runs import train as training
from visus.training.settings import changed

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
COMMAND = re.compile(r"^visus (\w+)(?: (.*?))?\s*(?:#.*)?$", re.MULTILINE)
FOLDERS = {"my_coco"}
"""What stands for a folder of the reader's own in commands."""


def _blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language; those inside lists are files of checklists, not examples."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def _first_cells(header: str) -> set[str]:
    """The names in the first column of every table whose header begins so."""
    rows = re.findall(rf"^{re.escape(header)}.*\n\|---.*\n((?:\|.*\n)+)", "\n".join(TEXTS.values()), re.MULTILINE)
    assert rows, f"no page has a table {header}"
    return {name for table in rows for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and image of a page exists, and so does the heading that a link names."""
    prose = re.sub(r"^ *```.*?^ *```", "", TEXTS[page], flags=re.MULTILINE | re.DOTALL)
    broken = []
    for target, heading in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", prose):
        file = page.parent / target if target else page
        if "://" in target:
            continue
        if not file.exists() or (heading and heading not in _headings(TEXTS[file.resolve()])):
            broken.append(f"{target}#{heading}")
    assert not broken


def test_the_pages_of_the_site_link_within_it() -> None:
    """A link out of docs leads nowhere on the site, which holds nothing else."""
    outside = [
        f"{page.name}: {target}"
        for page, text in TEXTS.items()
        for target in re.findall(r"\]\(([^)#\s]+)", text)
        if page.parent.name == "docs"
        and "://" not in target
        and not (page.parent / target).resolve().is_relative_to(DOCS)
    ]
    assert not outside


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_in_tables_is_shown_as_it_is(page: Path) -> None:
    """A bar in code cuts a cell of a table, and one behind a backslash is shown with it by the site."""
    rows = [line for line in TEXTS[page].splitlines() if line.startswith("|")]
    assert [row for row in rows if any("\\|" in code for code in re.findall(r"`[^`]*`", row))] == []


def test_the_page_of_examples_holds_them_as_they_are() -> None:
    """Each file of examples, whole."""
    page = TEXTS[DOCS / "examples.md"]
    shown = dict(re.findall(r"^`(examples/\w+\.py)`\n\n```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    files = {f"examples/{file.name}": file.read_text(encoding="utf-8") for file in (ROOT / "examples").glob("*.py")}
    assert shown == files


def _headings(text: str) -> set[str]:
    """The anchors of a page's headings."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


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
    """Commands in code blocks use existing verbs, and `visus train` existing recipes, a file or the reader's folder."""
    for block in _blocks(TEXTS[page], ""):
        for verb, rest in COMMAND.findall(block):
            if verb.isupper():
                continue
            assert verb in VERBS
            if verb == "train":
                what = rest.split()[0]
                resumed = what.startswith("runs/") and "--resume" in rest
                assert what in {*RECIPES, *FOLDERS} or what.endswith(".json") or resumed


def test_the_examples_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, one after the other, and without a network."""

    def refuse(*words: object, **options: object) -> None:
        raise AssertionError(f"the README needs a network: {words}")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in _blocks(TEXTS[ROOT / "README.md"], "python"):
        exec(compile(block, "README.md", "exec"), names)
    assert (tmp_path / "runs" / "tiny" / "report.html").is_file()
    assert len(names["found"])
    assert (tmp_path / "drawn.jpg").is_file()


def _torchvision_like() -> list[tuple[Any, dict[str, Any]]]:
    """A data set as torchvision's detectors take them: shares of light, and labels from 1."""
    items = []
    for number in range(10):
        image = torch.rand(3, 64, 80) / 4
        image[:, 10:40, 20:50] += 0.7
        boxes = torch.tensor([[20.0, 10, 50, 40]])
        items.append((image, {"boxes": boxes, "labels": torch.tensor([1 + number % 2])}))
    return items


@pytest.mark.parametrize("name", ["coming_from", "fine_tuning", "your_own_data"])
def test_the_examples_of_a_page_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, on miniatures of the data sets that they name, and with images of 64 pixels."""
    monkeypatch.chdir(tmp_path)
    found = training.find_recipe
    small = {"model_options": {"size": 64}, "data.augment.size": [64, 64], "data.workers": 0}
    monkeypatch.setattr(training, "find_recipe", lambda name: changed(found(name), small))
    DATASETS["coco"].write_fake(tmp_path / "my_coco")
    DATASETS["yolo"].write_fake(tmp_path / "my_yolo")
    DATASETS["image_folder"].write_fake(tmp_path / "my_classes")
    Image.new("RGB", (80, 60), "grey").save(tmp_path / "street.jpg")
    names: dict[str, Any] = {"my_torchvision_dataset": _torchvision_like(), "__name__": "page"}
    blocks = _blocks(TEXTS[DOCS / f"{name}.md"], "python")
    for block in blocks:
        exec(compile(block, f"{name}.md", "exec"), names)
    if name == "coming_from":
        assert len(blocks) == 10
        assert names["measures"].keys() >= {"box AP", "box AP50"}
        assert type(names["predictor"].model.backbone.body).__name__ == "Narrow"
        assert (tmp_path / "runs" / "my_classes" / "metrics.csv").read_text().count("\n") == 3


def test_the_arithmetic_of_a_billion_images_prints_what_stands_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    page = TEXTS[DOCS / "scale.md"]
    [code] = _blocks(page, "python")
    exec(compile(code, "scale.md", "exec"), {})
    assert f"```\n{capsys.readouterr().out}```" in page


def test_every_verb_is_explained() -> None:
    """The page of the command line has a row for each verb."""
    page = TEXTS[ROOT / "docs" / "command_line.md"]
    assert [verb for verb in VERBS if f"| `visus {verb}" not in page] == []


def test_every_model_and_backbone_is_listed() -> None:
    """Tables of networks have a row for each, and none for what does not exist."""
    listed = _first_cells("| name | network |")
    assert (MODELS.keys() | BACKBONES.keys()) - listed == set()
    assert listed - MODELS.keys() - BACKBONES.keys() == set()


@pytest.mark.parametrize(
    ("header", "entries"),
    [
        ("| name | class in `visus.metrics` |", METRICS),
        ("| name | what it reads |", DATASETS),
        ("| `data.augment.kind` |", AUGMENTATIONS),
    ],
)
def test_every_entry_is_listed(header: str, entries: dict[str, Any]) -> None:
    """The table of each kind has a row for every entry, and none for what does not exist."""
    assert _first_cells(header) == set(entries)


def test_every_loss_is_named() -> None:
    """Every loss is mentioned, and the table of losses has none that does not exist."""
    text = "\n".join(text for page, text in TEXTS.items() if page.parent.name == "docs")
    assert [name for name in LOSSES if not re.search(rf'[`"]{name}[`"]', text)] == []
    assert _first_cells("| name | what it does | formula |") - LOSSES.keys() == set()


def test_the_layers_are_those_of_the_contract() -> None:
    """The page of the architecture lists the layers of pyproject.toml in their order."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    page = TEXTS[ROOT / "docs" / "architecture.md"]
    rows = re.findall(r"^\| (`visus\.[^ ]*`(?: \\\| `[^ ]*`)*) \|", page.partition("## The frame")[0], re.MULTILINE)
    assert [row.replace("`", "").replace("\\", "") for row in rows] == layers
    drawn = (ROOT / "docs" / "pictures" / "layers.svg").read_text(encoding="utf-8")
    names = [part.strip().removeprefix("visus.") for layer in layers for part in layer.split("|")]
    assert re.findall(r'class="name"[^>]*>(\w+)<', drawn) == names


def test_every_table_by_kind_is_listed() -> None:
    """The page of the architecture names each dict keyed by kinds of target, prediction or detail, and no other."""
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")}
    found = {
        f"{'.'.join(path.relative_to(ROOT / 'src').with_suffix('').parts)}.{name}"
        for path, text in sources.items()
        for name in re.findall(r"^([A-Z_]+): .*dict\[type, Callable", text, re.MULTILINE)
    }
    rows = re.findall(r"^\|[^|]*\| `(visus\.[\w.]+\.[A-Z_]+)` \|", TEXTS[ROOT / "docs/architecture.md"], re.MULTILINE)
    assert sorted(rows) == sorted(found)


def test_every_page_is_in_the_navigation() -> None:
    """mkdocs.yml names each page of docs once."""
    named = re.findall(r": (\w+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))


def test_the_glossary_is_in_order() -> None:
    """Each word once, by the alphabet."""
    words = re.findall(r"^\| `?(.*?)`? \| ", TEXTS[ROOT / "docs" / "glossary.md"], re.MULTILINE)[1:]
    assert len(words) > 50
    assert words == sorted(set(words), key=lambda word: word.lower().replace("_", " "))


def test_the_readme_is_short() -> None:
    """At most 120 lines."""
    assert len(TEXTS[ROOT / "README.md"].splitlines()) <= 120


def test_messages_about_faults_are_what_the_program_says() -> None:
    """Each part between the dots of a message in the tables of docs/data_faults.md stands in the source."""
    source = "\n".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "src").rglob("*.py")))
    source = re.sub(
        r"\{[^{}\n]*\}", "", re.sub(r'"\s*\n\s*f?"', "", source)
    )  # one text of several lines; values left out
    rows = [line for line in TEXTS[ROOT / "docs" / "data_faults.md"].splitlines() if line.startswith("|")]
    messages = [message for row in rows for message in re.findall(r"`([^`]+)`", row.split("|")[3])]
    assert len(messages) > 50
    parts = {part.strip() for message in messages for part in message.split("...")} - {"", ")", "images"}
    assert sorted(part for part in parts if part not in source) == []


def test_the_citation_file_names_this_version() -> None:
    said = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (said["version"], said["license"]) == (visus.__version__, "Apache-2.0")
    assert said["cff-version"] == "1.2.0"
    assert said["authors"] == [{"name": "The visus contributors"}]
