"""A confusion matrix as a heat map in SVG, and the mistakes that are made most often."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import torch
from jaxtyping import Float, Int64
from torch import Tensor

MOST_WITH_NUMBERS = 15
MOST_DRAWN = 100
_LISTED = 10
_LONGEST_NAME = 22


def confusion_chart(matrix: Int64[Tensor, "c c"], categories: Sequence[str]) -> str:
    """The share of each true class (rows) that is predicted as each class (columns), and the most frequent mistakes.

    Up to 15 classes have numbers in the cells, in hundredths; with more than 100 only the mistakes are listed.

    Raises:
        ValueError: where the matrix is not of the categories.
    """
    if matrix.shape != (len(categories), len(categories)):
        raise ValueError(f"a matrix of {tuple(matrix.shape)} does not belong to {len(categories)} categories")
    if not matrix.sum():
        return ""
    shares = matrix.double() / matrix.sum(1, keepdim=True).clamp(min=1)
    heat_map = _heat_map(shares, matrix, categories) if len(categories) <= MOST_DRAWN else ""
    return f'<div class="confusion">{heat_map}{_mistakes(shares, matrix, categories)}</div>'


def _heat_map(shares: Float[Tensor, "c c"], matrix: Int64[Tensor, "c c"], categories: Sequence[str]) -> str:
    count = len(categories)
    numbers = count <= MOST_WITH_NUMBERS
    cell, letters = (42.0, 13.0) if numbers else (max(9.5, 880 / count), max(9.5, min(13.0, 840 / count)))
    names = [name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…" for name in categories]
    margin = 12 + 0.58 * letters * max(map(len, names))
    side = margin + count * cell
    slope = 0.9 * margin * 0.71 + letters  # how far the slanted name of the last column reaches beyond it
    body = _cells(shares, matrix, categories, cell, margin, numbers=numbers) + _names(names, cell, margin)
    return (
        f'<div class="heat"><svg viewBox="0 0 {side + slope:.0f} {side:.0f}" style="width:{side + slope:.0f}px;'
        f'--letters:{letters:.1f}px" role="img" aria-label="confusion matrix">{body}</svg></div>'
    )


def _cells(
    shares: Float[Tensor, "c c"],
    matrix: Int64[Tensor, "c c"],
    categories: Sequence[str],
    cell: float,
    margin: float,
    *,
    numbers: bool,
) -> str:
    side = len(categories) * cell
    parts = [f'<rect class="back" x="{margin:.1f}" y="{margin:.1f}" width="{side:.1f}" height="{side:.1f}"/>']
    for row, column in matrix.nonzero().tolist():
        share = float(shares[row, column])
        x, y = margin + column * cell, margin + row * cell
        about = f"{categories[row]} predicted as {categories[column]}: {100 * share:.1f} % ({int(matrix[row, column])})"
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


def _names(names: Sequence[str], cell: float, margin: float) -> str:
    """True classes on the left, predicted ones slanted on top."""
    parts = []
    for place, name in enumerate(names):
        middle = margin + (place + 0.5) * cell
        parts.append(f'<text class="name" x="{margin - 7:.1f}" y="{middle + 4:.1f}" text-anchor="end">')
        parts.append(f"{escape(name)}</text>")
        turned = f"translate({middle + 3:.1f} {margin - 6:.1f}) rotate(-45)"
        parts.append(f'<text class="name" transform="{turned}">{escape(name)}</text>')
    return "".join(parts)


def _mistakes(shares: Float[Tensor, "c c"], matrix: Int64[Tensor, "c c"], categories: Sequence[str]) -> str:
    """A table of what is taken for what most often, as a share of the true class."""
    wrong = shares.clone().fill_diagonal_(0).flatten()
    best = torch.topk(wrong, min(_LISTED, len(wrong)))
    rows = ""
    for share, place in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        if share > 0:
            true, found = divmod(place, len(categories))
            names = f"<td>{escape(categories[true])}</td><td>{escape(categories[found])}</td>"
            rows += f"<tr>{names}<td>{100 * share:.1f}</td><td>{int(matrix[true, found]):,}</td></tr>"
    if not rows:
        return ""
    head = "<th>class</th><th>taken for</th><th>in a hundred</th><th>times</th>"
    return (
        '<div class="mistakes"><h3>Most frequent mistakes</h3>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
