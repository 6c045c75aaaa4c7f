"""Numbers on the terminal: tables that fit its width, and plain lines for files and pipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape, render
from rich.table import Table

from visus.metrics.metric import Measure

_GAP = 2  # blanks between columns


class Numbers(Protocol):
    """Numbers by name, and what each of them means."""

    @property
    def numbers(self) -> Mapping[str, float]:
        """The values."""

    @property
    def measures(self) -> Mapping[str, Measure]:
        """What each means."""


def print_metrics(measured: Numbers, console: Console) -> None:
    """On a terminal measures that belong to a table as one, rows down and columns across; others a line each.

    A table that is wider than the terminal goes on below, with as many columns as have room.
    """
    numbers = measured.numbers
    shown = {name: measured.measures[name] for name in numbers}
    tabular = {name: measure for name, measure in shown.items() if measure.row and console.is_terminal}
    rows = list(dict.fromkeys(measure.row for measure in tabular.values()))
    columns = list(dict.fromkeys(measure.column for measure in tabular.values()))
    cells = {(m.row, m.column): _cell(m, numbers[name]) for name, m in tabular.items()}
    if tabular:
        print_rows(columns, {kind: [cells.get((kind, column), "") for column in columns] for kind in rows}, console)
    for name, measure in shown.items():
        if name not in tabular:
            console.print(f"{name} {_text(measure, numbers[name])}", soft_wrap=True, highlight=False, markup=False)


def print_rows(columns: Sequence[str], rows: Mapping[str, Sequence[str]], console: Console) -> None:
    """Prints a table, in parts below each other where it is wider than the terminal.

    Args:
        columns: their names.
        rows: the cells of each row by its name, in rich's markup.
        console: where to; what is no terminal gets the table in one part.
    """
    head = max((cell_len(name) for name in rows), default=0)
    texts = [[column, *(cells[place] for cells in rows.values())] for place, column in enumerate(columns)]
    widths = [max(cell_len(render(text).plain) for text in column) + _GAP for column in texts]
    width = console.width if console.is_terminal else sum(widths) + head + _GAP
    for part in fitting(widths, width - head - _GAP):
        chosen = [place for place in part if any(cells[place] for cells in rows.values())]
        table = Table("", *(columns[place] for place in chosen), box=None, header_style="dim", pad_edge=False)
        table.padding = (0, _GAP, 0, 0)
        table.columns[0].min_width = head
        for name, cells in rows.items():
            if any(cells[place] for place in chosen):
                table.add_row(f"[bold]{escape(name)}[/]", *(cells[place] for place in chosen))
        for column_ in table.columns:
            column_.no_wrap = True
        console.print(table, width=width, crop=False)


def fitting(widths: Sequence[int], room: int) -> list[range]:
    """Columns in groups that have room beside each other, in as few as possible and of about as many columns each.

    >>> fitting([6, 6, 6, 6], 18), fitting([9, 2, 2], 4)
    ([range(0, 2), range(2, 4)], [range(0, 1), range(1, 3)])
    """
    for count in range(1, len(widths) + 1):
        size = -(-len(widths) // count)
        even = [range(start, min(start + size, len(widths))) for start in range(0, len(widths), size)]
        if all(sum(widths[place] for place in part) <= room for part in even):
            return even
    groups: list[range] = []
    for place, width in enumerate(widths):
        if groups and sum(widths[one] for one in groups[-1]) + width <= room:
            groups[-1] = range(groups[-1].start, place + 1)
        else:
            groups.append(range(place, place + 1))
    return groups


def _cell(measure: Measure, value: float) -> str:
    text = _text(measure, value)
    return f"[bold green]{text}[/]" if measure.headline else text


def _text(measure: Measure, value: float) -> str:
    """A dash where there was nothing to measure."""
    return "-" if not measure.known(value) else f"{value:.3f}" if measure.unit == "share" else f"{value:.4g}"
