"""Pages of galleries: what they say, and how a browser shows them on screens of two widths, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chromium import ARGUMENTS, CHROMIUM, NEEDS_BROWSER
from galleries.painted import MeanColours, paint, painted
from visus.cli import gallery_page
from visus.cli.gallery_page import title_of, write_answer, write_groups, write_identification, write_seen
from visus.galleries import Gallery

LONG = "a_name_as_long_as_those_that_cameras_and_shops_give_to_images_and_that_nobody_reads"


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    """Twenty people, two images of each, and one with a very long name."""
    made = Gallery.create(tmp_path / "gallery", model=MeanColours())
    made.add(str(painted(tmp_path / "images", 20, 2)), metadata=lambda item: {"person": item.name[:3]})
    made.add(str(paint(tmp_path / "images" / f"{LONG}.png", 5, 3)), metadata={"person": "<b>005"})
    return made


def test_what_chance_explains_is_paler(gallery: Gallery, tmp_path: Path) -> None:
    answer = gallery.search(11, k=12)
    write_answer(answer, tmp_path, "Search")
    page = (tmp_path / "answer.html").read_text()
    doubtful = sum(not match.alike for match in answer.matches)
    assert 0 < doubtful < 12
    assert page.count('<figure class="doubtful">') == doubtful
    assert "Paler: chance alone explains such scores." in page
    assert "005_0.png" in answer.names
    assert "<b>query</b><br>005_<wbr>0.png" in page, "the name of what was asked"
    assert "&lt;b&gt;005" in page
    write_answer(gallery.search(str(paint(tmp_path / "new.png", 70)), k=3), tmp_path, "Search")
    page = (tmp_path / "answer.html").read_text()
    assert "Nothing alike: chance alone explains such scores." in page
    assert page.count('<figure class="doubtful">') == 3


def test_of_many_groups_the_first_are_shown(gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_page, "MOST_GROUPS", 3)
    monkeypatch.setattr(gallery_page, "MOST_ENTRIES", 2)
    groups = gallery.cluster(limit=0.8)
    assert len(groups) > 3
    assert len(groups[0].entries) == 3
    (tmp_path / "groups").mkdir()
    write_groups(groups, tmp_path / "groups", "Groups")
    page = (tmp_path / "groups" / "answer.html").read_text()
    assert f"{len(groups)} groups, the first 3 of which are shown; the image with most pixels comes first." in page
    assert "Group 1: 3 entries, of which 2 are shown" in page
    assert (page.count("<h3>"), page.count("<figure>")) == (3, 6)
    assert sorted(path.name for path in (tmp_path / "groups").glob("*.png")) == [f"group_00{i}.png" for i in range(3)]
    assert Image.open(tmp_path / "groups" / "group_000.png").width > 400


def test_a_title_names_the_first_of_many_images() -> None:
    assert title_of("Search", ["a.png"]) == "Search: a.png"
    assert title_of("Search", ["a", "b", "c", "d", "e"]) == "Search: a, b, c and 2 more"


def _seen(page: Any) -> dict[str, Any]:
    """Of a page in a browser: how far it reaches beyond the screen, and its colours."""
    return {
        "beyond": page.evaluate("document.documentElement.scrollWidth - innerWidth"),
        "figures": page.evaluate(
            "[...document.querySelectorAll('figure')].map(f => [...f.children].map("
            "c => [c.scrollWidth - c.clientWidth, c.getBoundingClientRect().width]))"
        ),
        "paper": page.evaluate("getComputedStyle(document.body).backgroundColor"),
        "ink": page.evaluate("getComputedStyle(document.body).color"),
    }


@NEEDS_BROWSER
def test_a_browser_shows_pages_on_any_screen(gallery: Gallery, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    pages = []
    for name in ("search", "groups", "identify", "seen"):
        (tmp_path / name).mkdir()
        pages.append(tmp_path / name / "answer.html")
    write_answer(gallery.search(41, 11, k=12), tmp_path / "search", f"Search: {LONG}.png")
    write_groups(gallery.cluster(limit=0.8), tmp_path / "groups", "Groups")
    write_identification(gallery.identify(41, 3, threshold=0.9), tmp_path / "identify", "Identify")
    write_seen(
        gallery.reid(str(tmp_path / "images" / "001_0.png"), boxes=lambda pixels: [(0, 0, 24, 24)], k=6),
        tmp_path / "seen",
        "Seen again",
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[word for word in ARGUMENTS if word != "--headless"]
        )
        for path in pages:
            papers = set()
            for width in (1280, 420):
                for scheme in ("light", "dark"):
                    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
                    page = context.new_page()
                    page.goto(path.as_uri())
                    seen = _seen(page)
                    assert seen["beyond"] <= 0, (path, width)
                    assert seen["figures"]
                    for image, caption in seen["figures"]:
                        assert image[1] >= 100, "large enough to see something"
                        assert caption[0] <= 0, "no line reaches out of its figure"
                    assert seen["paper"] != seen["ink"]
                    papers.add((scheme, seen["paper"]))
                    context.close()
            assert len(papers) == 2
            assert len({paper for _, paper in papers}) == 2, "dark is another colour"
        browser.close()
