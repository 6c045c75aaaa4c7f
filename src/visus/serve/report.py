"""``report.html``: what a run learned and where it fails, on one page that needs nothing but itself.

Style, script, curves and pictures are inside the file; a content security policy forbids the page any request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

from visus.serve.charts import bar_chart, line_chart
from visus.serve.machine import describe_machine
from visus.serve.pairs import Example, best_and_worst
from visus.types import Schema

_MEASURES = (
    *("AP", "AP50", "AP75", "APs", "APm", "APl"),
    *("AR1", "AR10", "AR100", "AR", "AR50", "AR75", "ARs", "ARm", "ARl"),
)
_SIZES = {"s": " small", "m": " medium", "l": " large"}
_PANELS = ("Precision on the validation images", "Training loss", "Validation loss", "Learning rate")


def write_report(
    run: Path,
    *,
    title: str,
    schema: Schema,
    history: list[dict[str, float]],
    metrics: dict[str, float],
    per_category: dict[str, dict[str, float]],
    examples: list[Example],
) -> Path:
    """Writes ``report.html`` into a run folder.

    Args:
        run: the folder; its ``recipe.json`` is shown where it has one.
        title: the heading.
        schema: the names of the categories, and how keypoints are connected.
        history: one dict per epoch: ``train ...`` and ``val ...`` losses, measures such as ``box AP``, ``lr``.
        metrics: the final measures as shares from 0 to 1 (``box AP``, ``mask AP50`` ...); other numbers become cards.
        per_category: for each measure (``box AP``) the value of each category by name.
        examples: image with its truth, what was predicted, and how good that is (larger is better).

    Returns:
        The path of the page.
    """
    body = "\n".join(
        (
            _header(run, title),
            _cards(run, metrics),
            _section(
                "Measures", _metric_table(metrics), "In hundredths, as in COCO's tables: means over IoU 0.50 to 0.95."
            ),
            _section("Training", _curves(history)),
            _section("Categories", _categories(per_category)),
            *(_section(name, html) for name, html in best_and_worst(examples, schema).items()),
            _section("How it was made", _recipe(run) + _machine()),
        )
    )
    path = run / "report.html"
    path.write_text(_page(title, body), encoding="utf-8")
    return path


def _page(title: str, body: str) -> str:
    """The whole file around the body."""
    assets = files("visus.serve") / "page"
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


def _cards(run: Path, metrics: Mapping[str, float]) -> str:
    """The numbers to look at first."""
    cards = []
    for kind in _kinds(metrics):
        half = metrics.get(f"{kind} AP50")
        below = f"{_hundredths(half)} at IoU 0.50" if half is not None else ""
        cards.append(_card(f"{kind} AP", _hundredths(metrics[f"{kind} AP"]), below))
    cards += [_card(name, f"{value:.4g}", "") for name, value in metrics.items() if _split(name) is None]
    recipe = _recipe_values(run)
    data = recipe.get("data")
    dataset = data.get("dataset") if isinstance(data, dict) else None
    for name, value in (("model", recipe.get("model")), ("data", dataset)):
        if value:
            cards.append(_card(name, str(value), "", text=True))
    return f'<div class="cards">{"".join(cards)}</div>'


def _card(name: str, value: str, below: str, *, text: bool = False) -> str:
    shown = escape(value).replace("_", "_<wbr>")  # names may break after an underscore
    name, below = (f"<span>{escape(line)}</span>" for line in (name, below))
    return f'<div class="card{" text" if text else ""}">{name}<strong>{shown}</strong>{below}</div>'


def _metric_table(metrics: Mapping[str, float]) -> str:
    """A row per kind (box, mask, keypoint), a column per measure that any of them has."""
    known = [split for name in metrics if (split := _split(name))]
    columns = [measure for measure in _MEASURES if any(m == measure for _, m in known)]
    if not columns:
        return ""
    head = "".join(f"<th>{column[:2]}{_SIZES.get(column[2:], column[2:])}</th>" for column in columns)
    rows = ""
    for kind in dict.fromkeys(kind for kind, _ in known):
        cells = "".join(
            f"<td{' class=main' if column == 'AP' else ''}>{_hundredths(metrics.get(f'{kind} {column}'))}</td>"
            for column in columns
        )
        rows += f"<tr><th>{escape(kind)}</th>{cells}</tr>"
    return f'<div class="panel"><table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _curves(history: Sequence[Mapping[str, float]]) -> str:
    """The losses, measures and learning rate over the epochs, or over steps where rows are finer than that."""
    panels: dict[str, dict[str, list[float | None]]] = {panel: {} for panel in _PANELS}
    for name in dict.fromkeys(name for row in history for name in row):
        if placed := _panel(name):
            scale = 100.0 if placed[0] == _PANELS[0] else 1.0
            panels[placed[0]][placed[1]] = [scale * row[name] if name in row else None for row in history]
    if not any(panels.values()):
        return ""
    x_name, x = _time_axis(history)
    charts = "".join(
        line_chart(panel, x, lines, x_name=x_name) if _has_curve(lines) else _only_values(panel, lines)
        for panel, lines in sorted(panels.items(), key=lambda item: not _has_curve(item[1]))  # tables come last
    )
    return f'<div class="charts">{charts}</div>'


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


def _panel(name: str) -> tuple[str, str] | None:
    """The chart that a column of the history belongs to, and its name there; None leaves it out."""
    precision, train, val, rate = _PANELS
    if (split := _split(name)) is not None:
        return (precision, name) if split[1] in ("AP", "AP50") else None
    if name == "lr" or name.startswith(("lr ", "learning rate")):
        return rate, name
    first, _, rest = name.partition(" ")
    if first in ("train", "val") and rest:
        return (train if first == "train" else val), rest
    return None


def _categories(per_category: Mapping[str, Mapping[str, float]]) -> str:
    """Bars of each category, the best of the first measure on top."""
    names = list(per_category)
    if not names:
        return ""
    categories = dict.fromkeys(category for values in per_category.values() for category in values)
    rows = [(category, [per_category[name].get(category) for name in names]) for category in categories]
    rows.sort(key=lambda row: -max((v for v in row[1][:1] if v is not None), default=-1.0))
    return f'<div class="panel">{bar_chart(rows, names)}</div>'


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


def _split(name: str) -> tuple[str, str] | None:
    """``("box", "AP50")`` of ``"box AP50"``; None of names that are no such measure."""
    kind, _, measure = name.rpartition(" ")
    return (kind, measure) if kind and measure in _MEASURES else None


def _kinds(metrics: Mapping[str, float]) -> list[str]:
    """What is measured by AP: box, mask, keypoint."""
    return [split[0] for name in metrics if (split := _split(name)) and split[1] == "AP"]


def _hundredths(value: float | None) -> str:
    """A share as COCO's tables show it; a dash where there was nothing to measure (COCO's -1)."""
    return "–" if value is None or value != value or value < 0 else f"{100 * value:.1f}"
