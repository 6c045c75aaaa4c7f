"""The page around a report: one file that holds style, script and pictures and asks for nothing else.

A content security policy forbids the page any request.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape
from importlib.resources import files
from pathlib import Path

from visus.report.machine import describe_machine
from visus.whole_file import write_whole

_ODD_NAMES = "backslashreplace"  # how the bytes of names of files that are no UTF-8 are written


def write_page(path: Path, *, title: str, sections: Mapping[str, str]) -> Path:
    """Writes a page of sections in the style of the reports; their HTML has to be safe: it is not escaped."""
    parts = (section(name, html) for name, html in sections.items())
    body = "\n".join((header(path.parent, title), *parts, section("How it was made", machine())))
    return write_body(path, title, body)


def write_body(path: Path, title: str, body: str) -> Path:
    """Writes the whole file around a body of safe HTML; it is there whole or not at all."""
    write_whole(path, _page(title, body), errors=_ODD_NAMES)
    return path


def header(run: Path, title: str, facts: Mapping[str, str] | None = None) -> str:
    """The heading, where the page belongs and when it was written, and a line of facts."""
    when = datetime.now().astimezone().strftime("%d %B %Y, %H:%M")
    shown = "".join(f"<li>{escape(name)} <b>{escape(text)}</b></li>" for name, text in (facts or {}).items())
    line = f'<ul class="facts-line">{shown}</ul>' if shown else ""
    return f"<header><h1>{escape(title)}</h1><p>{escape(run.resolve().name)} · {when}</p>{line}</header>"


def section(title: str, content: str, note: str = "") -> str:
    """A headed part of the page; nothing where there is nothing to show."""
    if not content:
        return ""
    return f"<section><h2>{escape(title)}</h2>{f'<p class=note>{escape(note)}</p>' if note else ''}{content}</section>"


def machine() -> str:
    """What the page was made on, folded away."""
    rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in describe_machine().items())
    table = f'<table class="facts"><tbody>{rows}</tbody></table>'
    return f"<details><summary>Machine and versions</summary>{table}</details>"


def _page(title: str, body: str) -> str:
    """The whole file around the body."""
    assets = files("visus.report") / "page"
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)}</title>
<style>
{(assets / "report.css").read_text(encoding="utf-8")}</style>
</head>
<body>
<main>
{body}
<footer>Written by visus. Everything on this page is inside the file.</footer>
</main>
<dialog><img alt=""><p></p></dialog>
<script>
{(assets / "cloud.js").read_text(encoding="utf-8")}</script>
<script>
{(assets / "report.js").read_text(encoding="utf-8")}</script>
</body>
</html>
"""
