"""From the cells of a head to pixels: bilinear, cell and pixel centres aligned (``align_corners=False``).

All coordinates follow one rule. A map of ``m`` cells covers the ``f`` pixels of a padded frame, of which an image has
the first ``n``, and the image is wanted in ``k`` pixels: pixel ``i`` reads the map at ``(i + 1/2) n m / (f k) - 1/2``.
Taking the padding away and resizing are this one step, so that nothing is interpolated twice.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

STRIP = 1 << 22
"""The most logits of an image that `most_likely` has at hand at a time: 16 MB."""


def enlarge(logits: Float[Tensor, "b c _ _"], size: tuple[int, int]) -> Float[Tensor, "b c _ _"]:
    """Logits of a frame at ``size`` (h, w) pixels; those that are so large already stay as they are."""
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def most_likely(
    logits: Float[Tensor, "c _ _"], frame: tuple[int, int], size: tuple[int, int], wanted: tuple[int, int]
) -> tuple[UInt8[Tensor, "h w"], Float[Tensor, "h w"]]:
    """The class of each pixel and its probability, for one image of ``size`` in a ``frame``, in ``wanted`` pixels.

    The enlarged logits never exist as a whole: strips of rows are enlarged and reduced one after the other.
    """
    labels = torch.empty(wanted, dtype=torch.uint8, device=logits.device)
    scores = torch.empty(wanted, dtype=torch.float32, device=logits.device)
    first = 0
    for strip in strips(logits, frame, size, wanted):
        top, label = strip.max(0)
        rows = slice(first, first + len(top))
        labels[rows] = label.to(torch.uint8)
        scores[rows] = torch.exp(top - strip.logsumexp(0))
        first = rows.stop
    return labels, scores


def strips(
    logits: Float[Tensor, "c _ _"], frame: tuple[int, int], size: tuple[int, int], wanted: tuple[int, int]
) -> Iterator[Float[Tensor, "c _ _"]]:
    """The logits of one image, enlarged to ``wanted`` pixels, in strips of rows from top to bottom."""
    logits = logits.float()
    below, above, share = _neighbours(logits.shape[2], frame[1], size[1], wanted[1], logits.device)
    left, right = logits.index_select(2, below), logits.index_select(2, above)
    wide = torch.lerp(left, right, share)  # [c, h', wanted w]
    below, above, share = _neighbours(logits.shape[1], frame[0], size[0], wanted[0], logits.device)
    step = max(1, STRIP // max(1, wide.shape[0] * wide.shape[2]))
    for rows in (slice(i, i + step) for i in range(0, wanted[0], step)):
        yield torch.lerp(wide[:, below[rows]], wide[:, above[rows]], share[rows, None])


def _neighbours(
    cells: int, frame: int, size: int, wanted: int, device: torch.device
) -> tuple[Tensor, Tensor, Float[Tensor, " _"]]:
    """The two cells that each pixel lies between, and how near it is to the second."""
    scale = size * cells / (frame * wanted)
    place = ((torch.arange(wanted, dtype=torch.float64) + 0.5) * scale - 0.5).clamp(min=0).to(device, torch.float32)
    below = place.long().clamp(max=cells - 1)
    return below, (below + 1).clamp(max=cells - 1), place - below
