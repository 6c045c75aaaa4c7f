"""What a search found, for people: a table on the terminal, a contact sheet, and a page."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from PIL import Image
from rich import box
from rich.table import Table

from visus.draw.sheet import contact_sheet
from visus.galleries.answer import Answer, Group, Match, picture_of, short_name
from visus.galleries.entry import Box, Entry
from visus.galleries.identify import Identification
from visus.galleries.reid import Seen
from visus.predict.pictures import write_picture
from visus.report.layout import write_page
from visus.report.pictures import data_url

MOST_GROUPS: Final = 100
"""Groups that have a sheet and a place on the page."""

MOST_ENTRIES: Final = 60
"""Entries of a group that are shown."""


def answer_table(answer: Answer) -> Table:
    """A row for each match."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("id", justify="right", no_wrap=True)
    table.add_column({"cosine": "cosine"}.get(answer.closeness, "distance"), justify="right", no_wrap=True)
    told = any(match.chance is not None for match in answer.matches)
    if told:
        table.add_column("chance", justify="right", no_wrap=True)
    again = any(match.reranked is not None for match in answer.matches)
    if again:
        table.add_column("re-ranked", justify="right", no_wrap=True)
    table.add_column("image", style="cyan", overflow="fold")
    table.add_column("about", overflow="fold")
    for match in answer.matches:
        chance = [_chance(match)] if told else []
        chance += ["" if match.reranked is None else f"{match.reranked:.4f}"] if again else []
        style = None if match.alike else "dim"
        table.add_row(
            str(match.entry.id), f"{match.score:.4f}", *chance, shown_path(match.entry.name), _about(match), style=style
        )
    return table


def write_answer(answer: Answer, folder: Path, title: str) -> None:
    """Writes the contact sheet and the page of an answer into a folder."""
    write_picture(answer.sheet(), folder / "sheet.png")
    names = answer.names or ("",) * len(answer.asked)
    asked = "".join(
        _figure(data_url(picture), "query", name) for picture, name in zip(answer.asked, names, strict=True)
    )
    found = "".join(map(_found, answer.matches))
    sections = {"Asked": _row(asked), "Found": _doubt(answer) + _row(found)}
    write_page(folder / "answer.html", title=title, sections=sections)


def title_of(what: str, images: Sequence[str]) -> str:
    """What was done with which images, of many the first three."""
    more = f" and {len(images) - 3:,} more" if len(images) > 3 else ""
    return f"{what}: {', '.join(images[:3])}{more}"


def _found(match: Match) -> str:
    """The figure of a match, paler where chance explains it."""
    return _figure(data_url(picture_of(match.entry)), *_lines(match), doubtful=not match.alike)


def _doubt(*answers: Answer) -> str:
    """What pale pictures mean, where there are any."""
    if all(match.alike for answer in answers for match in answer.matches):
        return ""
    if all(answer.nothing_alike for answer in answers):
        return '<p class="note">Nothing alike: chance alone explains such scores.</p>'
    return '<p class="note">Paler: chance alone explains such scores.</p>'


def shown_path(path: str) -> str:
    """A path from the working folder on, where it lies below."""
    here = os.getcwd().rstrip(os.sep) + os.sep
    return path.removeprefix(here)


def _lines(match: Match) -> list[str]:
    score = f"{match.score:.4f}" + (f" · chance {_chance(match)}" if match.chance is not None else "")
    return [score, shown_path(match.entry.name), f"id:{match.entry.id}", _about(match)]


def _about(match: Match) -> str:
    return ", ".join(part for part in (match.reason, _told(match.entry)) if part)


def _told(entry: Entry) -> str:
    """What is known of an entry: its fields, its box, and whether it is gone."""
    parts = [f"{name}={value}" for name, value in entry.metadata.items()]
    parts += [f"box {_box_words(entry.box_xyxy)}"] if entry.box_xyxy else []
    return ", ".join([*parts, *(["gone"] if entry.gone else [])])


def _chance(match: Match) -> str:
    """The share of searches for nothing in particular that find as much."""
    if match.chance is None:
        return ""
    return (
        f"{match.chance:.0%}" if match.chance >= 0.095 else f"{match.chance:.1%}" if match.chance >= 0.001 else "<0.1%"
    )


def _figure(url: str, *lines: str, doubtful: bool = False) -> str:
    """An image with lines below, the first of which is the most important; paths break behind a slash or a dash."""
    first, *others = (escape(line) for line in lines if line)
    text = "<br>".join((f"<b>{first}</b>", *(re.sub("([/_-])", r"\1<wbr>", line) for line in others)))
    image = f'<img src="{url}" alt="{escape(lines[0], quote=True)}">'
    kind = ' class="doubtful"' if doubtful else ""
    return f"<figure{kind}>{image}<figcaption>{text}</figcaption></figure>"


