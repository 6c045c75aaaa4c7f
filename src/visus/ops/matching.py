"""Which anchor or proposal learns from which object, and which of them are drawn for a step of training."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

BACKGROUND = -1
"""Overlaps every object less than the low threshold."""

BETWEEN = -2
"""Overlaps an object by at least the low and less than the high threshold: neither right nor wrong."""


def match_boxes(
    iou: Float[Tensor, "n a"], high: float, low: float, allow_low_quality: bool = False
) -> Int64[Tensor, " a"]:
    """Give each anchor the object that it overlaps most, where it overlaps enough.

    Source: Faster R-CNN, arXiv 1506.01497, section 3.1.2.

    Args:
        iou: the overlap of each of n objects with each of a anchors.
        high: an anchor learns from its object from this overlap on.
        low: an anchor is background below this overlap.
        allow_low_quality: whether the anchors that overlap an object most of all anchors (every one of equals) learn
            too, however little that is. Each learns from the object that it itself overlaps most. An object that
            overlaps no anchor at all claims none.

    Returns:
        The index of an object, ``BACKGROUND`` or ``BETWEEN`` for each anchor.

    Raises:
        ValueError: if ``low`` is above ``high``.
    """
    if low > high:
        raise ValueError(f"match_boxes needs low <= high; got low={low}, high={high}")
    if iou.shape[0] == 0:
        return torch.full((iou.shape[1],), BACKGROUND, dtype=torch.int64, device=iou.device)
    best, nearest = iou.max(dim=0)
    match = torch.where(best >= high, nearest, BETWEEN)
    match = torch.where(best < low, BACKGROUND, match)
    if allow_low_quality and iou.shape[1] > 0:
        best_of_object = iou.amax(dim=1, keepdim=True)
        claimed = ((iou == best_of_object) & (best_of_object > 0)).any(dim=0)
        match = torch.where(claimed, nearest, match)
    return match


def sample_balanced(
    positive: Bool[Tensor, " a"],
    negative: Bool[Tensor, " a"],
    count: int,
    positive_fraction: float,
    generator: torch.Generator | None = None,
) -> tuple[Int64[Tensor, " p"], Int64[Tensor, " q"]]:
    """Draw up to ``count`` indices without replacement, at most ``positive_fraction`` of them positive.

    Negatives fill what the positives leave. The generator may live on another device than the masks.

    Returns:
        The indices of the drawn positives and of the drawn negatives.
    """
    positives, negatives = positive.nonzero().flatten(), negative.nonzero().flatten()
    num_positive = min(len(positives), int(count * positive_fraction))
    num_negative = min(len(negatives), count - num_positive)
    return _draw(positives, num_positive, generator), _draw(negatives, num_negative, generator)


def _draw(candidates: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    device = candidates.device if generator is None else generator.device
    order = torch.randperm(len(candidates), generator=generator, device=device)
    return candidates[order[:count].to(candidates.device)]
