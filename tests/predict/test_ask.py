"""Images ranked by a phrase, and questions about each, with a predictor that says what was annotated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
import torch

from visus.errors import VisusError
from visus.phrases.vocabulary import PhraseError
from visus.predict.ask import answers, only, rank_images, vocabulary_of
from visus.predict.predictor import Predictor
from visus.predict.result import Result
from visus.types import GraphPrediction, InstancePrediction, Schema

SCHEMA = Schema(("cat", "couch", "dog"), (1, 2, 3), attributes=("sleeping",), predicates=("on top of", "next to"))


def graph(predicate: int, asleep: float) -> GraphPrediction:
    boxes = torch.tensor([[10.0, 5, 30, 20], [5, 15, 60, 40], [40, 5, 55, 20]])
    rows = torch.tensor([[0, predicate, 1], [2, 0, 1]])
    return GraphPrediction(
        boxes_xyxy=boxes,
        labels=torch.tensor([0, 1, 2]),
        scores=torch.ones(3),
        size=(48, 64),
        attribute_scores=torch.tensor([[asleep], [0.0], [0.0]]),
        relationships=rows,
        relationship_scores=torch.tensor([0.9, 0.8]),
    )


class Fake:
    """Gives predictions in the order of the images, which are numbers."""

    schema = SCHEMA

    def __init__(self, *predictions: Any) -> None:
        self.predictions = predictions

    def stream(self, images: Any, *, on_error: Any = None) -> Iterator[Result]:
        for number in images:
            image = torch.full((3, 48, 64), 120, dtype=torch.uint8)
            yield Result(image, self.predictions[number], self.schema, name=f"{number}.jpg")


def fake(*predictions: Any) -> Predictor:
    return cast(Predictor, Fake(*predictions))


def test_the_image_that_fits_best_comes_first() -> None:
    predictor = fake(graph(1, 0.9), graph(0, 0.2), graph(0, 0.9))
    seen: dict[str, float] = {}
    ranking = rank_images(
        predictor,
        cast(Any, [0, 1, 2]),
        "sleeping cat on the sofa",
        top=2,
        on_image=lambda name, found: seen.update({name: found.score}),
    )
    assert [found.result.name for found in ranking.best] == ["2.jpg", "1.jpg"]
    assert ranking.images == len(seen) == 3
    assert seen["2.jpg"] == pytest.approx(0.81)
    assert ranking.best[0].grounding.places == (0, 1)


def test_what_is_drawn_is_what_the_phrase_is_about() -> None:
    ranking = rank_images(fake(graph(0, 0.9)), cast(Any, [0]), "dog on the couch")
    shown = only(ranking.best[0].result, ranking.best[0].grounding.places, ranking.graph)
    prediction: Any = shown.prediction
    assert prediction.labels.tolist() == [2, 1]
    assert prediction.relationships.tolist() == [[0, 0, 1]]
    assert shown.plot(min_score=0.0).width > 64


def test_questions_are_answered_for_each_image() -> None:
    predictor = fake(graph(1, 0.9), graph(0, 0.2))
    found = [answer.text for _, answer in answers(predictor, cast(Any, [0, 1]), "how many cats are on the couch?")]
    assert found == ["0", "1"]


def test_models_that_find_no_graphs_are_refused() -> None:
    objects = InstancePrediction(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0), (48, 64))
    with pytest.raises(VisusError, match=r"knows no InstancePrediction.*scene-graph recipes"):
        rank_images(fake(objects), cast(Any, [0]), "cat")
    plain = fake()
    plain.schema = Schema(("cat",), (1,))
    with pytest.raises(VisusError, match="finds no relationships"):
        vocabulary_of(plain)


def test_a_phrase_of_nothing_known_is_refused_before_any_image_is_looked_at() -> None:
    with pytest.raises(PhraseError, match="no 'zebra'"):
        rank_images(fake(), cast(Any, [0]), "zebra")
