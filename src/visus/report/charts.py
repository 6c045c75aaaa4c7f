"""Line charts as inline SVG and bar charts as plain HTML, with nothing to load.

Colours and type come from the page's style sheet (classes ``s0`` to ``s7``); the page's script shows the values under
the pointer, which each chart carries as JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 520, 280
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 36
NUM_COLOURS = 8
_LETTER = 7.0  # the width of a digit

Line = Sequence[float | None]


def line_chart(
    title: str,
    x: Sequence[float],
    lines: Mapping[str, Line],
    *,
    x_name: str = "epoch",
    told: int = -1,
    values: Mapping[str, str] | None = None,
    mark: float | None = None,
) -> str:
    """A figure with one line per name; the scale begins at 0.

    Args:
        title: the heading.
        x: where the values lie, rising.
        lines: a value per ``x``; None or a number that is not finite leaves a gap that the line bridges.
        x_name: what ``x`` counts.
        told: which known value of each line the legend tells, the last by default.
        values: what the legend tells of each line instead.
        mark: a place on the x axis that is marked.
    """
    lines = {name: [_finite(v) for v in line] for name, line in lines.items()}
    known = [v for line in lines.values() for v in line if v is not None]
    if not known:
        return ""
    y_ticks = ticks(min(0.0, *known), max(known))
    frame = (x[0] - (x[0] == x[-1]) * 0.5, x[-1] + (x[0] == x[-1]) * 0.5, y_ticks[0], y_ticks[-1])
    drawn = "".join(
        _line([_place(a, b, frame) for a, b in zip(x, line, strict=True) if b is not None], index)
        for index, line in enumerate(lines.values())
    )
    data = {"x": list(x), "xName": x_name, "frame": frame, "lines": list(lines.items())}
    data["box"] = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)
    data["size"] = (WIDTH, HEIGHT)
    return f"""<figure class="chart" data-chart="{escape(json.dumps(data), quote=True)}">
<figcaption>{escape(title)}</figcaption>
<ul class="legend">{_legend(lines, told, values or {})}</ul>
<div class="plot"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">
{_axes(x, x_name, y_ticks, frame)}{_mark(mark, frame)}{drawn}
<line class="rule" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/></svg>
<div class="tip"></div></div>
</figure>"""


def bar_chart(rows: Sequence[tuple[str, Sequence[float | None]]], names: Sequence[str]) -> str:
    """Horizontal bars, one group per row, a bar per name; values are shares from 0 to 1."""
    return _bars([(row, [_share_bar(value) for value in values]) for row, values in rows], names)


def count_bars(rows: Sequence[tuple[str, Sequence[int]]], names: Sequence[str], totals: Sequence[int]) -> str:
    """Bars of counts, as long as their share of the total of their name; the longest fills the line."""
    shares = [[value / max(total, 1) for value, total in zip(values, totals, strict=True)] for _, values in rows]
    longest = max((share for line in shares for share in line), default=0.0) or 1.0
    shown = [
        (row, [(share / longest, _short(value)) for value, share in zip(values, line, strict=True)])
        for (row, values), line in zip(rows, shares, strict=True)
    ]
    return _bars(shown, names)


def _short(count: int) -> str:
    """A count in at most seven letters.

    >>> _short(99_999), _short(123_456), _short(20_076_000)
    ('99,999', '123 k', '20.1 M')
    """
    return f"{count:,}" if count < 100_000 else f"{count / 1e3:.0f} k" if count < 1_000_000 else f"{count / 1e6:.1f} M"


def _bars(rows: Sequence[tuple[str, Sequence[tuple[float, str]]]], names: Sequence[str]) -> str:
    """Groups of bars, each with its length from 0 to 1 and what is written behind it."""
    legend = _legend(dict.fromkeys(names, ())) if len(names) > 1 else ""
    groups = "".join(
        f'<li><span class="name" title="{escape(row, quote=True)}">{escape(row)}</span><span class="group">'
        + "".join(_bar(length, text, index) for index, (length, text) in enumerate(values))
        + "</span></li>"
        for row, values in rows
    )
    return (f'<ul class="legend">{legend}</ul>' if legend else "") + f'<ol class="bars">{groups}</ol>'


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` round numbers that enclose ``low`` and ``high``.

    >>> ticks(0.03, 0.97)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / count))
    step = min((m * power for m in (1, 2, 2.5, 5, 10)), key=lambda s: (span / s > count + 0.01, s))
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _axes(x: Sequence[float], x_name: str, y_ticks: Sequence[float], frame: tuple[float, ...]) -> str:
    """Grid lines with their numbers, and the name of the x axis."""
    parts = []
    for value in y_ticks:
        _, y = _place(frame[0], value, frame)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value, across in _x_labels(x, frame):
        parts.append(f'<text x="{across:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{value:g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="axis" x="{middle}" y="{HEIGHT - 1}" text-anchor="middle">{escape(x_name)}</text>')
    return "".join(parts)


def _x_labels(x: Sequence[float], frame: tuple[float, ...]) -> list[tuple[float, float]]:
    """About eight of the values themselves where they are few, else round numbers between them, with their places.

    None comes so near to the next that the two would touch; the last one stays.
    """
    chosen = x if len(x) <= 30 else [value for value in ticks(x[0], x[-1], 7) if x[0] <= value <= x[-1]]
    labels: list[tuple[float, float]] = []
    least = (WIDTH - LEFT - RIGHT) / 9
    for value in reversed(chosen):
        across, _ = _place(value, frame[2], frame)
        if not labels or labels[0][1] - across >= max(least, _LETTER * (len(f"{value:g}") + 2)):
            labels.insert(0, (value, across))
    return labels


def _mark(value: float | None, frame: tuple[float, ...]) -> str:
    """A line across the drawing."""
    if value is None:
        return ""
    across, _ = _place(value, frame[2], frame)
    return f'<line class="mark" x1="{across:.1f}" x2="{across:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'


def _line(points: Sequence[tuple[float, float]], index: int) -> str:
    """A line with a dot at its end; single points are all that a first epoch has."""
    if not points:
        return ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    colour = f"s{index % NUM_COLOURS}"
    return f'<polyline class="{colour}" points="{path}"/><circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'


def _place(x: float, y: float, frame: tuple[float, ...]) -> tuple[float, float]:
    """The position of a value inside the drawing; ``frame`` is least and largest x, least and largest y."""
    across = (x - frame[0]) / (frame[1] - frame[0])
    up = (y - frame[2]) / (frame[3] - frame[2])
    return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


def _legend(lines: Mapping[str, Line], told: int = -1, values: Mapping[str, str] | None = None) -> str:
    """The name of each line with its colour, and one of its values."""
    entries = []
    for index, (name, line) in enumerate(lines.items()):
        known = [f"{v:.3g}" for v in line if v is not None]
        text = (values or {}).get(name) or (known[told] if known else "")
        value = f" <b>{escape(text)}</b>" if text else ""
        entries.append(f'<li><i class="s{index % NUM_COLOURS}"></i>{escape(name)}{value}</li>')
    return "".join(entries)


def _share_bar(value: float | None) -> tuple[float, str]:
    """A share in hundredths; a dash where there was nothing to measure."""
    value = _finite(value)
    return (0.0, "–") if value is None or value < 0 else (min(value, 1.0), f"{100 * value:.1f}")


def _bar(length: float, text: str, index: int) -> str:
    """One bar and what is written behind it."""
    filled = f'<i class="s{index % NUM_COLOURS}" style="width:{100 * length:.1f}%"></i>' if text != "–" else ""
    return f'<span class="bar">{filled}<em>{text}</em></span>'


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
