"""The documentation as a site: its navigation, tables, figures, reference, and that no page asks another host."""

from __future__ import annotations

import ast
import functools
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import build_docs
import figures
import model_zoo
import reference
import result_tables
import visus
from chromium import NEEDS_BROWSER

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
NAV = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
SITE = ROOT / "build" / "site"
PROBLEM_PAGES = [
    "classification",
    "detection",
    "segmentation",
    "metric_learning",
    "faces",
    "reidentification",
    "galleries",
]
PROBLEM_PAGES += ["scene_graphs", "scene_generation", "shapes3d", "meta_learning"]

written_pages = functools.cache(reference.pages)


# --- navigation and assets ---


def test_the_navigation_names_the_pages_of_the_reference() -> None:
    """Those that the script writes, and no other."""
    named = {page.removeprefix("reference/") for page in build_docs.named_pages(NAV) if page.startswith("reference/")}
    assert named == written_pages().keys()


def test_faults_of_a_navigation_are_found(tmp_path: Path) -> None:
    """A page that does not exist, one that nobody can reach, and one that is there twice."""
    for name in ("index.md", "lost.md", "twice.md"):
        (tmp_path / name).write_text("# Title\n")
    nav = ["index.md", {"Use": [{"Twice": "twice.md"}, {"Again": "twice.md"}, {"Gone": "gone.md"}]}]
    faults = build_docs.navigation_faults(nav, tmp_path)
    assert [fault.split()[0] for fault in faults] == ["gone.md", "lost.md", "twice.md"]
    assert build_docs.navigation_faults(["index.md", "lost.md", {"T": "twice.md"}], tmp_path) == []


@pytest.mark.parametrize(
    "asks",
    [
        '<script src="https://a.example/x.js"></script>',
        '<link rel="stylesheet" href="//a.example/x.css">',
        '<link rel="preconnect" href="https://a.example" crossorigin>',
        '<img src="HTTP://a.example/x.png">',
        "<style>@font-face {src: url('https://a.example/x.woff2')}</style>",
        '<style>@import "https://a.example/x.css";</style>',
        '<pre class="mermaid">graph LR</pre>',
        '<svg><image xlink:href="https://a.example/x.png"/></svg>',
    ],
)
def test_assets_of_other_hosts_are_found(asks: str, tmp_path: Path) -> None:
    """Whatever a browser would fetch without being asked."""
    harmless = '<a href="https://a.example">a</a><link rel="canonical" href="https://a.example/"><img src="x.png">'
    page = tmp_path / "page.html"
    page.write_text(harmless)
    assert build_docs.asset_faults(tmp_path) == []
    page.write_text(harmless + asks)
    assert len(build_docs.asset_faults(tmp_path)) == 1


# --- tables and figures ---


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_tables_are_those_of_the_results(page: Path) -> None:
    """What `make tables` would write stands there already."""
    text = page.read_text(encoding="utf-8")
    assert result_tables.with_tables(text, result_tables.ALL) == text, f"{page.name} is not up to date: make tables"


