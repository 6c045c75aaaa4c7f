"""The pairs of a batch that are hard, and what they cost (HDC, arXiv 1611.05720)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from visus.systems.metric_learning.losses.distances import pairwise_distances

Mode = Literal["paper", "released"]


def pairs_of(labels: Int64[Tensor, " n"]) -> tuple[Int64[Tensor, "2 p"], Bool[Tensor, " p"]]:
    """Every pair i < j of a batch, and whether both have one class."""
    pairs = torch.triu_indices(len(labels), len(labels), 1, device=labels.device)
    return pairs, labels[pairs[0]] == labels[pairs[1]]


def contrastive_terms(squared: Float[Tensor, " p"], same: Bool[Tensor, " p"], margin: float) -> Float[Tensor, " p"]:
    """The contrastive loss of each pair on squared distances: D^2 within a class, [margin - D^2]_+ between two."""
    return torch.where(same, squared, (margin - squared).clamp(min=0))


def hardest(hardness: Float[Tensor, " p"], kept: Bool[Tensor, " p"], ratio: float) -> Bool[Tensor, " p"]:
    """The hardest share of the ``kept`` pairs, rounded up: at least one where there is any."""
    count = int(kept.sum())
    if ratio == 1 or count == 0:
        return kept
    scores = hardness.detach().masked_fill(~kept, -torch.inf)
    chosen = torch.zeros_like(kept)
    chosen[scores.topk(_share(ratio, count)).indices] = True
    return chosen


def _share(ratio: float, count: int) -> int:
    """``ratio * count`` rounded up, but for what float arithmetic adds."""
    return max(1, -int(-(ratio * count - 1e-9) // 1))


def hard_pair_losses(
    parts: Sequence[Float[Tensor, "b _"]],
    labels: Int64[Tensor, " b"],
    ratios: Sequence[float],
    *,
    margin: float = 1.0,
    mode: Mode = "paper",
) -> list[Float[Tensor, ""]]:
    """HDC's contrastive loss of each level (arXiv 1611.05720); `HDCCriterion` has the modes.

    Args:
        parts: the embeddings of each level, from the first.
        labels: the class of each image.
        ratios: the share of the pairs that each level keeps.
        margin: squared distance beyond which pairs of different classes are left alone.
        mode: which pairs are ranked.
    """
    if len(parts) != len(ratios):
        raise ValueError(f"{len(ratios)} hard ratios need an embedding each, these are {len(parts)}")
    pairs, same = pairs_of(labels)
    pulled, pushed, found = same, ~same, []
    for part, ratio in zip(parts, ratios, strict=True):
        squared = pairwise_distances(part, squared=True)[pairs[0], pairs[1]]
        terms = contrastive_terms(squared, same, margin)
        # Ranked by distance, not by loss: beyond the margin all pairs of two classes cost the same, nothing.
        hardness = torch.where(same, squared, -squared)
        if mode == "paper":
            pulled, pushed = hardest(hardness, pulled, ratio), hardest(hardness, pushed, ratio)
            counts = (pulled | pushed).to(terms.dtype)
        else:
            counts = same.to(terms.dtype) + 2 * hardest(hardness, ~same, ratio)
        active = (counts * (terms.detach() > 0)).sum().clamp(min=1)
        found.append((counts * terms).sum() / active)
    return found
