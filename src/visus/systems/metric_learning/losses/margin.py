"""Margin loss with distance-weighted sampling (arXiv 1706.07567).

A pair of a class shall be nearer than beta - alpha, any other pair farther away than beta + alpha:

    l = sum over triplets of max(0, D_ap - beta + alpha) + max(0, beta - D_an + alpha)

divided by how many of these terms are not 0. The boundary beta belongs to the anchor's class and is learned. Every
ordered pair of a class is used once, with a negative of its own (``distance_weighted.py``).
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from visus.systems.metric_learning.losses.distance_weighted import (
    CUTOFF,
    NONZERO_LOSS_CUTOFF,
    negative_log_weights,
    sample_negatives,
)
from visus.systems.metric_learning.losses.distances import (
    checked_embeddings,
    distances_of,
    distances_of_pairs,
    positive_pairs,
    safe_root,
)


def margin_loss(
    embeddings: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    beta: Float[Tensor, "*c"],
    *,
    alpha: float = 0.2,
    nu: float = 0.0,
    cutoff: float = CUTOFF,
    nonzero_loss_cutoff: float = NONZERO_LOSS_CUTOFF,
    normalise: bool = True,
) -> Float[Tensor, ""]:
    """The loss over every ordered pair of a class with a sampled negative each (torch's global generator).

    A batch without a pair of a class, or whose pairs all respect the boundary, has the value 0 with the gradient 0. One
    class alone has no negatives: only its pairs count.

    Args:
        embeddings: one row per item.
        labels: the class of each item.
        beta: the boundary, one number or one for each class.
        alpha: the margin on both sides of the boundary.
        nu: weight of the sum of the boundaries over the triplets.
        cutoff: see ``negative_log_weights``.
        nonzero_loss_cutoff: see ``negative_log_weights``; alpha + beta, from where on a negative costs nothing.
        normalise: give the embeddings length 1 first. The sampling assumes it.

    Raises:
        ValueError: an embedding is NaN or infinite, or a label has no boundary.
    """
    found = distances_of(checked_embeddings(embeddings, labels, normalise))
    if beta.ndim:
        low, high = labels.aminmax()
        if low < 0 or high >= len(beta):
            raise ValueError(f"labels go from {int(low)} to {int(high)}, but there are {len(beta)} boundaries")
    anchors, positives = positive_pairs(labels, ordered=True)
    log_weights = negative_log_weights(
        found.squared, labels, embeddings.shape[1], cutoff=cutoff, nonzero_loss_cutoff=nonzero_loss_cutoff
    )
    negatives = sample_negatives(log_weights, anchors)
    to_positive = safe_root(distances_of_pairs(found, anchors, positives))
    to_negative = safe_root(distances_of_pairs(found, anchors, negatives.clamp_min(0)))
    boundary = beta.to(to_positive)[labels[anchors]] if beta.ndim else beta.to(to_positive).expand_as(to_positive)
    return margin_of_triplets(to_positive, to_negative, boundary, alpha=alpha, nu=nu, valid=negatives >= 0)


def margin_of_triplets(
    to_positive: Float[Tensor, " t"],
    to_negative: Float[Tensor, " t"],
    boundary: Float[Tensor, " t"],
    *,
    alpha: float = 0.2,
    nu: float = 0.0,
    valid: Bool[Tensor, " t"] | None = None,
) -> Float[Tensor, ""]:
    """The loss of triplets whose distances are known; ``valid`` tells which of them have a negative."""
    near = F.relu(to_positive - boundary + alpha)
    far = F.relu(boundary - to_negative + alpha)
    far = far if valid is None else far * valid
    active = (near > 0).sum() + (far > 0).sum()
    return (near.sum() + far.sum() + nu * boundary.sum() * (active > 0)) / active.clamp_min(1)


class MarginLoss(nn.Module):
    """``margin_loss`` with its settings and its boundaries, which an optimiser has to be given.

    Args:
        num_classes: one boundary each.
        beta: where they start.
        learn_beta: whether they are parameters.
        alpha: see ``margin_loss``.
        nu: see ``margin_loss``.
        cutoff: see ``margin_loss``.
        nonzero_loss_cutoff: see ``margin_loss``.
        normalise: see ``margin_loss``.

    Raises:
        ValueError: a weight of boundaries that do not learn.
    """

    beta: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
        beta: float = 1.2,
        learn_beta: bool = True,
        alpha: float = 0.2,
        nu: float = 0.0,
        cutoff: float = CUTOFF,
        nonzero_loss_cutoff: float = NONZERO_LOSS_CUTOFF,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        if nu and not learn_beta:
            raise ValueError("nu pulls at boundaries that learn: leave it out with learn_beta=False")
        start = torch.full((num_classes,), float(beta))
        if learn_beta:
            self.beta = nn.Parameter(start)
        else:
            self.register_buffer("beta", start)
        self.alpha = alpha
        self.nu = nu
        self.cutoff = cutoff
        self.nonzero_loss_cutoff = nonzero_loss_cutoff
        self.normalise = normalise

    def forward(self, embeddings: Float[Tensor, "n d"], labels: Int64[Tensor, " n"]) -> Float[Tensor, ""]:
        """The loss of a batch."""
        return margin_loss(
            embeddings,
            labels,
            self.beta,
            alpha=self.alpha,
            nu=self.nu,
            cutoff=self.cutoff,
            nonzero_loss_cutoff=self.nonzero_loss_cutoff,
            normalise=self.normalise,
        )
