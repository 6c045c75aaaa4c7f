"""What a descriptor takes for alike: pictures with their nearest neighbours, framed by whether the class is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import torch
from jaxtyping import Int64
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

from visus.data.feed.loader import SampleDataset
from visus.metrics.retrieval import Embedded
from visus.report.charts import line_chart
from visus.report.pictures import data_url

RIGHT, WRONG, ASKED = (46, 160, 67), (214, 69, 65), (90, 98, 110)
CELL, FRAME, GAP = 104, 5, 6


def neighbours_html(
    dataset: SampleDataset,
    images: Embedded,
    *,
    queries: int = 10,
    neighbours: int = 7,
) -> str:
    """A sheet of queries with their nearest neighbours, the failures first, as HTML.

    Args:
        dataset: the pictures, in the order of ``images``.
        images: where each lies, and of which class it is.
        queries: rows of the sheet.
        neighbours: pictures in a row beside the query.
    """
    rows, found = nearest(images, queries=queries, neighbours=neighbours)
    sheet = _on_any_page(neighbour_sheet(dataset, images.labels, rows, found))
    text = "Grey: the query. Green: the same class. Red: another one. Where there are failures, they come first."
    return (
        f'<p class="note">{escape(text)}</p><div class="panel">'
        f'<img src="{data_url(sheet)}" alt="queries and their nearest neighbours" style="max-width:100%"></div>'
    )


def nearest(images: Embedded, *, queries: int, neighbours: int) -> tuple[list[int], Int64[Tensor, "q k"]]:
    """Evenly spread queries, those whose first neighbour is wrong before the others, and their neighbours."""
    points, labels = F.normalize(images.vectors.float(), dim=1), images.labels
    places = torch.arange(len(points)) if images.is_query is None else images.is_query.nonzero()[:, 0]
    spread = places[torch.unique(torch.linspace(0, len(places) - 1, min(len(places), 40 * queries)).long())]
    scores = points[spread] @ points.T
    scores[torch.arange(len(spread)), spread] = -torch.inf
    if images.is_query is not None:
        scores[:, images.is_query] = -torch.inf
    found = scores.topk(min(neighbours, int((scores[0] > -torch.inf).sum()))).indices
    wrong = labels[found[:, 0]] != labels[spread]
    half = queries // 2
    failing, fine = wrong.nonzero()[:half, 0], (~wrong).nonzero()[:, 0]
    chosen = torch.cat((failing, fine[:: max(1, len(fine) // queries)]))[:queries]
    return spread[chosen].tolist(), found[chosen]


def neighbour_sheet(
    dataset: SampleDataset, labels: Int64[Tensor, " n"], queries: Sequence[int], found: Int64[Tensor, "q k"]
) -> Image.Image:
    """A row for each query: the query, then its neighbours, each in a frame."""
    step = CELL + 2 * FRAME + GAP
    sheet = Image.new("RGB", ((found.shape[1] + 1) * step + GAP, len(queries) * step), (255, 255, 255))
    for row, (query, others) in enumerate(zip(queries, found.tolist(), strict=True)):
        sheet.paste(_framed(dataset, query, ASKED), (0, row * step))
        for column, other in enumerate(others, 1):
            colour = RIGHT if labels[other] == labels[query] else WRONG
            sheet.paste(_framed(dataset, other, colour), (column * step + GAP, row * step))
    return sheet


def _on_any_page(sheet: Image.Image) -> Image.Image:
    """The sheet with nothing between its pictures, where the page's own colour shows, light or dark."""
    side, step = CELL + 2 * FRAME, CELL + 2 * FRAME + GAP
    shown = Image.new("L", sheet.size)
    for top in range(0, sheet.height, step):
        for left in (0, *range(step + GAP, sheet.width, step)):
            shown.paste(255, (left, top, left + side, top + side))
    sheet.putalpha(shown)
    return sheet


def recall_chart(recall: dict[str, dict[str, float]]) -> str:
    """Recall at powers of ten, a line for each method, R@1 in the legend; the axis is the logarithm of K."""
    found = {int(name[2:]) for numbers in recall.values() for name in numbers if name.startswith("R@")}
    ks = [k for k in (1, 10, 100, 1000, 10_000) if k in found]
    lines = {
        method: [100 * numbers[f"R@{k}"] if f"R@{k}" in numbers else None for k in ks]
        for method, numbers in recall.items()
    }
    x = [round(float(torch.tensor(float(k)).log10()), 4) for k in ks]
    if len(ks) < 2:
        return ""
    chart = line_chart(f"Recall@K in percent, by name R@{ks[0]}", x, lines, x_name="log10 of K", told=0)
    return f'<div style="max-width:640px">{chart}</div>'


def _framed(dataset: SampleDataset, index: int, colour: tuple[int, int, int]) -> Image.Image:
    picture = Image.fromarray(dataset[index].input.permute(1, 2, 0).contiguous().numpy())
    return ImageOps.expand(ImageOps.fit(picture, (CELL, CELL), Image.Resampling.LANCZOS), FRAME, colour)
