"""Several runs on one page: their numbers side by side, their curves in one drawing, and in what they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from visus.metrics.metric import LOSS, Measure, headlines
from visus.report.charts import NUM_COLOURS, bar_chart, line_chart

_MOST_COLUMNS = 12
_MOST_CURVES = 5
_MOST_CATEGORIES = 40

Row = Mapping[str, float]


@dataclass(frozen=True)
class ComparedRun:
    """What a run left behind.

    Args:
        name: short, and no other run's.
        numbers: what its best weights measure.
        measures: what each of them means.
        per_category: by measure, then by category.
        facts: short texts by name.
        settings: of its recipe, by their dotted names.
        curves: its history over the steps.
        data: what it was measured on.
    """

    name: str
    numbers: Mapping[str, float]
    measures: Mapping[str, Measure]
    per_category: Mapping[str, Mapping[str, float]]
    facts: Mapping[str, str]
    settings: Mapping[str, str]
    curves: Sequence[Row]
    data: str


def comparison_sections(runs: Sequence[ComparedRun]) -> dict[str, str]:
    """Safe HTML by heading; a heading without anything to show has none."""
    return {
        "Measures": _note(_about_data(runs)) + _numbers(runs),
        "Training": _curves(runs),
        "Categories": _categories(runs),
        "What differs": _differences(runs),
    }


def shared_measures(runs: Sequence[ComparedRun]) -> dict[str, Measure]:
    """The measures of the runs by name, headlines first."""
    known = {name: measure for run in runs for name, measure in run.measures.items()}
    first = [name for name in headlines(known) if known[name].headline]
    return {name: known[name] for name in [*first, *(other for other in known if other not in first)]}


def best_of(runs: Sequence[ComparedRun], name: str, measure: Measure) -> float | None:
    """The best value of a measure where at least two runs have one and they differ."""
    known = [run.numbers[name] for run in runs if measure.known(run.numbers.get(name))]
    return max(known, key=measure.merit) if len(set(known)) > 1 else None


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _about_data(runs: Sequence[ComparedRun]) -> str:
    if len({run.data for run in runs}) == 1:
        return f"Measured on {runs[0].data}; shares in hundredths, the best of each in bold."
    data = "; ".join(f"{run.name}: {run.data}" for run in runs)
    return f"The runs were measured on different data, so their numbers do not compare. {data}."


def _numbers(runs: Sequence[ComparedRun]) -> str:
    """A line for each run: its measures, the best in bold; below, its facts."""
    measures = dict(list(shared_measures(runs).items())[:_MOST_COLUMNS])
    best = {name: best_of(runs, name, measure) for name, measure in measures.items()}
    values = [
        "".join(
            f"<td{' class=main' if best[name] is not None and run.numbers.get(name) == best[name] else ''}>"
            f"{measure.text(run.numbers.get(name))}</td>"
            for name, measure in measures.items()
        )
        for run in runs
    ]
    facts = list(dict.fromkeys(name for run in runs for name in run.facts))
    texts = ["".join(f"<td>{escape(run.facts.get(name, '–'))}</td>" for name in facts) for run in runs]
    return _table(list(measures), runs, values) + _table(facts, runs, texts)


def _table(columns: Sequence[str], runs: Sequence[ComparedRun], cells: Sequence[str]) -> str:
    """A line for each run, with the colour that it has in the drawings."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    lines = "".join(
        f'<tr><th><i class="mark s{place % NUM_COLOURS}"></i>{escape(run.name)}</th>{line}</tr>'
        for place, (run, line) in enumerate(zip(runs, cells, strict=True))
    )
    return f'<div class="panel"><table><thead><tr><th></th>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _curves(runs: Sequence[ComparedRun]) -> str:
    """The loss of training and the headlines of validation over the steps, a line for each run."""
    known = {name: measure for name, measure in shared_measures(runs).items() if measure.curve}
    names = {"train loss": LOSS, "val loss": LOSS, **dict(list(known.items())[:_MOST_CURVES])}
    charts = "".join(_chart(name, measure, runs) for name, measure in names.items())
    return f'<div class="charts">{charts}</div>' if charts else ""


def _chart(name: str, measure: Measure, runs: Sequence[ComparedRun]) -> str:
    factor = 100 if measure.unit == "share" else 1
    points = {
        run.name: {
            line["step"]: factor * line[name] for line in run.curves if "step" in line and measure.known(line.get(name))
        }
        for run in runs
    }
    steps = sorted({step for line in points.values() for step in line})
    if len(steps) < 2:
        return ""
    lines = {run: [line.get(step) for step in steps] for run, line in points.items()}
    title = f"{name}, in hundredths" if measure.unit == "share" else name
    return line_chart(title, steps, lines, x_name="step")


def _categories(runs: Sequence[ComparedRun]) -> str:
    """The first measure of each category, a bar for each run."""
    names = list(dict.fromkeys(name for run in runs for name in run.per_category))
    if not names:
        return ""
    values = [run.per_category.get(names[0], {}) for run in runs]
    categories = dict.fromkeys(category for one in values for category in one)
    rows = [(category, [one.get(category) for one in values]) for category in categories]
    rows.sort(key=lambda line: -max((value for value in line[1] if value is not None), default=-1.0))
    cut = f" The first {_MOST_CATEGORIES} of {len(rows)}." if len(rows) > _MOST_CATEGORIES else ""
    chart = bar_chart(rows[:_MOST_CATEGORIES], [run.name for run in runs])
    return f'{_note(f"{names[0]}, in hundredths.{cut}")}<div class="panel">{chart}</div>'


def _differences(runs: Sequence[ComparedRun]) -> str:
    """The settings of the recipes that are not the same in all runs."""
    names = list(dict.fromkeys(name for run in runs for name in run.settings))
    differing = [name for name in names if len({run.settings.get(name, "–") for run in runs}) > 1]
    if not differing:
        return _note("All settings of the recipes are the same.") if len(runs) > 1 else ""
    head = "".join(f"<th>{escape(run.name)}</th>" for run in runs)
    lines = "".join(
        f"<tr><th>{escape(name)}</th>"
        + "".join(f"<td>{escape(run.settings.get(name, '–'))}</td>" for run in runs)
        + "</tr>"
        for name in differing
    )
    return f'<div class="panel"><table><thead><tr><th></th>{head}</tr></thead><tbody>{lines}</tbody></table></div>'
