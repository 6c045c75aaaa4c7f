"""What a descriptor takes for alike: pictures with their nearest neighbours, framed by whether the class is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import torch
from jaxtyping import Float, Int64
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

from visus.data.loader import SampleDataset
from visus.serve.charts import line_chart
from visus.serve.pairs import data_url

RIGHT, WRONG, ASKED = (46, 160, 67), (214, 69, 65), (90, 98, 110)
CELL, FRAME, GAP = 104, 5, 6


def neighbours_html(
    dataset: SampleDataset,
    embeddings: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    *,
    queries: int = 10,
    neighbours: int = 7,
) -> str:
    """A sheet of queries with their nearest neighbours, the failures first, as HTML.

    Args:
        dataset: the pictures, in the order of ``embeddings``.
        embeddings: where each lies.
        labels: the class of each.
        queries: rows of the sheet.
        neighbours: pictures in a row beside the query.
    """
    rows, found = nearest(embeddings, labels, queries=queries, neighbours=neighbours)
    sheet = neighbour_sheet(dataset, labels, rows, found)
    text = "Grey: the query. Green: the same class. Red: another one. Where there are failures, they come first."
    return (
        f'<p class="note">{escape(text)}</p><div class="panel">'
        f'<img src="{data_url(sheet)}" alt="queries and their nearest neighbours" style="max-width:100%"></div>'
    )


def nearest(
    embeddings: Float[Tensor, "n d"], labels: Int64[Tensor, " n"], *, queries: int, neighbours: int
) -> tuple[list[int], Int64[Tensor, "q k"]]:
    """Evenly spread queries, those whose first neighbour is wrong before the others, and their neighbours."""
    points = F.normalize(embeddings.float(), dim=1)
    spread = torch.unique(torch.linspace(0, len(points) - 1, min(len(points), 40 * queries)).long())
    scores = points[spread] @ points.T
    scores[torch.arange(len(spread)), spread] = -torch.inf
    found = scores.topk(min(neighbours, len(points) - 1)).indices
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


def recall_chart(recall: dict[str, dict[str, float]]) -> str:
    """Recall at powers of ten, a line for each method; K grows by factors, so its logarithm is the axis."""
    found = {int(name[2:]) for numbers in recall.values() for name in numbers if name.startswith("R@")}
    ks = [k for k in (1, 10, 100, 1000, 10_000) if k in found]
    lines = {
        method: [100 * numbers[f"R@{k}"] if f"R@{k}" in numbers else None for k in ks]
        for method, numbers in recall.items()
    }
    x = [round(float(torch.tensor(float(k)).log10()), 4) for k in ks]
    if len(ks) < 2:
        return ""
    return f'<div style="max-width:640px">{line_chart("Recall@K in percent", x, lines, x_name="log10 of K")}</div>'


def _framed(dataset: SampleDataset, index: int, colour: tuple[int, int, int]) -> Image.Image:
    picture = Image.fromarray(dataset[index].image.permute(1, 2, 0).contiguous().numpy())
    return ImageOps.expand(ImageOps.fit(picture, (CELL, CELL), Image.Resampling.LANCZOS), FRAME, colour)