def test_every_table_of_results_is_shown() -> None:
    """Somewhere in the documentation."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    assert {mark[0] for mark in result_tables.MARKED.findall(text)} == result_tables.ALL.keys()


def test_marks_of_tables_are_checked() -> None:
    """A table is put between its marks; a mark without an end or with an unknown name is refused."""
    tables = {"one": lambda: ["| a |"]}
    assert "| a |" in result_tables.with_tables("<!-- results: one -->\nold\n<!-- end of results -->", tables)
    with pytest.raises(ValueError, match="there is no table 'two'; there are one"):
        result_tables.with_tables("<!-- results: two -->\n<!-- end of results -->", tables)
    with pytest.raises(ValueError, match="1 tables begin and 0 end"):
        result_tables.with_tables("<!-- results: one -->\n", tables)


def test_the_models_cost_what_was_timed() -> None:
    """Fused float32 where that was timed, else the plain network."""
    sides = {"plain": {"seconds": 0.2, "peak_mib": 1000}, "fp32": {"seconds": 0.1, "peak_mib": 1200}}
    record = {"networks": {"ssd": {"sides": sides}, "fcn": {"sides": {"plain": sides["plain"]}}}}
    assert model_zoo.costs(record) == {"ssd": "100 ms, 1,200 MiB", "fcn": "200 ms, 1,000 MiB"}


def test_figures_are_those_of_the_script() -> None:
    """`python scripts/figures.py` would change none."""
    stale = [
        name
        for name, figure in figures.FIGURES.items()
        if (figures.OUT / f"{name}.svg").read_text(encoding="utf-8") != figures.svg(figure)
    ]
    assert stale == []


@pytest.mark.parametrize("name", PROBLEM_PAGES)
def test_a_page_of_a_problem_has_its_parts(name: str) -> None:
    """A figure, the idea in words, a command, results with machine and command, and references."""
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert re.search(r"^\[?!\[[^\]]+\]\(pictures/", text, re.MULTILINE), "no figure"
    assert re.search(r"^visus \w+", text, re.MULTILINE), "no command"
    assert "<!-- results: " in text, "no results"
    references = text.partition("\n## References\n")[2]
    sources = re.findall(r"arXiv \d{4}\.\d{4,5}|doi 10\.\d{4,5}/\S+", references)
    assert len(sources) >= 2, "no references"


# --- promises ---

PROMISES = (DOCS / "promises.md").read_text(encoding="utf-8")
PROMISED = re.findall(r"^\| (.+?) \| .*?(\w+\.md).*? \| `(tests/\S+?)::(\w+)` \|$", PROMISES, re.MULTILINE)


def test_every_row_of_the_promises_is_understood() -> None:
    """None is left out of the checks below because it is written in another way."""
    rows = [
        line for line in PROMISES.splitlines() if line.startswith("|") and not line.startswith(("| promise", "|---"))
    ]
    assert len(PROMISED) == len(rows) > 30


@pytest.mark.parametrize("promise", PROMISED, ids=lambda promise: promise[3])
def test_a_promise_stands_on_its_page_and_is_held_by_a_test(promise: tuple[str, str, str, str]) -> None:
    """The words are the page's own, and the test exists."""
    words, page, file, test = promise
    text = (ROOT / page if page == "README.md" else DOCS / page).read_text(encoding="utf-8")
    assert words in re.sub(r"\s+", " ", text.replace("**", "")), f"{page} does not say so any more"
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert test in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


# --- reference ---


def test_the_reference_holds_the_public_interface() -> None:
    """Each name of `visus` with its signature, and each public function of the operators."""
    pages = written_pages()
    headings = re.findall(r"^## (\w+)$", pages["visus.md"], re.MULTILINE)
    assert sorted(headings) == sorted(set(visus.__all__) - {"__version__"})
    assert "### nms\n\n```python\nnms(" in pages["ops.md"]
    assert "- `sizes`: square roots of the areas, in pixels." in pages["ops.md"]


def test_docstrings_become_markdown() -> None:
    """Arguments are lists, examples blocks, and brackets no links."""
    written = reference.words(
        "Does *it* to [n, 4] ``boxes``.\n\nArgs:\n    boxes: where,\n        in pixels.\n\n"
        "Raises:\n    ValueError: none.\n\n>>> 1 + 1\n2"
    )
    assert written == (
        "Does \\*it\\* to \\[n, 4\\] `boxes`.\n\n**Args**\n\n- `boxes`: where, in pixels.\n\n**Raises**\n\n"
        "- `ValueError`: none.\n\n```pycon\n>>> 1 + 1\n2\n```"
    )


# --- in a browser ---


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(SITE))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(not SITE.is_dir(), reason="the site is not built (make docs)")
@NEEDS_BROWSER
def test_the_site_in_a_browser(address: str, browser: Any) -> None:
    """Search, dark mode and copying work, nothing is wider than a phone, and no other host is asked."""
    asked: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address.rstrip("/"))
    page: Any = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}index.html")
    grounds = [_ground(page)]
    page.locator("label[title='dark']").first.click()
    page.wait_for_timeout(300)
    grounds.append(_ground(page))
    page.locator("pre").first.hover()
    page.locator("button[data-md-type='copy']").first.click()
    page.wait_for_timeout(300)
    copied = page.evaluate("navigator.clipboard.readText()")
    page.keyboard.press("Control+k")
    page.keyboard.type("reciprocal", delay=20)
    page.get_by_text("Re-ranking").first.wait_for(timeout=30_000)
    page.set_viewport_size({"width": 420, "height": 900})
    for name in ("model_zoo", "detection", "benchmarks"):
        page.goto(f"{address}{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= 420, f"{name} is wider than a phone"
    context.close()
    assert grounds[0] > 200, "the light page is not light"
    assert grounds[1] < 60, "the dark page is not dark"
    assert copied.startswith("visus demo")
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def _ground(page: Any) -> int:
    """How bright the ground of the page is, 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return int(re.findall(r"\d+", colour)[0])
