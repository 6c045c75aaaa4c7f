"""Which inputs go through a network together: a row for each kind that can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from visus.clouds import PointBatch
from visus.types import ImageBatch


def _joined(batches: Sequence[ImageBatch]) -> ImageBatch:
    """Batches of one size as one."""
    if len(batches) == 1:
        return batches[0]
    return ImageBatch(
        torch.cat([batch.pixels for batch in batches]),
        torch.cat([batch.sizes for batch in batches]),
        tuple(size for batch in batches for size in batch.originals),
    )


def _joined_points(batches: Sequence[PointBatch]) -> PointBatch:
    """Clouds of one length as one batch."""
    whole = [batch.whole for batch in batches if batch.whole is not None]
    chosen = [batch.chosen for batch in batches if batch.chosen is not None]
    return PointBatch(
        torch.cat([batch.points for batch in batches]),
        [frame for batch in batches for frame in batch.frames],
        torch.cat(chosen) if chosen else None,
        torch.cat(whole) if whole else None,
    )


Join = tuple[Callable[[Any], int], Callable[[Any], Any], Callable[[Any], Any]]
"""Of a kind of inputs: how large one is, what has to agree for several to go together, and how they do."""

JOINS: dict[type, Join] = {
    ImageBatch: (
        lambda batch: int(batch.pixels[:, 0].numel()),
        lambda batch: (batch.pixels.shape[1:], batch.pixels.dtype, bool(batch.originals)),
        _joined,
    ),
    PointBatch: (
        lambda batch: 16 * int(batch.points.numel()),  # so many numbers go through the layers of each coordinate
        lambda batch: (batch.points.shape[1:], None if batch.whole is None else batch.whole.shape[1:]),
        _joined_points,
    ),
}
"""The kinds of inputs that go through a network together."""

ALONE: Join = (len, id, lambda batches: batches[0])
"""Of any other kind, each goes by itself."""
