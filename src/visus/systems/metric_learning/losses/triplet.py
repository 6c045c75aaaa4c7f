"""Triplet loss, as FaceNet (arXiv 1503.03832) and as "In Defense" (arXiv 1703.07737) choose.

An anchor shall be nearer to an item of its class than to one of another class, by a margin:

    max(0, margin + D(anchor, positive) - D(anchor, negative))

Which triplets of a batch count decides whether it learns. ``semi_hard`` takes every pair of a class, and as negative
the nearest one that is farther away than the positive; where none is, the farthest of all. ``batch_hard`` takes, for
each anchor, its farthest positive and its nearest negative.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from visus.systems.metric_learning.losses.distances import (
    Distances,
    checked_embeddings,
    distances_of,
    distances_of_pairs,
    positive_pairs,
    safe_root,
    same_class,
)
from visus.systems.metric_learning.losses.settings import with_settings

Mining = Literal["semi_hard", "batch_hard"]
Triplets = tuple[Int64[Tensor, " t"], Int64[Tensor, " t"], Int64[Tensor, " t"]]
"""The places of anchors, positives and negatives."""


def triplet_loss(
    embeddings: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    *,
    mining: Mining = "semi_hard",
    margin: float | None = 0.2,
    squared: bool | None = None,
    normalise: bool | None = None,
) -> Float[Tensor, ""]:
    """Mean over the triplets of ``mining``; 0 with the gradient 0 where a batch has none (one class, no pair).

    Args:
        embeddings: one row per item.
        labels: the class of each item.
        mining: which triplets count.
        margin: None replaces the hinge by ``log(1 + exp(x))``, the soft margin of arXiv 1703.07737.
        squared: compare squared distances. None is the paper's choice: yes for semi_hard, no for batch_hard.
        normalise: give the embeddings length 1 first. None is the paper's choice: yes for semi_hard, no for batch_hard.

    Raises:
        ValueError: an embedding is NaN or infinite, or ``mining`` is no such name.
    """
    if mining not in get_args(Mining):
        raise ValueError(f"mining={mining!r} is not one of {get_args(Mining)}")
    is_facenet = mining == "semi_hard"
    found = distances_of(checked_embeddings(embeddings, labels, is_facenet if normalise is None else normalise))
    anchors, positives, negatives = (semi_hard_triplets if is_facenet else batch_hard_triplets)(found, labels)
    to_positive = distances_of_pairs(found, anchors, positives)
    to_negative = distances_of_pairs(found, anchors, negatives)
    if not (is_facenet if squared is None else squared):
        to_positive, to_negative = safe_root(to_positive), safe_root(to_negative)
    excess = to_positive - to_negative
    costs = F.softplus(excess) if margin is None else F.relu(excess + margin)
    return costs.sum() / max(len(costs), 1)


@torch.no_grad()
def semi_hard_triplets(found: Distances, labels: Int64[Tensor, " n"]) -> Triplets:
    """For each ordered pair of a class the nearest negative beyond the positive, else the farthest negative."""
    same = same_class(labels)
    anchors, positives = positive_pairs(labels, ordered=True)
    kept = (~same).any(dim=1)[anchors]
    anchors, positives = anchors[kept], positives[kept]
    # Negatives of each row in order, so that one binary search serves a pair; n^2 memory whatever the classes are.
    ordered, order = torch.where(same, torch.inf, found.squared).sort(dim=1)
    counts = (~same).sum(dim=1)
    step = int(same.sum(dim=1).max()) if len(anchors) else 0
    rank = torch.arange(len(anchors), device=anchors.device) - torch.searchsorted(anchors, anchors)
    wanted = found.squared.new_zeros(len(labels), max(step, 1))
    wanted[anchors, rank] = found.squared[anchors, positives]
    places = torch.searchsorted(ordered, wanted, right=True)[anchors, rank]
    places = torch.minimum(places, counts[anchors] - 1)
    return anchors, positives, order[anchors, places]


@torch.no_grad()
def batch_hard_triplets(found: Distances, labels: Int64[Tensor, " n"]) -> Triplets:
    """For each anchor with a positive and a negative, the farthest of the ones and the nearest of the others."""
    same = same_class(labels)
    counts = same.sum(dim=1)
    anchors = ((counts > 1) & (counts < len(labels))).nonzero()[:, 0]
    positives = torch.where(same, found.squared, -1).fill_diagonal_(-1).argmax(dim=1)
    negatives = torch.where(same, torch.inf, found.squared).argmin(dim=1)
    return anchors, positives[anchors], negatives[anchors]


TripletLoss = with_settings(triplet_loss)
