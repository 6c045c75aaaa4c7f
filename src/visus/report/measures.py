"""The final numbers of a report: cards with those to look at first, and tables with all of them."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

_COCO = (
    *("AP", "AP50", "AP75", "APs", "APm", "APl"),
    *("AR1", "AR10", "AR100", "AR", "AR50", "AR75", "ARs", "ARm", "ARl"),
)
_SIZES = {"s": " small", "m": " medium", "l": " large"}
_MOST_CARDS = 6


def cards(metrics: Mapping[str, float], facts: Mapping[str, str]) -> str:
    """The numbers to look at first, and what was trained on what.

    Args:
        metrics: measures by name, as shares from 0 to 1; numbers above 1 are shown as they are.
        facts: short texts by name, such as the model.
    """
    shown = []
    for kind, measures in _by_kind(metrics).items():
        main = "AP" if "AP" in measures else next(iter(measures))
        below = f"{in_hundredths(measures['AP50'])} at IoU 0.50" if main == "AP" and "AP50" in measures else ""
        shown.append(_card(f"{kind} {main}", in_hundredths(measures[main]), below))
    shown += [_card(name, _number(value), "") for name, value in list(_others(metrics).items())[:_MOST_CARDS]]
    shown += [_card(name, value, "", text=True) for name, value in facts.items()]
    return f'<div class="cards">{"".join(shown)}</div>'


def measure_tables(metrics: Mapping[str, float]) -> tuple[str, str]:
    """COCO's measures, a row per kind (box, mask, keypoint), and any others that are too many for cards; and a note."""
    by_kind, others = _by_kind(metrics), _others(metrics)
    html, note = "", "In hundredths."
    if by_kind:
        html += _coco_table(by_kind)
        if any("AP" in measures for measures in by_kind.values()):
            note = "In hundredths, as in COCO's tables: means over IoU 0.50 to 0.95."
    if len(others) > _MOST_CARDS:
        rows = "".join(f"<tr><th>{escape(name)}</th><td>{_number(value)}</td></tr>" for name, value in others.items())
        html += f'<div class="panel"><table class="numbers"><tbody>{rows}</tbody></table></div>'
    return html, note


def split_measure(name: str) -> tuple[str, str] | None:
    """``("box", "AP50")`` of ``"box AP50"``; None of names that are no such measure."""
    kind, _, measure = name.rpartition(" ")
    return (kind, measure) if kind and measure in _COCO else None


def in_hundredths(value: float | None) -> str:
    """A share as tables of the field show it; a dash where there was nothing to measure (-1)."""
    return "–" if value is None or value != value or value < 0 else f"{100 * value:.1f}"


def _number(value: float) -> str:
    """A share in hundredths, anything above 1 as it is."""
    return f"{value:.4g}" if value > 1 else in_hundredths(value)


def _by_kind(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """COCO's measures of each kind."""
    kinds: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        if split := split_measure(name):
            kinds.setdefault(split[0], {})[split[1]] = value
    return kinds


def _others(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if split_measure(name) is None}


def _card(name: str, value: str, below: str, *, text: bool = False) -> str:
    shown = escape(value).replace("_", "_<wbr>")  # names may break after an underscore
    name, below = (f"<span>{escape(line)}</span>" for line in (name, below))
    return f'<div class="card{" text" if text else ""}">{name}<strong>{shown}</strong>{below}</div>'


def _coco_table(by_kind: Mapping[str, Mapping[str, float]]) -> str:
    """A row per kind, a column per measure that any of them has."""
    columns = [measure for measure in _COCO if any(measure in measures for measures in by_kind.values())]
    head = "".join(f"<th>{column[:2]}{_SIZES.get(column[2:], column[2:])}</th>" for column in columns)
    rows = ""
    for kind, measures in by_kind.items():
        cells = "".join(
            f"<td{' class=main' if column == 'AP' else ''}>{in_hundredths(measures.get(column))}</td>"
            for column in columns
        )
        rows += f"<tr><th>{escape(kind)}</th>{cells}</tr>"
    return f'<div class="panel"><table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
