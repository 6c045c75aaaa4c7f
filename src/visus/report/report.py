"""``report.html``: what a run learned and where it fails, on one page that needs nothing but itself.

Style, script, curves and images are inside the file; a content security policy forbids the page any request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

from visus.data.feed.loader import SampleDataset
from visus.metrics.metric import ConfusionMatrix, Measure, PerCategory
from visus.metrics.retrieval import Embedded
from visus.report.charts import bar_chart, line_chart
from visus.report.confusion import confusion_chart
from visus.report.machine import describe_machine
from visus.report.measures import cards, measure_tables
from visus.report.neighbours import neighbours_html, recall_chart
from visus.report.pairs import Example, worst_and_best
from visus.types import Schema, row
from visus.whole_file import write_whole

Section = tuple[str, str, str]

_PANELS = ("Validation, in hundredths", "Validation", "Training loss", "Validation loss", "Learning rate")
_MOST_CATEGORIES = 100
_ODD_NAMES = "backslashreplace"  # how the bytes of names of files that are no UTF-8 are written


@dataclass(frozen=True)
class Results:
    """What the best weights of a run are worth.

    Args:
        numbers: by name.
        measures: what each number of the results and of the history means, but for losses.
        details: what the metric found beyond numbers; each kind has a row in `SECTIONS`.
        examples: input with its truth, what was predicted, and how good that is (larger is better).
        dataset: what was measured on.
    """

    numbers: Mapping[str, float]
    measures: Mapping[str, Measure]
    details: Sequence[Any] = ()
    examples: Sequence[Example] = ()
    dataset: SampleDataset | None = None


def write_report(run: Path, *, title: str, schema: Schema, history: list[dict[str, float]], results: Results) -> Path:
    """Writes ``report.html`` into a run folder.

    Args:
        run: the folder; its ``recipe.json`` is shown where it has one.
        title: the heading.
        schema: the names of the categories, and how keypoints are connected.
        history: one dict per epoch: ``train ...`` and ``val ...`` losses, measures such as ``box AP``, ``lr``.
        results: of the best weights.

    Returns:
        The path of the page.
    """
    numbers, measures = results.numbers, results.measures
    sections = [part for detail in results.details for part in _detail(detail, title, schema, results)]
    body = "\n".join(
        (
            _header(run, title),
            cards(numbers, measures, _facts(run)),
            _section("Measures", *measure_tables(numbers, measures)),
            _section("Training", _curves(history, measures)),
            *(_section(*part) for part in sections),
            *(_section(name, html) for name, html in worst_and_best(results.examples, schema).items()),
            _section("How it was made", _recipe(run) + _machine()),
        )
    )
    path = run / "report.html"
    write_whole(path, _page(title, body), errors=_ODD_NAMES)
    return path


def _detail(detail: Any, title: str, schema: Schema, results: Results) -> list[Section]:
    return row(SECTIONS, detail, "the report")(detail, title, schema, results)


def write_page(path: Path, *, title: str, sections: Mapping[str, str]) -> Path:
    """Writes a page of sections in the style of the reports; their HTML has to be safe: it is not escaped."""
    parts = (_section(name, html) for name, html in sections.items())
    body = "\n".join((_header(path.parent, title), *parts, _section("How it was made", _machine())))
    write_whole(path, _page(title, body), errors=_ODD_NAMES)
    return path


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
{(assets / "report.js").read_text(encoding="utf-8")}</script>
</body>
</html>
"""


def _header(run: Path, title: str) -> str:
    when = datetime.now().astimezone().strftime("%d %B %Y, %H:%M")
    return f"<header><h1>{escape(title)}</h1><p>{escape(run.resolve().name)} · {when}</p></header>"


def _facts(run: Path) -> dict[str, str]:
    """The model and the data set of a run, where its recipe names them."""
    recipe = _recipe_values(run)
    data = recipe.get("data")
    dataset = data.get("dataset") if isinstance(data, dict) else None
    return {name: str(value) for name, value in (("model", recipe.get("model")), ("data", dataset)) if value}


def _curves(history: Sequence[Mapping[str, float]], measures: Mapping[str, Measure]) -> str:
    """The losses, measures and learning rate over the epochs, or over steps where lines are finer than that."""
    panels: dict[str, dict[str, list[float | None]]] = {panel: {} for panel in _PANELS}
    for name in dict.fromkeys(name for line in history for name in line):
        if placed := _panel(name, measures):
            panels[placed[0]][placed[1]] = [_point(line.get(name), measures.get(name)) for line in history]
    if not any(panels.values()):
        return ""
    x_name, x = _time_axis(history)
    charts = "".join(
        line_chart(panel, x, lines, x_name=x_name) if _has_curve(lines) else _only_values(panel, lines)
        for panel, lines in sorted(panels.items(), key=lambda item: not _has_curve(item[1]))  # tables come last
    )
    return f'<div class="charts">{charts}</div>'


