"""The curves of a training: losses, measures and learning rate, over epochs or steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

from visus.metrics.metric import Measure
from visus.report.charts import line_chart

_PANELS = ("Validation, in hundredths", "Validation", "Training loss", "Validation loss", "Learning rate")


def curves(history: Sequence[Mapping[str, float]], measures: Mapping[str, Measure]) -> str:
    """The losses, measures and learning rate over the epochs, or over steps where rows are finer than that."""
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
