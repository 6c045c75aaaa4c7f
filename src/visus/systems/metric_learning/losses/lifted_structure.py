"""Lifted structured feature embedding (arXiv 1511.06452, equation 4).

Each pair of a class is held against all negatives of both of its items, through a soft maximum:

    J_ij = log( sum_{k in N(i)} exp(alpha - D_ik) + sum_{l in N(j)} exp(alpha - D_jl) ) + D_ij
    J    = 1 / (2 |P|) sum over pairs (i, j) of  max(0, J_ij)^2

D is the Euclidean distance, not its square, and the embeddings keep their length. The derivatives are taken in closed
form: with ``L_i`` the logarithm of the sum over N(i), ``J_ij`` needs no more than ``L_i``, ``L_j`` and ``D_ij``, so
memory stays at n x n.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from visus.systems.metric_learning.losses.distances import (
    checked_embeddings,
    distances_of,
    loss_with_slopes,
    over_distances,
    same_class,
)
from visus.systems.metric_learning.losses.settings import with_settings

Variant = Literal["paper", "generalised"]


def lifted_structure_loss(
    embeddings: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    *,
    alpha: float = 1.0,
    variant: Variant = "paper",
    normalise: bool = False,
) -> Float[Tensor, ""]:
    """The loss over all pairs of the batch; 0 with the gradient 0 for one class, or without a pair of a class.

    Args:
        embeddings: one row per item.
        labels: the class of each item.
        alpha: the margin.
        variant: "generalised" is the one of arXiv 1703.07737: per anchor i, the mean of
            ``max(0, log sum_{j in P(i)} exp(D_ij) + log sum_{k in N(i)} exp(alpha - D_ik))``.
        normalise: give the embeddings length 1 first. With alpha = 1 this leaves the loss hardly a range to work in.

    Raises:
        ValueError: an embedding is NaN or infinite, or ``variant`` is no such name.
    """
    if variant not in get_args(Variant):
        raise ValueError(f"variant={variant!r} is not one of {get_args(Variant)}")
    found = distances_of(checked_embeddings(embeddings, labels, normalise))
    with torch.no_grad():
        far = found.squared.sqrt_()  # the squares are not needed any more
        value, slopes = (_paper if variant == "paper" else _generalised)(far, same_class(labels), alpha)
    return loss_with_slopes(found, value, over_distances(slopes, far), symmetric=False)


def _paper(far: Tensor, same: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """The loss and its derivative in each distance ``far``."""
    logs, shares = _soft_maximum(-far, same)
    rows, columns = same.triu(1).nonzero(as_tuple=True)
    cost = (torch.logaddexp(logs[rows], logs[columns]) + alpha + far[rows, columns]).clamp_min_(0)
    pairs = max(len(rows), 1)
    pull = cost / pairs
    # how much of each pair's soft maximum is its first item's; nothing where neither has negatives
    first = torch.sigmoid(logs[rows] - logs[columns]).nan_to_num_(0)
    weights = torch.zeros_like(logs).index_add_(0, rows, pull * first).index_add_(0, columns, pull * (1 - first))
    slopes = shares.mul_(-weights[:, None])
    slopes[rows, columns] = pull
    return cost.square().sum() / (2 * pairs), slopes


def _generalised(far: Tensor, same: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """The same for the variant."""
    negative_logs, negative_shares = _soft_maximum(-far, same)
    positive_logs, positive_shares = _soft_maximum(far.clone(), ~same.fill_diagonal_(False))
    cost = (negative_logs + positive_logs + alpha).clamp_min_(0)
    anchors = (negative_logs.isfinite() & positive_logs.isfinite()).sum().clamp_min(1)
    slopes = positive_shares.sub_(negative_shares).mul_((cost > 0).to(cost)[:, None] / anchors)
    return cost.sum() / anchors, slopes


def _soft_maximum(
    values: Float[Tensor, "n n"], left_out: Bool[Tensor, "n n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n n"]]:
    """Per row the log-sum-exp of what is not left out, -inf without any, and the share that each value has in it.

    The values are overwritten.
    """
    values.masked_fill_(left_out, -torch.inf)
    top = values.amax(dim=1).clamp_min_(torch.finfo(values.dtype).min)
    shares = values.sub_(top[:, None]).exp_()
    sums = shares.sum(dim=1)
    return sums.log() + top, shares.div_(sums.clamp_min(torch.finfo(values.dtype).tiny)[:, None])


LiftedStructureLoss = with_settings(lifted_structure_loss)
