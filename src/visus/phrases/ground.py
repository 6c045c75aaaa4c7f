"""Where a phrase is in an image: the objects of its graph among those that were found, and how well they fit.

All ways to put the objects of the phrase onto different objects of the image are tried. A way scores the product of
what the prediction says: the objects, their attributes, and the predicates given the objects.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from visus.phrases.parse import PhraseGraph, PhraseObject
from visus.types import GraphPrediction

UNSEEN = 1e-3
"""The probability of a relationship that the prediction does not list."""
_MOST_CANDIDATES = 12  # objects of the image that may be one of the phrase, best first
_MOST_LISTED = 64  # groundings of an image


@dataclass(frozen=True)
class Grounding:
    """One way to find a phrase in an image.

    Args:
        score: the product of all probabilities.
        weakest: the smallest of them; from a half on, everything that the phrase says is more likely than not.
        places: the object of the image for each object of the phrase.
    """

    score: float
    weakest: float
    places: tuple[int, ...]


NOWHERE = Grounding(0.0, 0.0, ())


def ground(graph: PhraseGraph, prediction: GraphPrediction) -> Grounding:
    """The best way to find a phrase in an image; `NOWHERE` where an object is missing."""
    return max(groundings(graph, prediction), key=lambda one: one.score, default=NOWHERE)


def groundings(graph: PhraseGraph, prediction: GraphPrediction) -> list[Grounding]:
    """The ways to find a phrase in an image, best first."""
    single = [_fit(thing, prediction) for thing in graph.objects]
    candidates = [_candidates(scores) for scores in single]
    relations = _relation_scores(prediction)
    found = []
    for places in _assignments(candidates):
        parts = [scores[place] for scores, place in zip(single, places, strict=True)]
        parts += [relations.get((places[i], p, places[j]), UNSEEN) for i, p, j in graph.relationships]
        found.append(Grounding(math.prod(parts), min(parts), places))
    return sorted(found, key=lambda one: -one.score)[:_MOST_LISTED]


def _fit(thing: PhraseObject, prediction: GraphPrediction) -> list[float]:
    """How well each object of an image fits one of a phrase."""
    scores: Float[Tensor, " n"] = prediction.scores.clone()
    if thing.label is not None:
        scores = scores.where(prediction.labels == thing.label, 0.0)
    for number in thing.attributes:
        scores = scores * prediction.attribute_scores[:, number]
    return [float(score) for score in scores]


def _candidates(scores: Sequence[float]) -> list[int]:
    order = torch.tensor(scores).argsort(descending=True, stable=True).tolist()
    return [place for place in order[:_MOST_CANDIDATES] if scores[place] > 0]


def _assignments(candidates: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """All ways to take a different candidate for each."""
    if not candidates:
        yield ()
        return
    for places in _assignments(candidates[:-1]):
        for place in candidates[-1]:
            if place not in places:
                yield (*places, place)


def _relation_scores(prediction: GraphPrediction) -> dict[tuple[int, int, int], float]:
    """The probability of each listed relationship, given its two objects."""
    rows = prediction.relationships
    both = prediction.scores[rows[:, 0]] * prediction.scores[rows[:, 2]]
    shares = (prediction.relationship_scores / both.clamp(min=1e-12)).clamp(max=1).tolist()
    return dict(zip(map(tuple, rows.tolist()), shares, strict=True))
