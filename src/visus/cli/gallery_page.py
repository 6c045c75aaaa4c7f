"""What a search found, for people: a table on the terminal, a contact sheet, and a page."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

from rich import box
from rich.table import Table

from visus.galleries.answer import Answer, Match, picture_of
from visus.report.layout import write_page
from visus.report.pictures import data_url


def answer_table(answer: Answer) -> Table:
    """A row for each match."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("id", justify="right", no_wrap=True)
    table.add_column({"cosine": "cosine"}.get(answer.closeness, "distance"), justify="right", no_wrap=True)
    told = any(match.chance is not None for match in answer.matches)
    if told:
        table.add_column("chance", justify="right", no_wrap=True)
    table.add_column("image", style="cyan", overflow="fold")
    table.add_column("about", overflow="fold")
    for match in answer.matches:
        chance = [_chance(match)] if told else []
        style = None if match.alike else "dim"
        table.add_row(
            str(match.entry.id), f"{match.score:.4f}", *chance, _shown(match.entry.name), _about(match), style=style
        )
    return table


def write_answer(answer: Answer, folder: Path, title: str) -> None:
    """Writes the contact sheet and the page of an answer into a folder."""
    answer.sheet().save(folder / "sheet.png")
    asked = "".join(_figure(data_url(picture), "query") for picture in answer.asked)
    found = "".join(_figure(data_url(picture_of(match.entry)), *_lines(match)) for match in answer.matches)
    note = "Nothing alike: chance alone explains such scores." if answer.nothing_alike else ""
    sections = {"Asked": _row(asked), "Found": (f'<p class="note">{escape(note)}</p>' if note else "") + _row(found)}
    write_page(folder / "answer.html", title=title, sections=sections)


def _shown(path: str) -> str:
    """A path from the working folder on, where it lies below."""
    here = os.getcwd().rstrip(os.sep) + os.sep
    return path.removeprefix(here)


def _lines(match: Match) -> list[str]:
    score = f"{match.score:.4f}" + (f" · chance {_chance(match)}" if match.chance is not None else "")
    return [score, match.entry.name, _about(match)]


def _about(match: Match) -> str:
    entry = match.entry
    parts = [f"{name}={value}" for name, value in entry.metadata.items()]
    if entry.box_xyxy:
        parts.append("box " + " ".join(f"{value:g}" for value in entry.box_xyxy))
    parts += ["gone"] if entry.gone else []
    return ", ".join([match.reason, *parts] if match.reason else parts)


def _chance(match: Match) -> str:
    """The share of searches for nothing in particular that find as much."""
    if match.chance is None:
        return ""
    return (
        f"{match.chance:.0%}" if match.chance >= 0.095 else f"{match.chance:.1%}" if match.chance >= 0.001 else "<0.1%"
    )


def _figure(url: str, *lines: str) -> str:
    text = "<br>".join(escape(line) for line in lines if line)
    style = "display:inline-block;margin:6px;width:180px;vertical-align:top;font-size:12px;overflow-wrap:anywhere"
    image = f'<img src="{url}" alt="{escape(lines[0], quote=True)}" style="max-width:180px;max-height:180px">'
    return f'<figure style="{style}">{image}<figcaption>{text}</figcaption></figure>'


def _row(figures: str) -> str:
    return f'<div class="panel">{figures}</div>' if figures else ""
