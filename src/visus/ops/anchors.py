"""Anchors: the boxes of fixed sizes and shapes around every cell of a feature map that proposals start from.

Source: Faster R-CNN, arXiv 1506.01497, section 3.1.1, with the conventions of the published weights: base anchors are
rounded to whole pixels, and the anchors of cell i are centred on i strides, the upper left corner of what the cell
covers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def base_anchors(sizes: Sequence[float], aspect_ratios: Sequence[float]) -> Float[Tensor, "k 4"]:
    """Make the anchors around the origin: all sizes of the first aspect ratio, then of the second, and so on.

    Args:
        sizes: square roots of the areas, in pixels.
        aspect_ratios: height divided by width.
    """
    size = torch.tensor(sizes, dtype=torch.float32)
    stretch = torch.tensor(aspect_ratios, dtype=torch.float32).sqrt()[:, None]
    height = (stretch * size).flatten()
    width = ((1.0 / stretch) * size).flatten()
    return (torch.stack((-width, -height, width, height), dim=1) / 2).round()


def grid_anchors(
    base: Float[Tensor, "k 4"], grid: tuple[int, int], stride: tuple[float, float]
) -> Float[Tensor, "hwk 4"]:
    """Repeat the base anchors at every cell of a ``grid`` (h, w), in the order rows, columns, base anchors.

    Args:
        base: the anchors around the origin, on the device and in the type of the result.
        grid: rows and columns of the feature map.
        stride: pixels per cell, (vertical, horizontal).
    """
    rows, columns = grid
    y = torch.arange(rows, device=base.device, dtype=base.dtype) * stride[0]
    x = torch.arange(columns, device=base.device, dtype=base.dtype) * stride[1]
    y, x = torch.meshgrid(y, x, indexing="ij")
    shift = torch.stack((x, y, x, y), dim=-1)  # [h, w, 4]
    return (shift[:, :, None] + base).flatten(0, 2)


def top_of_levels(scores: Float[Tensor, "b a"], counts: Sequence[int], limit: int) -> Int64[Tensor, "b t"]:
    """The places of the best scores of each level of a pyramid, level by level.

    Args:
        scores: of all levels, one behind the other.
        counts: how many scores each level has.
        limit: how many of a level are taken, or all where there are fewer.
    """
    start, best = 0, []
    for level in torch.split(scores, list(counts), dim=1) if len(counts) > 1 else (scores,):
        count = torch.sym_min(limit, level.shape[1])  # type: ignore[no-untyped-call]
        best.append(level.topk(count, dim=1).indices + start)
        start += level.shape[1]
    return torch.cat(best, dim=1)
