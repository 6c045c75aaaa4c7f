"""Builds the documentation into build/site, and fails on what a reader would trip over.

    python scripts/build_docs.py

The reference is written anew; the navigation names each page once; links and anchors lead somewhere (zensical's strict
mode); no page asks another host for a script, a style, a font or an image.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import yaml

import reference

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
IN_STYLES = re.compile(r"(?:url\(\s*[\"']?|@import\s+[\"'])\s*((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)
SOURCES = ("src", "srcset", "data", "poster", "xlink:href")
FETCHED_LINKS = {"stylesheet", "icon", "shortcut", "preload", "modulepreload", "prefetch", "preconnect", "manifest"}
FETCHED_LINKS |= {"dns-prefetch", "apple-touch-icon", "mask-icon"}
ASKS_ELSEWHERE = {"mermaid", "glightbox", "arithmatex", "pyodide"}
"""Classes of elements for which the theme's script would fetch a library from a public host."""


def main() -> int:
    """Builds the site; the exit status is 1 where something is wrong, each fault in a line."""
    reference.main()
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    docs, site = ROOT / settings["docs_dir"], ROOT / settings["site_dir"]
    faults = navigation_faults(settings["nav"], docs)
    if not faults:
        builder = [str(Path(sys.executable).parent / "zensical"), "build", "--clean", "--strict"]
        if subprocess.run(builder, cwd=ROOT, check=False).returncode:
            faults.append("zensical found the faults above")
        faults += asset_faults(site)
    for fault in faults:
        print(f"docs: {fault}", file=sys.stderr)
    if not faults:
        print(f"docs: {len(list(site.rglob('*.html')))} pages in {site.relative_to(ROOT)}, no fault")
    return int(bool(faults))


def named_pages(nav: Any) -> list[str]:
    """The pages of a navigation, in its order."""
    if isinstance(nav, str):
        return [nav]
    below = nav.values() if isinstance(nav, dict) else nav
    return [page for one in below for page in named_pages(one)]


def navigation_faults(nav: Any, docs: Path) -> list[str]:
    """Pages that the navigation lacks, that do not exist, or that it names twice."""
    named = Counter(named_pages(nav))
    there = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")}
    faults = [f"{page} is in the navigation of mkdocs.yml and does not exist" for page in sorted(named.keys() - there)]
    faults += [f"{page} is not in the navigation of mkdocs.yml" for page in sorted(there - named.keys())]
    return faults + [f"{page} is in the navigation {count} times" for page, count in named.items() if count > 1]


def asset_faults(site: Path) -> list[str]:
    """What pages and styles would ask of another host."""
    faults = []
    for file in sorted(site.rglob("*")):
        if file.suffix in (".html", ".css", ".svg"):
            text = file.read_text(encoding="utf-8")
            asked = [*IN_STYLES.findall(text), *(Assets.of(text) if file.suffix != ".css" else [])]
            faults += [f"{file.relative_to(site).as_posix()} asks another host: {address}" for address in asked]
    return faults


class Assets(HTMLParser):
    """Collects what a page would fetch from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    @classmethod
    def of(cls, text: str) -> list[str]:
        """The addresses at other hosts, and elements for which a script would ask them."""
        reader = cls()
        reader.feed(text)
        return reader.asked

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Looks at one element."""
        self.asked += self._elsewhere(tag, {name: value or "" for name, value in attrs})

    handle_startendtag = handle_starttag

    @staticmethod
    def _elsewhere(tag: str, given: dict[str, str]) -> Iterator[str]:
        names = [*SOURCES, *(["href"] if tag in ("use", "image") else [])]
        if tag == "link" and FETCHED_LINKS & set(given.get("rel", "").lower().split()):
            names.append("href")
        for name in names:
            if ELSEWHERE.match(given.get(name, "")):
                yield given[name]
        for name in sorted(ASKS_ELSEWHERE & set(given.get("class", "").split())):
            yield f"a library for class {name!r}"


if __name__ == "__main__":
    sys.exit(main())
