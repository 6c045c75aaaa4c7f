"""Whether the borders of classes lie where they should, which IoU hardly sees.

Csurka, Larlus and Perronnin, "What is a good evaluation measure for semantic segmentation?", BMVC 2013: for each class,
precision is the share of its predicted border that lies near its true border, recall the share of its true border near
the predicted one, and the score their harmonic mean.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from visus.types import VOID

TOLERANCE = 0.0075
"""How far a border may be off, as a share of the image's diagonal."""

_OFFSETS_AT_ONCE = 8  # so many places around each point are looked at before the points that found theirs are put aside


def boundary_f1(
    prediction: UInt8[Tensor, "h w"],
    target: UInt8[Tensor, "h w"],
    num_classes: int,
    *,
    tolerance: float = TOLERANCE,
) -> Float[Tensor, " num_classes"]:
    """The F1 score of the borders of each class in one image.

    The border of a class are its pixels with a neighbour (above, below, left or right) of another class. Neither `VOID`
    nor the edge of the image makes a border, and predicted borders inside of void do not count.

    Args:
        prediction: the class found for each pixel.
        target: the class of each pixel, `VOID` where it does not count.
        num_classes: how many there are.
        tolerance: the distance at which a border still counts as found, as a share of the diagonal.

    Returns:
        The score of each class: 0 where it has a border in only one of the two, nan where it has none in either.
    """
    found = class_borders(torch.where(target == VOID, VOID, prediction))
    true = class_borders(target)
    radius = tolerance * math.hypot(*target.shape)
    precision = _share_near(found, true, radius, num_classes)
    recall = _share_near(true, found, radius, num_classes)
    return _harmonic_mean(precision, recall)


def class_borders(labels: UInt8[Tensor, "h w"]) -> UInt8[Tensor, "h w"]:
    """The labels on the borders of classes, `VOID` everywhere else."""
    counted = labels != VOID
    border = torch.zeros_like(counted)
    for axis in (0, 1):
        length = labels.shape[axis] - 1
        before, after = (slice(0, length), slice(1, None)) if axis == 0 else _columns(length)
        differ = (labels[before] != labels[after]) & counted[before] & counted[after]
        border[before] |= differ
        border[after] |= differ
    return torch.where(border, labels, VOID)


def _columns(length: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """All columns but the last, and all but the first."""
    rows = slice(None)
    return (rows, slice(0, length)), (rows, slice(1, None))


def _share_near(
    points: UInt8[Tensor, "h w"], others: UInt8[Tensor, "h w"], radius: float, num_classes: int
) -> Float[Tensor, " num_classes"]:
    """For each class the share of its border ``points`` that lie within ``radius`` of its ``others``; nan for none.

    Looks around each point, the nearest places first, so that the cost is that of the borders and not of the image.
    """
    reach = math.floor(radius)
    padded = torch.nn.functional.pad(others, (reach,) * 4, value=VOID)
    rows, columns = torch.where(points != VOID)
    classes = points[rows, columns]
    places = (rows + reach) * padded.shape[1] + columns + reach
    total = torch.bincount(classes.long(), minlength=num_classes)
    flat = padded.flatten()
    for offsets in torch.split(_disc(radius, padded.shape[1]), _OFFSETS_AT_ONCE):
        missed = (flat[places[:, None] + offsets] != classes[:, None]).all(dim=1)
        places, classes = places[missed], classes[missed]
        if not len(places):
            break
    return 1 - torch.bincount(classes.long(), minlength=num_classes) / total.double()


@lru_cache(maxsize=256)
def _disc(radius: float, row_length: int) -> Int64[Tensor, " n"]:
    """The places within ``radius`` of one in an image that lies row after row, the nearest first."""
    reach = math.floor(radius)
    steps = torch.arange(-reach, reach + 1)
    squared = steps[:, None] ** 2 + steps**2
    inside: Bool[Tensor, "n n"] = squared <= radius**2
    offsets = (steps[:, None] * row_length + steps)[inside]
    return offsets[squared[inside].argsort(stable=True)]


def _harmonic_mean(precision: Float[Tensor, " n"], recall: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """F1, with 0 where one of the two is 0 or cannot be measured, nan where neither can."""
    p, r = precision.nan_to_num(0.0), recall.nan_to_num(0.0)
    score = 2 * p * r / (p + r).clamp(min=1e-12)
    return score.masked_fill(precision.isnan() & recall.isnan(), math.nan)
