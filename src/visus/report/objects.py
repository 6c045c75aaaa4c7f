"""What the report shows of detections: precision and F1 over the score, each category at the threshold, confusion."""

from __future__ import annotations

import math
from html import escape

import numpy as np

from visus.metrics.object_confusion import ObjectConfusion
from visus.metrics.score_curves import RECALLS, THRESHOLDS, ScoreCurves, suggested_threshold
from visus.report.charts import NUM_COLOURS, line_chart
from visus.report.confusion import confusion_chart

_MOST_ROWS = 100


def score_sections(curves: ScoreCurves) -> list[tuple[str, str, str]]:
    """Headings, HTML and notes: the curves of the categories, and a table of what the threshold makes of each."""
    if not curves.objects.any():
        return []
    note = (
        "A detection counts from a least score on, the score threshold; it is right where it overlaps an object of its "
        f"category by an IoU of their {curves.outline} of 0.50 or more. Precision: the share of detections that are "
        "right. Recall: the share of objects that are found. F1: their harmonic mean."
    )
    return [("Detections over their score", _charts(curves), note), ("At the threshold", _table(curves), _said(curves))]


def confusion_section(confusion: ObjectConfusion, categories: tuple[str, ...]) -> tuple[str, str, str]:
    """What objects are detected as, at the threshold."""
    rows, columns = (*categories, "nothing there"), (*categories, "not found")
    chart = confusion_chart(confusion.counts, rows, columns, by_count=True, always=[len(categories)])
    note = (
        f"What objects (rows) are detected as (columns) from a score of {_score(confusion.threshold)} on, in "
        "hundredths of each row. The last row: detections where nothing is, or of what was found already."
    )
    return "Confusion matrix", f'<div class="panel">{chart}</div>' if chart else "", note


def _said(curves: ScoreCurves) -> str:
    """What the threshold is."""
    if math.isnan(curves.threshold):
        return "No object was found at any score, so no threshold can be suggested."
    if curves.threshold != curves.suggested and not math.isnan(curves.suggested):
        return (
            f"The score threshold {_score(curves.threshold)} was chosen on the run's validation data; these data would "
            f"suggest {_score(curves.suggested)}."
        )
    return (
        f"The score threshold {_score(curves.threshold)} has the largest mean F1 of the categories on these data; "
        "visus predict draws objects from it on (--min-score sets another). In hundredths; own best is the threshold "
        "that a category would choose for itself."
    )


def _charts(curves: ScoreCurves) -> str:
    shown, left_out = _shown(curves)
    mean = _known_mean(curves.envelope)
    best = [_best(curves, c) for c in shown]
    precision = {"all, mean": mean, **{curves.categories[c]: curves.envelope[c] for c in shown}}
    f1 = {"all, mean": curves.mean_f1, **{curves.categories[c]: curves.f1[c] for c in shown}}
    first = line_chart(
        "Precision over recall",
        RECALLS.tolist(),
        {name: _plain(line) for name, line in precision.items()},
        x_name="recall",
        values={name: f"AP50 {100 * float(line.mean()):.1f}" for name, line in precision.items()},
    )
    threshold = None if math.isnan(curves.threshold) else curves.threshold
    second = line_chart(
        "F1 over the score threshold",
        THRESHOLDS.tolist(),
        {name: _plain(line) for name, line in f1.items()},
        x_name="score threshold",
        values={
            name: f"{float(line.max()):.2f} at {_score(at)}"
            for (name, line), at in zip(f1.items(), [curves.suggested, *best], strict=True)
        },
        mark=threshold,
    )
    more = f'<p class="note">{left_out} more categories are in the table.</p>' if left_out else ""
    return f'<div class="charts">{first}{second}</div>{more}'


def _shown(curves: ScoreCurves) -> tuple[list[int], int]:
    """The categories that are drawn: all that are annotated, or the best and the worst of them; how many are not."""
    known = [int(c) for c in np.flatnonzero(curves.objects > 0)]
    known.sort(key=lambda c: -float(curves.f1[c].max()))
    room = NUM_COLOURS - 1
    if len(known) <= room:
        return sorted(known), 0
    return known[: room // 2] + known[-(room - room // 2) :], len(known) - room


def _table(curves: ScoreCurves) -> str:
    at = curves.at(curves.threshold)
    known = [int(c) for c in np.flatnonzero(curves.objects > 0)]
    known.sort(key=lambda c: -float(np.nan_to_num(at["F1"][c])))
    head = "".join(f"<th>{name}</th>" for name in ("", "objects", "precision", "recall", "F1", "own best"))
    rows = ""
    for c in known[:_MOST_ROWS]:
        values = "".join(f"<td>{_hundredths(at[name][c])}</td>" for name in ("precision", "recall", "F1"))
        name, objects = escape(curves.categories[c]), f"{int(curves.objects[c]):,}"
        rows += f"<tr><th>{name}</th><td>{objects}</td>{values}<td>{_score(_best(curves, c))}</td></tr>"
    return f'<div class="panel"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _best(curves: ScoreCurves, category: int) -> float:
    return suggested_threshold(curves.f1[category])


def _known_mean(lines: np.ndarray) -> np.ndarray:
    """The mean line of the categories that are annotated."""
    mean: np.ndarray = lines[~np.isnan(lines).any(axis=1)].mean(axis=0)
    return mean


def _plain(line: np.ndarray) -> list[float | None]:
    return [None if math.isnan(value) else round(value, 4) for value in line.tolist()]


def _hundredths(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def _score(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
