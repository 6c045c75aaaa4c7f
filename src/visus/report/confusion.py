"""A confusion matrix as a heat map in SVG, and the mistakes that are made most often."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import torch
from jaxtyping import Float, Int64
from torch import Tensor

MOST_WITH_NUMBERS = 15
MOST_DRAWN = 100
_LISTED = 10
_LONGEST_NAME = 22


@dataclass(frozen=True)
class _Matrix:
    """Counts with the names of rows and columns, and their shares of each row."""

    counts: Int64[Tensor, "c c"]
    shares: Float[Tensor, "c c"]
    true: Sequence[str]
    named: Sequence[str]


def confusion_chart(
    counts: Int64[Tensor, "c c"],
    true: Sequence[str],
    named: Sequence[str] | None = None,
    *,
    by_count: bool = False,
    always: Sequence[int] = (),
) -> str:
    """The share of each true class (rows) that is predicted as each class (columns), and the most frequent mistakes.

    Up to 15 classes have numbers in the cells, in hundredths; with more than 100 only the mistakes are listed. Classes
    that neither occur nor are predicted have no row.

    Args:
        counts: of true classes by predicted ones.
        true: the names of the rows.
        named: those of the columns; those of the rows when None.
        by_count: list mistakes by how often they were made, not by their share of the true class.
        always: the places of classes that have a row in any case.

    Raises:
        ValueError: where the matrix is not of the categories.
    """
    if counts.shape != (len(true), len(true)):
        raise ValueError(f"a matrix of {tuple(counts.shape)} does not belong to {len(true)} categories")
    if not counts.sum():
        return ""
    named = named or true
    seen = counts.sum(0) + counts.sum(1) > 0
    seen[list(always)] = True
    counts, places = counts[seen][:, seen], seen.nonzero()[:, 0].tolist()
    shares = counts.double() / counts.sum(1, keepdim=True).clamp(min=1)
    matrix = _Matrix(counts, shares, [true[place] for place in places], [named[place] for place in places])
    heat_map = _heat_map(matrix) if len(places) <= MOST_DRAWN else ""
    return f'<div class="confusion">{heat_map}{_mistakes(matrix, by_count=by_count)}</div>'


def _heat_map(matrix: _Matrix) -> str:
    count = len(matrix.true)
    numbers = count <= MOST_WITH_NUMBERS
    cell, letters = (42.0, 13.0) if numbers else (max(9.5, 880 / count), max(9.5, min(13.0, 840 / count)))
    true, named = ([_cut(name) for name in names] for names in (matrix.true, matrix.named))
    margin = 12 + 0.58 * letters * max(map(len, (*true, *named)))
    side = margin + count * cell
    slope = 0.9 * margin * 0.71 + letters  # how far the slanted name of the last column reaches beyond it
    body = _cells(matrix, cell, margin, numbers=numbers) + _names(true, named, cell, margin)
    return (
        f'<div class="heat"><svg viewBox="0 0 {side + slope:.0f} {side:.0f}" style="width:{side + slope:.0f}px;'
        f'--letters:{letters:.1f}px" role="img" aria-label="confusion matrix">{body}</svg></div>'
    )


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _cells(matrix: _Matrix, cell: float, margin: float, *, numbers: bool) -> str:
    side = len(matrix.true) * cell
    parts = [f'<rect class="back" x="{margin:.1f}" y="{margin:.1f}" width="{side:.1f}" height="{side:.1f}"/>']
    for row, column in matrix.counts.nonzero().tolist():
        share, times = float(matrix.shares[row, column]), int(matrix.counts[row, column])
        x, y = margin + column * cell, margin + row * cell
        about = f"{matrix.true[row]} predicted as {matrix.named[column]}: {100 * share:.1f} % ({times})"
        parts.append(
            f'<rect class="{"right" if row == column else "wrong"}" x="{x + 0.5:.1f}" y="{y + 0.5:.1f}" '
            f'width="{cell - 1:.1f}" height="{cell - 1:.1f}" fill-opacity="{_opacity(share):.2f}">'
            f"<title>{escape(about)}</title></rect>"
        )
        if numbers and share >= 0.005:
            on_dark = ' class="on"' if share > 0.45 else ""
            place = f'x="{x + cell / 2:.1f}" y="{y + cell / 2 + 4.5:.1f}" text-anchor="middle"'
            parts.append(f"<text{on_dark} {place}>{100 * share:.0f}</text>")
    return "".join(parts)


def _opacity(share: float) -> float:
    """Small shares can be seen as well: the root of the share."""
    return min(1.0, max(0.06, math.sqrt(share)))


def _names(true: Sequence[str], named: Sequence[str], cell: float, margin: float) -> str:
    """True classes on the left, predicted ones slanted on top."""
    parts = []
    for place, (left, top) in enumerate(zip(true, named, strict=True)):
        middle = margin + (place + 0.5) * cell
        parts.append(f'<text class="name" x="{margin - 7:.1f}" y="{middle + 4:.1f}" text-anchor="end">')
        parts.append(f"{escape(left)}</text>")
        turned = f"translate({middle + 3:.1f} {margin - 6:.1f}) rotate(-45)"
        parts.append(f'<text class="name" transform="{turned}">{escape(top)}</text>')
    return "".join(parts)


def _mistakes(matrix: _Matrix, *, by_count: bool) -> str:
    """A table of what is taken for what most often."""
    wrong = (matrix.counts.double() if by_count else matrix.shares).clone().fill_diagonal_(0).flatten()
    best = torch.topk(wrong, min(_LISTED, len(wrong)))
    rows = ""
    for value, place in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        if value > 0:
            true, found = divmod(place, len(matrix.true))
            share, times = float(matrix.shares[true, found]), int(matrix.counts[true, found])
            names = f"<td>{escape(matrix.true[true])}</td><td>{escape(matrix.named[found])}</td>"
            rows += f"<tr>{names}<td>{100 * share:.1f}</td><td>{times:,}</td></tr>"
    if not rows:
        return ""
    head = "<th>class</th><th>taken for</th><th>in a hundred</th><th>times</th>"
    return (
        '<div class="mistakes"><h3>Most frequent mistakes</h3>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
