"""Relationships as rows (subject, predicate, object): which of several predicates stays, and which are sure."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def best_of_pairs(
    relationships: Int64[Tensor, "m 3"], scores: Float[Tensor, " m"], count: int
) -> Int64[Tensor, " pairs"]:
    """The graph constraint: the places of the best relationship of each ordered pair of objects, best first.

    Args:
        relationships: indices of subjects, predicates, indices of objects.
        scores: of each; of equal ones the first stays.
        count: how many objects there are.
    """
    order = scores.argsort(descending=True, stable=True)
    pairs = (relationships[:, 0] * count + relationships[:, 2])[order]
    unique, inverse = torch.unique(pairs, return_inverse=True)
    places = torch.arange(len(order), device=order.device)
    first = torch.full_like(unique, len(order)).scatter_reduce(0, inverse, places, "amin")
    return order[first.sort().values]


def sure_relationships(
    relationships: Int64[Tensor, "m 3"],
    scores: Float[Tensor, " m"],
    object_scores: Float[Tensor, " n"],
    min_score: float,
) -> Int64[Tensor, " sure"]:
    """The places of relationships worth showing, best first: one predicate for each ordered pair.

    Both objects score at least ``min_score``, and so does the predicate, given the two: its score divided by theirs.
    """
    best = best_of_pairs(relationships, scores, len(object_scores))
    subjects, objects = object_scores[relationships[best, 0]], object_scores[relationships[best, 2]]
    sure = (subjects >= min_score) & (objects >= min_score) & (scores[best] >= min_score * subjects * objects)
    return best[sure]


def overlapping(boxes: Float[Tensor, "n 4"]) -> Bool[Tensor, "n n"]:
    """Which pairs of boxes share an area."""
    corner = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    end = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    return (end > corner).all(dim=2)


def around(boxes: Float[Tensor, "m 4"], others: Float[Tensor, "m 4"]) -> Float[Tensor, "m 4"]:
    """The smallest box around each pair of boxes."""
    return torch.cat([torch.minimum(boxes[:, :2], others[:, :2]), torch.maximum(boxes[:, 2:], others[:, 2:])], dim=1)


GEOMETRIC = ("left of", "right of", "above", "below", "inside", "surrounding")
"""Relationships of two boxes by their places alone, of which a pair is in exactly one (arXiv 1804.01622, section 4)."""


def geometric_relation(subject: Float[Tensor, " 4"], object_: Float[Tensor, " 4"]) -> int:
    """The place in `GEOMETRIC` of the relationship of a box to another one."""
    corner, end = subject[:2] < object_[:2], subject[2:] > object_[2:]
    if bool(corner.all() and end.all()):
        return GEOMETRIC.index("surrounding")
    if bool((subject[:2] > object_[:2]).all() and (subject[2:] < object_[2:]).all()):
        return GEOMETRIC.index("inside")
    x, y = ((subject[:2] + subject[2:] - object_[:2] - object_[2:]) / 2).tolist()
    if abs(x) >= abs(y):
        return GEOMETRIC.index("left of" if x < 0 else "right of")
    return GEOMETRIC.index("above" if y < 0 else "below")
