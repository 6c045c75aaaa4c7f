"""The results table of metric learning: on the terminal, as CSV and JSON, and as a page with the curves of recall."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from rich import box
from rich.markup import escape as escape_markup
from rich.table import Table

from visus.recipes.metric_table import Row
from visus.report.layout import write_page
from visus.report.neighbours import recall_chart
from visus.runs.results_shown import fitting
from visus.terminal import console

Numbers = Mapping[str, float]
KS = (1, 10, 100, 1000)
MOST_CURVES = 6
PUBLISHED_ON = "sop"
"""The data set of the published numbers: beside those of another they would say nothing."""

_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""The 97.5 % points of Student's t for 1 to 9 degrees of freedom: half the width of a 95 % interval, in errors."""


def write_table(
    folder: Path,
    rows: Mapping[str, Row],
    results: Mapping[str, Sequence[Numbers]],
    about: Mapping[str, str],
    *,
    show: bool = False,
) -> None:
    """Writes table.csv, table.json and report.html into ``folder``; shows the table on the terminal if asked.

    Args:
        folder: where.
        rows: the methods, and the backbones of which nothing learns.
        results: recall by name for each row that is done and each seed.
        about: data, protocol, budget and seeds, for the heading.
        show: print it.
    """
    table = [_line(rows[name], seeds) for name, seeds in results.items()]
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    record = {"about": dict(about), "rows": {name: list(map(dict, seeds)) for name, seeds in results.items()}}
    (folder / "table.json").write_text(json.dumps(record, indent=1))
    means = {rows[name].title: _mean(seeds) for name, seeds in results.items()}
    best = sorted(means, key=lambda title: -means[title]["R@1"])[:MOST_CURVES]
    curves = {title: numbers for title, numbers in means.items() if title in best or title.startswith("Frozen")}
    note = ". ".join(f"{name.capitalize()}: {text}" for name, text in about.items())
    page = write_page(
        folder / "report.html",
        title="Deep metric learning: one table, one protocol",
        sections={"Recall@K in percent": _html(table, note), "Curves of the best": recall_chart(curves)},
    )
    if show:
        terminal = console(markup=True)
        for part in _terminal(table, note, terminal.width):
            terminal.print(part)
        terminal.print(escape_markup(f"Table   {folder / 'table.csv'}\nReport  {page}"), soft_wrap=True)


def interval(values: Sequence[float]) -> float:
    """Half the width of the 95 % confidence interval of the mean, by Student's t; 0 for a single value."""
    if len(values) < 2:
        return 0.0
    factor = _STUDENT[len(values) - 2] if len(values) - 2 < len(_STUDENT) else 1.96
    return float(factor * statistics.stdev(values) / len(values) ** 0.5)


def _line(row: Row, seeds: Sequence[Numbers]) -> dict[str, str]:
    """One row of the table, as text."""
    line = {"method": row.title, "dimension": str(row.dimension)}
    for k in KS:
        line[f"R@{k}"] = _mean_and_interval([100 * numbers[f"R@{k}"] for numbers in seeds])
    line["MAP@R"] = _mean_and_interval([100 * numbers["MAP@R"] for numbers in seeds if "MAP@R" in numbers])
    joined = [100 * numbers["R@1 joined"] for numbers in seeds if "R@1 joined" in numbers]
    line["R@1 of all folds joined"] = f"{statistics.fmean(joined):.1f}" if joined else ""
    if row.recipe.data.dataset == PUBLISHED_ON:
        for k, value in zip(KS, row.published, strict=True):
            line[f"published R@{k}"] = "" if value is None else f"{value:.1f}"
        line["published network"] = row.network
    return line


def _mean_and_interval(values: Sequence[float]) -> str:
    """The mean in percent and, from two values on, half the width of its interval; nothing of nothing."""
    if not values:
        return ""
    width = f" ± {interval(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.1f}{width}"


def _mean(seeds: Sequence[Numbers]) -> dict[str, float]:
    return {
        name: statistics.fmean(numbers[name] for numbers in seeds)
        for name in seeds[0]
        if name.startswith("R@") and "joined" not in name
    }


def _shared(lines: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The lines without empty columns, the published recalls in one."""
    own = [name for name in lines[0] if not name.startswith("published R@") and any(line[name] for line in lines)]
    shared = []
    for line in lines:
        values = {name: line[name] for name in own if name != "published network"}
        if _beside_published(lines):
            published = [line[f"published R@{k}"] or "-" for k in KS]
            shown = "" if set(published) == {"-"} else " / ".join(published)
            values |= {"published": shown, "network": line["published network"]}
        shared.append(values)
    return shared


def _beside_published(lines: Sequence[Mapping[str, str]]) -> bool:
    return "published network" in lines[0]


def _terminal(lines: Sequence[Mapping[str, str]], note: str, width: int) -> list[Table]:
    """The table, in parts below each other where it is wider than the terminal."""
    published = " Published: Stanford Online Products." if _beside_published(lines) else ""
    shared = _shared(lines)
    names = [name for name in shared[0] if name not in ("dimension", "network")]
    cells = [[line[name].replace(" / ", " ") for name in names] for line in shared]
    if _widths(names, cells)[0] + sum(_widths(names, cells)[1:]) > width:
        cells = [[cell.replace(" ± ", "\n± ") for cell in line] for line in cells]
    method, *widths = _widths(names, cells)
    parts = fitting(widths, width - method)
    tables = []
    for place, part in enumerate(parts):
        caption = f"{escape_markup(note)}.{published}" if place == len(parts) - 1 else None
        table = Table(box=box.SIMPLE_HEAD, caption=caption, pad_edge=False, padding=(0, 0, 0, 1))
        chosen = [0, *(column + 1 for column in part)]
        for column in chosen:
            table.add_column(names[column], justify="right" if column else "left", no_wrap=True)
        for line in cells:
            table.add_row(*(escape_markup(line[column]) for column in chosen))
        tables.append(table)
    return tables


def _widths(names: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int]:
    """Of each column, the letters that it needs, the blank before it and the line of the box included."""
    texts = [[name, *(line[place] for line in cells)] for place, name in enumerate(names)]
    return [2 + max(len(line) for text in column for line in text.split("\n")) for column in texts]


def _html(lines: Sequence[Mapping[str, str]], note: str) -> str:
    shared = _shared(lines)
    head = "".join(f"<th>{escape(name)}</th>" for name in shared[0])
    body = "".join(
        "<tr>" + "".join(f"<{_cell(i)}>{escape(text)}</{_cell(i)}>" for i, text in enumerate(line.values())) + "</tr>"
        for line in shared
    )
    note += "."
    if _beside_published(lines):
        note += " The published numbers are R@1, 10, 100 and 1000 on Stanford Online Products, at their best epoch."
    return (
        f'<p class="note">{escape(note)}</p><div class="panel"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(column: int) -> str:
    return "th" if column == 0 else "td"
