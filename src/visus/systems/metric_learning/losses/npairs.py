"""Multi-class N-pair loss (Sohn, NIPS 2016, equation 7: N-pair-mc).

A batch holds one pair (anchor, positive) of each of N classes; every positive of another class is a negative:

    L = 1/N sum_i log(1 + sum_{j != i} exp(f_i . f_j+ - f_i . f_i+))

which is the cross-entropy of the N x N inner products of anchors and positives. The embeddings keep their length, since
inner products within [-1, 1] cannot become certain; a penalty on squared lengths stops their growth.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from visus.systems.metric_learning.losses.distances import checked_embeddings, inner_products
from visus.systems.metric_learning.losses.settings import with_settings


def npairs_loss(
    embeddings: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    *,
    l2_weight: float = 0.002,
    scale: float = 1.0,
    normalise: bool = False,
) -> Float[Tensor, ""]:
    """Cross-entropy over the pairs, plus ``l2_weight / 4 (mean |anchor|^2 + mean |positive|^2)``.

    The batch may come in any order. The first item of a class is the anchor and the second the positive, as the paper
    has exactly one pair for each class: further items of a class, and classes with a single item, are left out. One
    class with a pair has the penalty only; a batch without any pair the value 0 with the gradient 0.

    Args:
        embeddings: one row per item.
        labels: the class of each item.
        l2_weight: of the penalty on squared lengths. Implementations differ (0.002 to 0.02 with the factor 1/4); it is
            to be tuned.
        scale: multiplies the inner products. With ``normalise`` it has to be well above 1 for the loss to fall.
        normalise: give the embeddings length 1 first, which is not the paper's loss.

    Raises:
        ValueError: an embedding is NaN or infinite.
    """
    embeddings = checked_embeddings(embeddings, labels, normalise)
    first, second = first_pairs(labels)
    pairs = embeddings.index_select(0, torch.cat((first, second)))
    anchors, positives = pairs.view(2, len(first), pairs.shape[1]).unbind()
    count = max(len(first), 1)
    penalty = pairs.square().sum() * (l2_weight / 4 / count) if l2_weight else 0.0
    logits = inner_products(anchors, positives) * scale
    targets = torch.arange(len(first), device=logits.device)
    return F.cross_entropy(logits, targets, reduction="sum") / count + penalty


def first_pairs(labels: Int64[Tensor, " n"]) -> tuple[Int64[Tensor, " p"], Int64[Tensor, " p"]]:
    """The places of the first and the second item of every class that has two, classes in ascending order."""
    ordered, order = labels.sort(stable=True)
    _, counts = torch.unique_consecutive(ordered, return_counts=True)
    starts = (counts.cumsum(0) - counts)[counts > 1]
    return order[starts], order[starts + 1]


NPairsLoss = with_settings(npairs_loss)
