"""Distance-weighted sampling of negatives (arXiv 1706.07567).

Distances of random points on a sphere in d dimensions crowd around the square root of 2, with the density
q(D) ~ D^(d-2) (1 - D^2/4)^((d-3)/2). Negatives drawn with a probability proportional to 1 / q(D) show all distances
alike.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from visus.systems.metric_learning.losses.distances import same_class

CUTOFF = 0.5
NONZERO_LOSS_CUTOFF = 1.4


@torch.no_grad()
def negative_log_weights(
    squared: Float[Tensor, "n n"],
    labels: Int64[Tensor, " n"],
    dimensions: int,
    *,
    cutoff: float = CUTOFF,
    nonzero_loss_cutoff: float = NONZERO_LOSS_CUTOFF,
) -> Float[Tensor, "n n"]:
    """Per row the logarithm of the probability with which each item is drawn as negative; -inf for all that are not.

    Weights span hundreds of orders of magnitude, so they are masked first and then normalised within each row. A row
    without a negative below ``nonzero_loss_cutoff`` draws from all of its negatives alike. In a batch of one class
    everything is -inf.

    Args:
        squared: squared distances of embeddings of length 1.
        labels: the class of each item.
        dimensions: d, of the sphere's space.
        cutoff: nearer negatives are drawn as if they were this far away, which bounds the variance; 0 for no bound.
        nonzero_loss_cutoff: negatives as far away as this are not drawn, as they would cost nothing (alpha + beta).
    """
    negative = ~same_class(labels)
    inside = negative & (squared < nonzero_loss_cutoff**2)
    near = squared.clamp_min(max(cutoff**2, torch.finfo(squared.dtype).tiny))
    weights = (near / -4).add_(1).clamp_min_(1e-8).log_().mul_((3 - dimensions) / 2)
    weights.add_(near.log_(), alpha=(2 - dimensions) / 2)
    weights.masked_fill_(~inside, -torch.inf)
    weights.masked_fill_(negative & ~inside.any(dim=1, keepdim=True), 0)
    top = weights.amax(dim=1, keepdim=True).clamp_min_(torch.finfo(weights.dtype).min)
    return weights.sub_(top).sub_(weights.exp().sum(dim=1, keepdim=True).log_().nan_to_num_(neginf=0))


@torch.no_grad()
def sample_negatives(log_weights: Float[Tensor, "n n"], anchors: Int64[Tensor, " t"]) -> Int64[Tensor, " t"]:
    """Draw one negative for each anchor, with replacement; -1 where its row has none. Anchors are in ascending order.

    A draw is a binary search in the row's cumulative probabilities. Rounding can put it on an item of probability 0
    at the end of a row; then the row's most probable item is taken.
    """
    if not len(anchors):
        return anchors
    probabilities = log_weights.exp()
    cumulative = probabilities.cumsum(dim=1)
    rank = torch.arange(len(anchors), device=anchors.device) - torch.searchsorted(anchors, anchors)
    draws = torch.rand(len(log_weights), int(rank.max()) + 1, device=cumulative.device)  # alike in every precision
    places = torch.searchsorted(cumulative, draws.to(cumulative) * cumulative[:, -1:], right=True)
    drawn = places.clamp_max_(len(log_weights) - 1)[anchors, rank]
    top, likely = probabilities.max(dim=1)
    drawn = torch.where(probabilities[anchors, drawn] > 0, drawn, likely[anchors])
    return torch.where(top[anchors] > 0, drawn, -1)
