"""What to show next: items like what was liked, unlike what was not, unlike each other, and the reason of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Recommended:
    """Items, best first, their scores when they were chosen, and of each the liked item that it resembles most."""

    items: Int64[Tensor, " k"]
    scores: Float[Tensor, " k"]
    because: Int64[Tensor, " k"]


def recommend(
    items: Float[Tensor, "n d"],
    *,
    liked: Sequence[int],
    disliked: Sequence[int] = (),
    k: int = 10,
    exclude: Sequence[int] = (),
    diversity: float = 0.0,
    duplicate: float = 1.0,
    decay: float = 1.0,
) -> Recommended:
    """The items nearest to what was liked: one item, a basket, or a history.

    Never what was liked, disliked or excluded, nor what is nearly a copy of one of those or of what is recommended
    already.

    Args:
        items: embeddings; only their directions count.
        liked: places of items, for a history the oldest first.
        disliked: places of items.
        k: how many to recommend; fewer where no more are left.
        exclude: places of items that are not recommended: seen, sold out.
        diversity: 0 for the nearest items, towards 1 for items that differ; see `maximal_marginal_relevance`.
        duplicate: two items whose cosine is at least this are copies; 1 leaves out exact copies alone.
        decay: what each step into the past counts by, 0 to 1; 1 counts all that was liked alike.

    Raises:
        ValueError: nothing is liked, an item is liked and disliked, a place does not exist, or a number is out of its
            range.
    """
    _check(len(items), liked, disliked, exclude)
    if not 0 <= decay <= 1 or not 0 <= diversity <= 1 or k < 1:
        raise ValueError(f"decay and diversity lie in 0 to 1 and k is at least 1; not {decay}, {diversity} and {k}")
    points = F.normalize(items, dim=1)
    gone = torch.tensor([*liked, *disliked, *exclude])
    allowed = (points @ points[gone].T < duplicate - _rounding(points)).all(dim=1)
    allowed[gone] = False
    relevance = taste(points, liked=liked, disliked=disliked, decay=decay)
    chosen, scores = maximal_marginal_relevance(
        points, relevance, k=k, diversity=diversity, allowed=allowed, duplicate=duplicate
    )
    likes = torch.tensor(list(liked))
    return Recommended(chosen, scores, likes[(points[chosen] @ points[likes].T).argmax(dim=1)])


def taste(
    points: Float[Tensor, "n d"], *, liked: Sequence[int], disliked: Sequence[int] = (), decay: float = 1.0
) -> Float[Tensor, " n"]:
    """How much each item is like what was liked: the mean cosine to that, less the mean cosine to what was not.

    Args:
        points: of length 1.
        liked: places, the oldest first.
        disliked: places.
        decay: what each step into the past counts by.
    """
    weights = points.new_tensor([decay**age for age in range(len(liked) - 1, -1, -1)])
    score = points @ points[list(liked)].T @ (weights / weights.sum())
    return score - (points @ points[list(disliked)].T).mean(dim=1) if len(disliked) else score


def maximal_marginal_relevance(
    points: Float[Tensor, "n d"],
    relevance: Float[Tensor, " n"],
    *,
    k: int,
    diversity: float,
    allowed: Bool[Tensor, " n"] | None = None,
    duplicate: float = 1.0,
) -> tuple[Int64[Tensor, " k"], Float[Tensor, " k"]]:
    """Items one after the other by ``(1 - diversity) relevance - diversity (largest cosine to those chosen)``.

    Carbonell and Goldstein, SIGIR 1998. Negative cosines count as they are, so an item opposite to those chosen gains.
    The first item has none before it, and nothing is taken from its relevance.

    Args:
        points: of length 1.
        relevance: of each item.
        k: how many, at most.
        diversity: 0 to 1.
        allowed: which items may be chosen.
        duplicate: an item whose cosine to one of those chosen is at least this is left out.

    Returns:
        The items in the order of choice, and their scores then; of equal scores the lower place comes first.
    """
    free = torch.ones(len(points), dtype=torch.bool) if allowed is None else allowed.clone()
    nearest: Tensor | None = None
    chosen: list[int] = []
    scores: list[float] = []
    while len(chosen) < k and bool(free.any()):
        score = (1 - diversity) * relevance - (0 if nearest is None else diversity * nearest)
        place = int(torch.where(free, score, -torch.inf).argmax())
        chosen.append(place)
        scores.append(float(score[place]))
        cosines = points @ points[place]
        nearest = cosines if nearest is None else nearest.maximum(cosines)
        free &= cosines < duplicate - _rounding(points)
        free[place] = False
    return torch.tensor(chosen, dtype=torch.int64), points.new_tensor(scores)


def _rounding(points: Tensor) -> float:
    """By how much the cosine of two equal items may miss 1."""
    return 8 * torch.finfo(points.dtype).eps


def _check(count: int, liked: Sequence[int], disliked: Sequence[int], exclude: Sequence[int]) -> None:
    if not len(liked):
        raise ValueError("a recommendation needs at least one liked item")
    if both := sorted(set(liked) & set(disliked)):
        raise ValueError(f"item {both[0]} is liked and disliked")
    wrong = [place for place in (*liked, *disliked, *exclude) if not 0 <= place < count]
    if wrong:
        raise ValueError(f"there is no item {wrong[0]} among {count}")
