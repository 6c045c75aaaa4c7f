"""Proxy-NCA (arXiv 1703.07464): every class has a learned proxy, and items are held against proxies only.

    L(x) = -log( exp(-d(x, p_y)) / sum_{z != y} exp(-d(x, p_z)) )

with d the squared Euclidean distance of x and p, both of length 1. The item's own proxy is not in the denominator, so
the loss can be negative. ``positive_in_denominator`` puts it there, which makes it a softmax: the two are tied by
``included = log(1 + exp(excluded))``.

Value and gradients are computed together, a block of items at a time, so that the n x classes matrix never exists as a
whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from visus.systems.metric_learning.losses.distances import (
    checked_embeddings,
    inner_products,
    inverse_lengths,
    products_of_rows,
    unit_length,
)

BLOCK = 2**21
"""Entries of the block of logits that is worked on at a time."""


def proxy_nca_loss(
    embeddings: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    proxies: Float[Tensor, "c d"],
    *,
    scale: float = 1.0,
    positive_in_denominator: bool = False,
    normalise: bool = True,
) -> Float[Tensor, ""]:
    """Mean over the items. Any batch will do: it needs no pair of a class and no second class.

    Args:
        embeddings: one row per item.
        labels: the class of each item.
        proxies: one row per class.
        scale: multiplies the squared distances (the inverse of a temperature). Where both sides are scaled to length s
            instead, as some implementations do, this is s^2.
        positive_in_denominator: include the item's own proxy.
        normalise: give embeddings and proxies length 1 first.

    Raises:
        ValueError: an embedding is NaN or infinite, a label has no proxy, or there are fewer than two proxies.
    """
    embeddings = checked_embeddings(embeddings, labels, False)
    if len(proxies) < 2:
        raise ValueError(f"Proxy-NCA compares classes: it needs at least 2 proxies, not {len(proxies)}")
    low, high = labels.aminmax()
    if low < 0 or high >= len(proxies):
        raise ValueError(f"labels go from {int(low)} to {int(high)}, but there are {len(proxies)} proxies")
    proxies = proxies.to(embeddings.dtype)
    proxies = unit_length(proxies) if normalise else proxies
    settings = _Settings(scale, positive_in_denominator, normalise)
    out: Tensor = _ProxyNCA.apply(embeddings, labels, proxies, settings)  # type: ignore[no-untyped-call]
    return out


@dataclass(frozen=True)
class _Settings:
    """As for `proxy_nca_loss`; ``unit`` says that the proxies have length 1 and the embeddings are to be divided."""

    scale: float
    positive_in_denominator: bool
    unit: bool


class _ProxyNCA(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, embeddings: Tensor, labels: Tensor, proxies: Tensor, settings: _Settings) -> Tensor:
        # -scale d = 2 scale x.p - scale |p|^2 - scale |x|^2, whose last term cancels between the two sides
        offsets = proxies.square().sum(dim=1).mul_(-settings.scale)
        inverse = inverse_lengths(embeddings) if settings.unit else None
        embeddings = embeddings if inverse is None else embeddings * inverse
        factor = 2 * settings.scale
        moved = torch.empty_like(embeddings), torch.zeros_like(proxies)
        losses, pulled = [], torch.zeros_like(offsets)
        step = max(1, BLOCK // len(proxies))
        for start in range(0, len(embeddings), step):
            rows = slice(start, start + step)
            some, own = embeddings[rows], labels[rows, None]
            raw = inner_products(some, proxies)
            logits = torch.add(offsets, raw, alpha=factor, out=raw)
            wanted = logits.gather(1, own)
            if not settings.positive_in_denominator:
                logits.scatter_(1, own, -torch.inf)
            sums = logits.logsumexp(dim=1, keepdim=True)
            losses.append(sums - wanted)
            pulls = logits.sub_(sums).exp_()
            pulls.scatter_add_(1, own, -torch.ones_like(wanted))
            if not settings.unit:
                pulled += pulls.sum(dim=0)
            pulls.mul_(factor / len(embeddings))
            with torch.autocast(some.device.type, enabled=False):
                torch.mm(pulls, proxies, out=moved[0][rows])
                moved[1].addmm_(pulls.T, some)
        if inverse is not None:  # what would change the length of an embedding is taken away
            along = products_of_rows(moved[0], embeddings)
            moved[0].addcmul_(along, embeddings, value=-1).mul_(inverse)
        else:  # d(-scale |p|^2) / dp; for proxies of length 1 it only changes the length
            moved[1].addcmul_(pulled[:, None], proxies, value=-factor / len(embeddings))
        ctx.save_for_backward(*moved)
        return torch.cat(losses).mean()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        to_embeddings, to_proxies = ctx.saved_tensors
        return gradients[0] * to_embeddings, None, gradients[0] * to_proxies, None


class ProxyNCALoss(nn.Module):
    """``proxy_nca_loss`` with its settings and its proxies, which an optimiser has to be given.

    Args:
        num_classes: one proxy each.
        embedding_dim: their dimensions, d.
        scale: see ``proxy_nca_loss``.
        positive_in_denominator: see ``proxy_nca_loss``.
        normalise: see ``proxy_nca_loss``.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        scale: float = 1.0,
        positive_in_denominator: bool = False,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"Proxy-NCA compares classes: num_classes has to be at least 2, not {num_classes}")
        self.proxies = nn.Parameter(torch.randn(num_classes, embedding_dim) / embedding_dim**0.5)
        self.scale = scale
        self.positive_in_denominator = positive_in_denominator
        self.normalise = normalise

    def forward(self, embeddings: Float[Tensor, "n d"], labels: Int64[Tensor, " n"]) -> Float[Tensor, ""]:
        """The loss of a batch."""
        return proxy_nca_loss(
            embeddings,
            labels,
            self.proxies,
            scale=self.scale,
            positive_in_denominator=self.positive_in_denominator,
            normalise=self.normalise,
        )
