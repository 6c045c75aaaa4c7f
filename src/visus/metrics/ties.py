"""What equally near neighbours are worth: how likely the first of them is a right one."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

Ties = Literal["expected", "optimistic", "pessimistic"]


def share_of_hits(
    closer: Int64[Tensor, " q"],
    tied: Int64[Tensor, " q"],
    positives: Int64[Tensor, " q"],
    limits: Int64[Tensor, " k"],
    ties: Ties,
) -> Float[Tensor, "q k"]:
    """How likely one of ``positives`` is among the first K, behind ``closer`` negatives and mixed with ``tied`` ones.

    Of K' places that are left, all go to negatives with the probability C(t, K') / C(t + p, K').
    """
    left = limits - closer[:, None]  # [q, k]
    if ties != "expected":
        return (left > (tied[:, None] if ties == "pessimistic" else 0)).double()
    negatives, right = tied[:, None].expand_as(left), positives[:, None].expand_as(left)
    shares = (left > negatives).double()
    row, column = ((left > 0) & (left <= negatives)).nonzero(as_tuple=True)
    places, negative, positive = (part[row, column].double() for part in (left, negatives, right))
    missed, by_place = torch.ones_like(places), places <= positive
    steps = torch.minimum(places, positive)
    for step in range(int(steps.max()) if len(steps) else 0):
        each = torch.where(
            by_place,
            (negative - step) / (negative + positive - step),
            (negative + 1 + step - places) / (negative + 1 + step),
        )
        missed = torch.where(step < steps, missed * each, missed)
    shares[row, column] = 1 - missed
    return shares