def _point(value: float | None, measure: Measure | None) -> float | None:
    """A value of a curve: shares in hundredths; nothing where nothing could be measured."""
    if value is None or measure is None:
        return value
    if not measure.known(value):
        return None
    return 100 * value if measure.unit == "share" else value


def _has_curve(lines: Mapping[str, Sequence[float | None]]) -> bool:
    """Whether some line has two points; a single one is better read than seen."""
    return any(len([value for value in line if value is not None]) > 1 for line in lines.values())


def _time_axis(history: Sequence[Mapping[str, float]]) -> tuple[str, list[float]]:
    """The column that rises from row to row: epochs (counted from 1, as people do), else steps, else the rows."""
    for name in ("epoch", "step"):
        values = [row.get(name, -1.0) for row in history]
        if all(a < b for a, b in pairwise(values)) and values[:1] >= [0.0]:
            shift = 1.0 if name == "epoch" and values[0] == 0 else 0.0
            return name, [value + shift for value in values]
    return "row", [float(row) for row in range(1, len(history) + 1)]


def _only_values(panel: str, lines: Mapping[str, Sequence[float | None]]) -> str:
    """A table in the place of a chart whose lines have one value each."""
    known = [(name, value) for name, line in lines.items() for value in line if value is not None]
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{value:.4g}</td></tr>" for name, value in known)
    table = f"<b>{escape(panel)}</b><table><tbody>{rows}</tbody></table>"
    return f'<div class="panel values">{table}</div>' if rows else ""


def _panel(name: str, measures: Mapping[str, Measure]) -> tuple[str, str] | None:
    """The chart that a column of the history belongs to, and its name there; None leaves it out."""
    shares, counts, train, val, rate = _PANELS
    if (measure := measures.get(name)) is not None:
        return (shares if measure.unit == "share" else counts, name) if measure.curve else None
    if name == "lr":
        return rate, name
    first, _, rest = name.partition(" ")
    return ({"train": train, "val": val}[first], rest) if first in ("train", "val") and rest else None


def _categories(detail: PerCategory, title: str, schema: Schema, results: Results) -> list[Section]:
    """Bars of each category, the best of the first measure on top."""
    names = list(detail.values)
    categories = dict.fromkeys(category for values in detail.values.values() for category in values)
    if not categories:
        return []
    rows = [(category, [detail.values[name].get(category) for name in names]) for category in categories]
    rows.sort(key=lambda line: -max((v for v in line[1][:1] if v is not None), default=-1.0))
    note = "In hundredths. A dash: there was nothing to measure."
    if len(rows) > _MOST_CATEGORIES:
        half = _MOST_CATEGORIES // 2
        note += f" The best and the worst {half} of {len(rows)}; all are in metrics.json."
        rows = rows[:half] + rows[-half:]
    return [("Categories", f'<div class="panel">{bar_chart(rows, names)}</div>', note)]


def _confusion(detail: ConfusionMatrix, title: str, schema: Schema, results: Results) -> list[Section]:
    """The matrix as a heat map."""
    chart = confusion_chart(detail.counts.cpu(), schema.categories)
    note = "What the true classes (rows) were taken for (columns), in hundredths of each row."
    return [("Confusion matrix", f'<div class="panel">{chart}</div>' if chart else "", note)]


def _retrieval(detail: Embedded, title: str, schema: Schema, results: Results) -> list[Section]:
    """Recall over K, and queries with their nearest neighbours."""
    sections = [("Recall", recall_chart({title: dict(results.numbers)}), "")]
    if results.dataset is not None:
        sections.append(("Nearest neighbours", neighbours_html(results.dataset, detail), ""))
    return sections


SECTIONS: dict[type, Callable[[Any, str, Schema, Results], list[Section]]] = {
    PerCategory: _categories,
    ConfusionMatrix: _confusion,
    Embedded: _retrieval,
}
"""What the report shows of each kind of detail of a metric: heading, safe HTML and a note."""


def _recipe(run: Path) -> str:
    values = _recipe_values(run)
    if not values:
        return ""
    return f"<details><summary>Recipe</summary><pre>{escape(json.dumps(values, indent=2))}</pre></details>"


def _recipe_values(run: Path) -> dict[str, object]:
    """The content of ``recipe.json``, empty where there is none."""
    path = run / "recipe.json"
    values: dict[str, object] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return values


def _machine() -> str:
    rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in describe_machine().items())
    table = f'<table class="facts"><tbody>{rows}</tbody></table>'
    return f"<details><summary>Machine and versions</summary>{table}</details>"


def _section(title: str, content: str, note: str = "") -> str:
    """A headed part of the page; nothing where there is nothing to show."""
    if not content:
        return ""
    return f"<section><h2>{escape(title)}</h2>{f'<p class=note>{escape(note)}</p>' if note else ''}{content}</section>"
