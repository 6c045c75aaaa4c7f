"""Contrastive loss (Hadsell, Chopra, LeCun, CVPR 2006; as the baseline of arXiv 1511.06452).

Pairs of a class are drawn together, other pairs pushed apart until they are a margin away:

    J = 1/m sum over pairs of  y D^2 + (1 - y) max(0, alpha - D)^2

with D the Euclidean distance of embeddings of length 1. The m pairs are all pairs of the batch, each counted once.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from visus.systems.metric_learning.losses.distances import (
    checked_embeddings,
    distances_of,
    loss_with_slopes,
    over_distances,
    positive_pairs,
    same_class,
)
from visus.systems.metric_learning.losses.settings import with_settings

HingeOn = Literal["distance", "squared_distance"]
Average = Literal["pairs", "kinds", "nonzero"]


def contrastive_loss(
    embeddings: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    *,
    margin: float = 1.0,
    power: int = 2,
    hinge_on: HingeOn = "distance",
    average: Average = "pairs",
    normalise: bool = True,
) -> Float[Tensor, ""]:
    """Mean of ``q^power`` over pairs of a class and of ``max(0, margin - q)^power`` over the others.

    A batch of one class has the first term only, one without a pair of a class the second only, a single item the
    value 0. Equal embeddings of two classes cost ``margin^power`` but have no gradient.

    Args:
        embeddings: one row per item.
        labels: the class of each item.
        margin: where pushing ends, in the units of q.
        power: 2 is the paper's. Power 1 on squared distances is the pair loss of HDC (arXiv 1611.05720).
        hinge_on: what q is, the distance or its square.
        average: "pairs" divides the sum by the number of pairs; "kinds" adds the mean over pairs of a class and the
            mean over the others, which weighs both alike; "nonzero" does so with the pairs that cost something only.
        normalise: give the embeddings length 1 first.

    Raises:
        ValueError: an embedding is NaN or infinite, or an argument is none of its names.
    """
    if hinge_on not in get_args(HingeOn) or average not in get_args(Average) or power not in (1, 2):
        raise ValueError(
            f"power={power}, hinge_on={hinge_on!r}, average={average!r}: power is 1 or 2, hinge_on one of "
            f"{get_args(HingeOn)}, average one of {get_args(Average)}"
        )
    found = distances_of(checked_embeddings(embeddings, labels, normalise))
    with torch.no_grad():
        rows, columns = positive_pairs(labels, ordered=True)
        far = found.squared if hinge_on == "squared_distance" else found.squared.sqrt_()  # not needed any more
        near = far[rows, columns]
        short = (margin - far).clamp_min_(0).masked_fill_(same_class(labels), 0)
        attract, repel = _weights(near, short, average)
        costs = (near.sum(), short.sum()) if power == 1 else (near.square().sum(), short.square().sum())
        value = attract * costs[0] + repel * costs[1]
        # d q^p and d (margin - q)^p
        slopes = (short.sign_() if power == 1 else short.mul_(2)).mul_(-repel)
        pulls = (torch.ones_like(near) if power == 1 else near * 2).mul_(attract)
        if hinge_on == "distance":
            slopes, pulls = over_distances(slopes, far), over_distances(pulls, near)
        slopes[rows, columns] = pulls
    return loss_with_slopes(found, value, slopes, symmetric=True)


def _weights(near: Tensor, short: Tensor, average: Average) -> tuple[Tensor, Tensor]:
    """What the sum over ordered pairs of a class, and that over the others, is multiplied by."""
    if average == "nonzero":
        counts = torch.stack((near.count_nonzero(), short.count_nonzero()))
    else:
        all_pairs = len(short) * (len(short) - 1)
        each = (all_pairs, all_pairs) if average == "pairs" else (len(near), all_pairs - len(near))
        counts = torch.tensor(each, device=short.device)
    weights = 1 / counts.to(short).clamp_min(1)
    return weights[0], weights[1]


ContrastiveLoss = with_settings(contrastive_loss)
