"""Circle loss (arXiv 2002.10857, for pair-wise labels): similarities far from their optimum weigh more.

Each anchor is held against all its positives and negatives at once (equation 6), by the cosines s_p and s_n:

    L = log( 1 + sum_n exp(gamma a_n (s_n - m)) * sum_p exp(-gamma a_p (s_p - 1 + m)) )
    a_n = max(0, s_n + m),  a_p = max(0, 1 + m - s_p)

The weights a (equation 5) are constants for the gradient, as in the paper's own (equation 10): a gradient is not the
slope of the value. The boundary that they make is the circle ``s_n^2 + (1 - s_p)^2 = 2 m^2`` (equation 9).

With t for s_n of a negative and for 1 - s_p of a positive, the terms of both sums are
``exp(gamma max(0, t + m) (t - m))``, and their logarithms have the slope ``gamma max(0, t + m)`` in t. So the gradient
is known in closed form, and the sums stay logarithms.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from visus.systems.metric_learning.losses.distances import checked_embeddings, inner_products, same_class
from visus.systems.metric_learning.losses.settings import with_settings


def circle_loss(
    embeddings: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    *,
    m: float = 0.4,
    gamma: float = 80.0,
    normalise: bool = True,
) -> Float[Tensor, ""]:
    """Mean over the anchors that have a positive and a negative; 0 with the gradient 0 where a batch has none.

    The defaults are the paper's for fine-grained retrieval (birds, cars, products); for face recognition it has 0.25
    and 256. It has the loss of one anchor; the mean over the batch is ours.

    Args:
        embeddings: one row per item.
        labels: the class of each item.
        m: the relaxation: the aims are ``s_p > 1 - m`` and ``s_n < m``.
        gamma: multiplies the weighted similarities.
        normalise: give the embeddings length 1 first. Without it they should have this length already.

    Raises:
        ValueError: an embedding is NaN or infinite, or the batch is empty.
    """
    embeddings = checked_embeddings(embeddings, labels, normalise)
    with torch.no_grad():
        value, slopes = _value_and_slopes(inner_products(embeddings, embeddings), same_class(labels), m, gamma)
    out: Tensor = _KnownSlopes.apply(embeddings, value, slopes)  # type: ignore[no-untyped-call]
    return out


def _value_and_slopes(similarities: Tensor, same: Tensor, m: float, gamma: float) -> tuple[Tensor, Tensor]:
    """The loss and its slope in each similarity, ``[i, j]`` and ``[j, i]`` apart; the similarities are overwritten."""
    positive_logs, pulls = _soft_sum(1 - similarities, ~same.clone().fill_diagonal_(False), m, gamma)
    negative_logs, pushes = _soft_sum(similarities, same, m, gamma)
    exponents = positive_logs + negative_logs  # -inf for an anchor without a positive or without a negative
    anchors = exponents.isfinite().sum().clamp_min(1)
    slopes = pushes.sub_(pulls).mul_((exponents.sigmoid() / anchors)[:, None])
    return F.softplus(exponents).sum() / anchors, slopes


def _soft_sum(
    t: Float[Tensor, "n n"], left_out: Bool[Tensor, "n n"], m: float, gamma: float
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n n"]]:
    """Per row the logarithm of the sum over what is not left out, -inf without any, and its slope in each t.

    The values t are overwritten.
    """
    weights = (t + m).clamp_min_(0).mul_(gamma)
    exponents = t.sub_(m).mul_(weights).masked_fill_(left_out, -torch.inf)
    logs = exponents.logsumexp(dim=1)
    shares = exponents.sub_(logs.clamp_min(torch.finfo(logs.dtype).min)[:, None]).exp_()
    return logs, shares.mul_(weights)


class _KnownSlopes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, embeddings: Tensor, value: Tensor, slopes: Tensor) -> Tensor:
        ctx.save_for_backward(embeddings, slopes)
        return value.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        embeddings, slopes = ctx.saved_tensors
        return inner_products(slopes + slopes.T, embeddings.T).mul_(gradients[0]), None, None


CircleLoss = with_settings(circle_loss)
