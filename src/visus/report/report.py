"""``report.html``: what a run learned and where it fails, on one page that needs nothing but itself.

Style, script, curves and pictures are inside the file; a content security policy forbids the page any request.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from jaxtyping import Int64
from torch import Tensor

from visus.report.charts import bar_chart, line_chart
from visus.report.confusion import confusion_chart
from visus.report.machine import describe_machine
from visus.report.measures import cards, measure_tables, split_measure
from visus.report.pairs import Example, worst_and_best
from visus.types import Schema

_PANELS = ("Measures on the validation images", "Training loss", "Validation loss", "Learning rate")
_MOST_CATEGORIES = 100


def write_report(
    run: Path,
    *,
    title: str,
    schema: Schema,
    history: list[dict[str, float]],
    metrics: dict[str, float],
    per_category: dict[str, dict[str, float]],
    examples: list[Example],
    confusion_matrix: Int64[Tensor, "c c"] | None = None,
    sections: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Writes ``report.html`` into a run folder.

    Args:
        run: the folder; its ``recipe.json`` is shown where it has one.
        title: the heading.
        schema: the names of the categories, and how keypoints are connected.
        history: one dict per epoch: ``train ...`` and ``val ...`` losses, measures such as ``box AP``, ``lr``.
        metrics: the final measures as shares from 0 to 1 (``box AP``, ``mIoU`` ...), -1 where there is nothing to
            measure; numbers above 1 are shown as they are.
        per_category: for each measure (``box AP``) the value of each category by name.
        examples: image with its truth, what was predicted, and how good that is (larger is better).
        confusion_matrix: pixels or images by true class (rows) and predicted class (columns).
        sections: further HTML by its heading, shown before the examples. It has to be safe: it is not escaped.

    Returns:
        The path of the page.
    """
    body = "\n".join(
        (
            _header(run, title),
            cards(metrics, _facts(run)),
            _section("Measures", *measure_tables(metrics)),
            _section("Training", _curves(history, metrics)),
            _section("Categories", *_categories(per_category)),
            _section("Confusion matrix", *_confusion(confusion_matrix, schema)),
            *(_section(name, html) for name, html in sections.items()),
            *(_section(name, html) for name, html in worst_and_best(examples, schema).items()),
            _section("How it was made", _recipe(run) + _machine()),
        )
    )
    path = run / "report.html"
    path.write_text(_page(title, body), encoding="utf-8")
    return path


def write_page(path: Path, *, title: str, sections: Mapping[str, str]) -> Path:
    """Writes a page of sections in the style of the reports; their HTML has to be safe: it is not escaped."""
    parts = (_section(name, html) for name, html in sections.items())
    body = "\n".join((_header(path.parent, title), *parts, _section("How it was made", _machine())))
    path.write_text(_page(title, body), encoding="utf-8")
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


def _curves(history: Sequence[Mapping[str, float]], measures: Collection[str]) -> str:
    """The losses, measures and learning rate over the epochs, or over steps where rows are finer than that."""
    panels: dict[str, dict[str, list[float | None]]] = {panel: {} for panel in _PANELS}
    for name in dict.fromkeys(name for row in history for name in row):
        if placed := _panel(name, measures):
            measured = placed[0] == _PANELS[0]
            panels[placed[0]][placed[1]] = [_point(row.get(name), measured=measured) for row in history]
    if not any(panels.values()):
        return ""
    x_name, x = _time_axis(history)
    charts = "".join(
        line_chart(panel, x, lines, x_name=x_name) if _has_curve(lines) else _only_values(panel, lines)
        for panel, lines in sorted(panels.items(), key=lambda item: not _has_curve(item[1]))  # tables come last
    )
    return f'<div class="charts">{charts}</div>'


def _point(value: float | None, *, measured: bool) -> float | None:
    """A value of a curve: measures in hundredths, without the -1 of what could not be measured."""
    if value is None or not measured:
        return value
    return 100 * value if value >= 0 else None


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


def _panel(name: str, measures: Collection[str]) -> tuple[str, str] | None:
    """The chart that a column of the history belongs to, and its name there; None leaves it out."""
    measured, train, val, rate = _PANELS
    if (split := split_measure(name)) is not None:
        return (measured, name) if split[1] in ("AP", "AP50") else None
    if name in measures:
        return measured, name
    if name == "lr" or name.startswith(("lr ", "learning rate")):
        return rate, name
    first, _, rest = name.partition(" ")
    if first in ("train", "val") and rest:
        return (train if first == "train" else val), rest
    return None


def _categories(per_category: Mapping[str, Mapping[str, float]]) -> tuple[str, str]:
    """Bars of each category, the best of the first measure on top, and a note."""
    names = list(per_category)
    categories = dict.fromkeys(category for values in per_category.values() for category in values)
    if not categories:
        return "", ""
    rows = [(category, [per_category[name].get(category) for name in names]) for category in categories]
    rows.sort(key=lambda row: -max((v for v in row[1][:1] if v is not None), default=-1.0))
    note = "In hundredths. A dash: there was nothing to measure."
    if len(rows) > _MOST_CATEGORIES:
        half = _MOST_CATEGORIES // 2
        note += f" The best and the worst {half} of {len(rows)}; all are in metrics.json."
        rows = rows[:half] + rows[-half:]
    return f'<div class="panel">{bar_chart(rows, names)}</div>', note


def _confusion(matrix: Tensor | None, schema: Schema) -> tuple[str, str]:
    """The matrix as a heat map, and a note."""
    chart = "" if matrix is None else confusion_chart(matrix.cpu(), schema.categories)
    note = "What the true classes (rows) were taken for (columns), in hundredths of each row."
    return (f'<div class="panel">{chart}</div>' if chart else ""), note


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
