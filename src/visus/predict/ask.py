"""Phrases and questions put to images: which image shows it, where in it, and what the answer is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from visus.errors import VisusError
from visus.phrases.ground import Grounding, ground
from visus.phrases.parse import PhraseGraph, parse
from visus.phrases.questions import Answer, answer
from visus.phrases.vocabulary import Vocabulary
from visus.predict.items import Item, Pictures
from visus.predict.predictor import OnError, Predictor
from visus.predict.result import Result
from visus.types import GraphPrediction, NoRowError, row


@dataclass(frozen=True)
class Found:
    """An image, and the best way to find a phrase in it.

    Args:
        result: the image with its scene graph.
        grounding: where the objects of the phrase are, and how well they fit.
    """

    result: Result
    grounding: Grounding


@dataclass(frozen=True)
class Ranking:
    """The images that fit a phrase best.

    Args:
        graph: what was understood.
        best: best first; those without one of the objects are left out.
        images: how many were looked at.
    """

    graph: PhraseGraph
    best: list[Found]
    images: int


def rank_images(
    predictor: Predictor,
    images: Pictures | Iterable[Item],
    phrase: str,
    *,
    top: int = 5,
    on_error: OnError | None = None,
    on_image: Callable[[str, Grounding], None] | None = None,
) -> Ranking:
    """Ranks images by how well a phrase fits, such as "sleeping cat on top of couch".

    Args:
        predictor: of a scene-graph model.
        images: as for `Predictor.stream`; the memory holds ``top`` of them.
        phrase: in the model's words or their synonyms.
        top: how many images are kept.
        on_error: as for `Predictor.stream`.
        on_image: called with the name of each image and how well it fits.

    Raises:
        PhraseError: the phrase says nothing to the model.
        VisusError: the model finds no scene graphs.
    """
    graph = parse(phrase, vocabulary_of(predictor))
    best, count = list[Found](), 0
    for result in predictor.stream(images, on_error=on_error):
        grounding = ground(graph, _graph(result))
        count += 1
        if on_image is not None:
            on_image(result.name, grounding)
        if grounding.score > 0:
            best = sorted([*best, Found(result, grounding)], key=lambda found: -found.grounding.score)[:top]
    return Ranking(graph, best, count)


def answers(
    predictor: Predictor, images: Pictures | Iterable[Item], question: str, *, on_error: OnError | None = None
) -> Iterator[tuple[Result, Answer]]:
    """Answers a question about each image, such as "how many dogs are next to the bench?".

    Raises:
        PhraseError: the question says nothing to the model, or has no form that is known.
        VisusError: the model finds no scene graphs.
    """
    vocabulary = vocabulary_of(predictor)
    for result in predictor.stream(images, on_error=on_error):
        yield result, answer(question, _graph(result), vocabulary)


def only(result: Result, places: tuple[int, ...], graph: PhraseGraph | None = None) -> Result:
    """The result with nothing but the objects at ``places``, for a drawing of what a phrase or an answer is about.

    With the phrase's ``graph``, whose objects they are, its relationships alone stay; they are drawn, sure or not.
    """
    chosen = _graph(result)[torch.tensor(places, dtype=torch.int64)]
    if graph is not None:
        rows = torch.tensor(graph.relationships, dtype=torch.int64).reshape(-1, 3)
        chosen = replace(chosen, relationships=rows, relationship_scores=torch.ones(len(rows)))
    return replace(result, prediction=chosen)


def vocabulary_of(predictor: Predictor) -> Vocabulary:
    """The words that a model knows.

    Raises:
        VisusError: it knows no predicates, so it finds no scene graphs.
    """
    if not predictor.schema.predicates:
        raise VisusError(
            "this model finds no relationships: train one of the scene-graph recipes (`visus list recipes`)"
        )
    return Vocabulary(predictor.schema)


def _graph(result: Result) -> GraphPrediction:
    try:
        return row(ASKED, result.prediction, "a phrase")(result.prediction)
    except NoRowError as error:
        raise VisusError(f"{error}: train one of the scene-graph recipes (`visus list recipes`)") from error


ASKED: dict[type, Callable[[Any], GraphPrediction]] = {GraphPrediction: lambda prediction: prediction}
"""The scene graph that each kind of prediction has."""