def _row(figures: str) -> str:
    return f'<div class="panel found">{figures}</div>' if figures else ""


def identification_table(found: Identification) -> Table:
    """A row for each image, or for each face in one."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    parts = any(one.asked.box_xyxy for one in found.found)
    table.add_column("image", style="cyan", overflow="fold")
    if parts:
        table.add_column("box", overflow="fold")
    table.add_column(found.field, overflow="fold", style="bold")
    table.add_column("cosine" if found.closeness == "cosine" else "distance", justify="right", no_wrap=True)
    table.add_column("nearest", overflow="fold")
    for one in found.found:
        where = [_box_words(one.asked.box_xyxy)] if parts else []
        nearest = f"{one.candidate} (id:{one.match.entry.id})"
        style = None if one.value is not None else "dim"
        table.add_row(one.asked.name, *where, one.name, f"{one.match.score:.4f}", nearest, style=style)
    return table


def measures_table(measures: Mapping[str, float], protocol: str) -> Table:
    """The numbers of a protocol, which stands above them."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=protocol, title_justify="left")
    for name in measures:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row(*(f"{value:,.0f}" if name == "queries" else f"{value:.4f}" for name, value in measures.items()))
    return table


def write_identification(found: Identification, folder: Path, title: str) -> None:
    """Writes the contact sheet and the page of an identification into a folder."""
    write_picture(found.sheet(), folder / "sheet.png")
    pairs = []
    for one in found.found:
        entry = one.match.entry
        asked = _figure(data_url(one.asked.picture), one.name, one.asked.name, _box_words(one.asked.box_xyxy))
        _, *about = _lines(one.match)
        nearest = _figure(
            data_url(picture_of(entry)), f"{one.match.score:.4f} · {one.candidate}", *about, doubtful=one.value is None
        )
        pairs.append(_row(asked + nearest))
    note = f'<p class="note">{escape(str(found.threshold))}</p>'
    write_page(folder / "answer.html", title=title, sections={"Identified, beside the nearest": note + "".join(pairs)})


def write_seen(seen: Sequence[Seen], folder: Path, title: str) -> None:
    """Writes the contact sheet and the page of objects that were searched for into a folder; a row for each."""
    columns = 1 + max(len(one.answer) for one in seen)
    pictures, captions, rows = [], [], []
    for one in seen:
        asked, matches = one.answer.asked[0], one.answer.matches
        pictures += [asked, *(picture_of(match.entry) for match in matches)]
        captions += [f"query · {one.image}", *(one.answer.caption(match) for match in matches)]
        blank = columns - 1 - len(matches)
        pictures += [Image.new("RGB", (8, 8), "white")] * blank
        captions += [""] * blank
        query = _figure(data_url(asked), "query", one.image, f"box {_box_words(one.box_xyxy)}")
        rows.append(_row(query + "".join(map(_found, matches))))
    write_picture(contact_sheet(pictures, captions=captions, columns=columns, cell=160), folder / "sheet.png")
    note = _doubt(*(one.answer for one in seen))
    write_page(folder / "answer.html", title=title, sections={"Objects and what they are like": note + "".join(rows)})


def write_groups(groups: Sequence[Group], folder: Path, title: str) -> None:
    """Writes a contact sheet of each group and one page of all into a folder; of very many, the first."""
    shown = groups[:MOST_GROUPS]
    parts = [f'<p class="note">{_groups_note(groups)}</p>']
    for number, group in enumerate(shown):
        entries = group.entries[:MOST_ENTRIES]
        pictures = [picture_of(entry) for entry in entries]
        sheet = contact_sheet(pictures, captions=[short_name(entry) for entry in entries], cell=200)
        write_picture(sheet, folder / f"group_{number:03d}.png")
        figures = [
            _figure(data_url(picture), f"id:{entry.id}", shown_path(entry.name), _size_words(entry), _told(entry))
            for picture, entry in zip(pictures, entries, strict=True)
        ]
        of_many = f", of which {len(entries)} are shown" if len(entries) < len(group.entries) else ""
        parts.append(f"<h3>Group {number + 1}: {len(group.entries):,} entries{of_many}</h3>" + _row("".join(figures)))
    write_page(folder / "answer.html", title=title, sections={"Groups": "".join(parts)})


def _groups_note(groups: Sequence[Group]) -> str:
    count = f"{len(groups):,} group{'s' * (len(groups) != 1)}"
    first = f", the first {MOST_GROUPS} of which are shown" if len(groups) > MOST_GROUPS else ""
    return f"{count}{first}; the image with most pixels comes first."


def _size_words(entry: Entry) -> str:
    height, width = entry.size
    return f"{width} × {height}"


def _box_words(place: Box | None) -> str:
    return "" if place is None else " ".join(f"{value:.0f}" for value in place)
