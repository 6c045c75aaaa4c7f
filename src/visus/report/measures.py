"""The final numbers of a report: cards with those to look at first, and tables with all of them."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from visus.metrics.metric import Measure, headlines

_SIZES = {"s": " small", "m": " medium", "l": " large"}
_MOST_CARDS = 6


def cards(numbers: Mapping[str, float], measures: Mapping[str, Measure], facts: Mapping[str, str]) -> str:
    """The headlines, and what was trained on what.

    Args:
        numbers: what was measured, by name.
        measures: what each number means.
        facts: short texts by name, such as the model.
    """
    chosen = {name: measures[name] for name in headlines({name: measures[name] for name in numbers})}
    shown = [_card(name, measure, numbers, measures) for name, measure in list(chosen.items())[:_MOST_CARDS]]
    shown += [_html(name, value, "", text=True) for name, value in facts.items()]
    return f'<div class="cards">{"".join(shown)}</div>'


def measure_tables(numbers: Mapping[str, float], measures: Mapping[str, Measure]) -> tuple[str, str]:
    """Measures that belong to a table in that, any others that are not on cards in a list; and a note."""
    tabular = {name: measures[name] for name in numbers if measures[name].row}
    single = {name: measures[name] for name in numbers if not measures[name].row}
    html = _table(numbers, tabular) if tabular else ""
    if any(not measure.headline for measure in single.values()) or len(single) > _MOST_CARDS:
        lines = [f"<tr><th>{escape(name)}</th><td>{m.text(numbers[name])}</td></tr>" for name, m in single.items()]
        html += f'<div class="panel"><table class="numbers"><tbody>{"".join(lines)}</tbody></table></div>'
    shares = any(measures[name].unit == "share" for name in numbers)
    note = "Shares in hundredths." if shares else ""
    if any(measure.column == "AP" for measure in tabular.values()):
        note = "In hundredths, as in COCO's tables: means over IoU 0.50 to 0.95."
    return html, note if html else ""


def _card(name: str, measure: Measure, numbers: Mapping[str, float], measures: Mapping[str, Measure]) -> str:
    """A headline; below it the AP at one overlap, and which way is better where that is down."""
    below = "smaller is better" if measure.smaller_is_better else ""
    at_half = f"{measure.row} AP50"
    if measure.column == "AP" and at_half in numbers:
        below = f"{measures[at_half].text(numbers[at_half])} at IoU 0.50"
    return _html(name, measure.text(numbers[name]), below)


def _html(name: str, value: str, below: str, *, text: bool = False) -> str:
    shown = escape(value).replace("_", "_<wbr>")  # names may break after an underscore
    name, below = (f"<span>{escape(line)}</span>" for line in (name, below))
    return f'<div class="card{" text" if text else ""}">{name}<strong>{shown}</strong>{below}</div>'


def _table(numbers: Mapping[str, float], measures: Mapping[str, Measure]) -> str:
    """A line per row, a column per measure that any of them has."""
    columns = list(dict.fromkeys(measure.column for measure in measures.values()))
    head = "".join(f"<th>{escape(column[:2] + _SIZES.get(column[2:], column[2:]))}</th>" for column in columns)
    lines = ""
    for row in dict.fromkeys(measure.row for measure in measures.values()):
        own = {measure.column: (name, measure) for name, measure in measures.items() if measure.row == row}
        cells = "".join(_cell(own.get(column), numbers) for column in columns)
        lines += f"<tr><th>{escape(row)}</th>{cells}</tr>"
    return f'<div class="panel"><table><thead><tr><th></th>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _cell(entry: tuple[str, Measure] | None, numbers: Mapping[str, float]) -> str:
    if entry is None:
        return "<td>–</td>"
    name, measure = entry
    return f"<td{' class=main' if measure.headline else ''}>{measure.text(numbers[name])}</td>"
