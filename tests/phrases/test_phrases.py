"""Phrases and questions: what is understood, what is refused, and where it is found."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from visus.phrases.ground import UNSEEN, ground, groundings
from visus.phrases.parse import PhraseGraph, PhraseObject, parse
from visus.phrases.questions import answer, is_question
from visus.phrases.vocabulary import SYNONYMS, PhraseError, Vocabulary, read_synonyms
from visus.phrases.wording import caption, relationship_phrases
from visus.types import GraphPrediction, Schema

SCHEMA = Schema(
    categories=("person", "bench", "cat", "couch", "dog"),
    category_ids=(1, 2, 3, 4, 5),
    attributes=("red", "sleeping", "sitting"),
    predicates=("sitting on", "on top of", "next to"),
)
PERSON, BENCH, CAT, COUCH, DOG = range(5)
RED, SLEEPING, SITTING = range(3)
SITTING_ON, ON_TOP_OF, NEXT_TO = range(3)
WORDS = Vocabulary(SCHEMA)


def graph(*objects: Any, relationships: Any = ()) -> PhraseGraph:
    return PhraseGraph(tuple(PhraseObject(label, tuple(attributes)) for label, attributes in objects), relationships)


# --- what is understood ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("man sitting on bench", graph((PERSON, ()), (BENCH, ()), relationships=((0, SITTING_ON, 1),))),
        (
            "sleeping cat on top of couch",
            graph((CAT, (SLEEPING,)), (COUCH, ()), relationships=((0, ON_TOP_OF, 1),)),
        ),
        ("A Cat, on the SOFA!", graph((CAT, ()), (COUCH, ()), relationships=((0, ON_TOP_OF, 1),))),
        ("cats", graph((CAT, ()))),
        ("the women", graph((PERSON, ()))),
        ("red couches", graph((COUCH, (RED,)))),
        (
            "cat sleeping on a red couch",
            graph((CAT, (SLEEPING,)), (COUCH, (RED,)), relationships=((0, ON_TOP_OF, 1),)),
        ),
        ("cat that is sleeping", graph((CAT, (SLEEPING,)))),
        (
            "dog beside cat on couch",
            graph((DOG, ()), (CAT, ()), (COUCH, ()), relationships=((0, NEXT_TO, 1), (1, ON_TOP_OF, 2))),
        ),
        ("a dog and a red bench", graph((DOG, ()), (BENCH, (RED,)))),
        ("something on the couch", graph((None, ()), (COUCH, ()), relationships=((0, ON_TOP_OF, 1),))),
    ],
)
def test_phrases_become_graphs(text: str, expected: PhraseGraph) -> None:
    assert parse(text, WORDS) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zebra on couch", "no 'zebra'; there are person, bench, cat"),
        ("cot on benhc", "'cot'; did you mean 'cat'.*'benhc'; did you mean 'bench'"),
        ("", "names nothing; it could name person"),
        ("the", "names nothing"),
        ("cat on", "'on top of' needs an object behind it"),
        ("on the couch", "does not say what stands before 'on top of'"),
        ("cat on next to couch", "'on top of' needs an object behind it"),
        ("red", "does not say what has the attributes"),
        ("cat and cat and cat and cat and cat and cat and cat", "names 7 objects; a phrase may name 6"),
    ],
)
def test_what_says_nothing_is_refused_with_the_nearest_words(text: str, message: str) -> None:
    with pytest.raises(PhraseError, match=message) as error:
        parse(text, WORDS)
    assert "\n" not in str(error.value)


def test_a_phrase_is_told_in_the_words_of_the_model() -> None:
    assert parse("sleeping kitten on sofa and a man", WORDS).words(SCHEMA) == "sleeping cat on top of couch, person"


def test_words_of_the_schema_stand_for_nothing_else() -> None:
    both = Schema(categories=("man", "person"), category_ids=(1, 2), predicates=("on", "on top of"))
    words = Vocabulary(both)
    assert [term.number for term in words.terms("man on person on top of lady")] == [0, 0, 1, 1, 1]


def test_the_file_of_synonyms_has_words_alone() -> None:
    groups = list(read_synonyms(SYNONYMS))
    assert len(groups) > 10
    assert all(len(group) > 1 and all(word == word.strip().casefold() for word in group) for group in groups)


# --- where it is found ---


def scene() -> GraphPrediction:
    """A sleeping cat on a couch, a dog next to a bench, and a second dog."""
    labels = [CAT, COUCH, DOG, BENCH, DOG]
    scores = torch.tensor([0.9, 0.9, 0.8, 0.8, 0.7])
    attributes = torch.tensor([[0.1, 0.9, 0.0], [0.8, 0, 0], [0, 0, 0.6], [0, 0, 0], [0.9, 0, 0]])
    rows = torch.tensor([[0, ON_TOP_OF, 1], [2, NEXT_TO, 3], [2, SITTING_ON, 3], [4, NEXT_TO, 3]])
    shares = torch.tensor([0.9, 0.8, 0.1, 0.2])
    return GraphPrediction(
        boxes_xyxy=torch.arange(20.0).reshape(5, 4),
        labels=torch.tensor(labels),
        scores=scores,
        size=(40, 40),
        attribute_scores=attributes,
        relationships=rows,
        relationship_scores=shares * scores[rows[:, 0]] * scores[rows[:, 2]],
    )


def test_a_phrase_is_grounded_where_its_product_is_largest() -> None:
    found = ground(parse("sleeping cat on top of couch", WORDS), scene())
    assert found.places == (0, 1)
    assert found.score == pytest.approx(0.9 * 0.9 * 0.9 * 0.9)
    assert found.weakest == pytest.approx(0.81)
    dogs = groundings(parse("dog next to bench", WORDS), scene())
    assert [one.places for one in dogs] == [(2, 3), (4, 3)]
    assert ground(parse("red dog", WORDS), scene()).places == (4,)


def test_two_objects_of_a_phrase_are_two_of_the_image() -> None:
    assert ground(parse("cat next to cat", WORDS), scene()).score == 0
    assert set(ground(parse("dog and dog", WORDS), scene()).places) == {2, 4}


def test_a_relationship_that_is_not_listed_is_unlikely_and_a_missing_object_is_nowhere() -> None:
    assert ground(parse("cat next to couch", WORDS), scene()).score == pytest.approx(0.81 * UNSEEN)
    assert ground(parse("person", WORDS), scene()).places == ()


@pytest.mark.parametrize(
    ("question", "expected", "places"),
    [
        ("Is there a cat on the couch?", "yes", (0, 1)),
        ("is there a person?", "no", ()),
        ("is the cat sleeping?", "yes", (0,)),
        ("how many dogs are there?", "2", (2, 4)),
        ("how many dogs are next to the bench?", "1", (2,)),
        ("what is on the sofa?", "cat", (0, 1)),
        ("what is the dog next to?", "bench", (2, 3)),
        ("what is the cat doing?", "sleeping", (0,)),
        ("what is the person doing?", "there is none", ()),
    ],
)
def test_questions_are_answered(question: str, expected: str, places: tuple[int, ...]) -> None:
    assert is_question(question)
    found = answer(question, scene(), WORDS)
    assert (found.text, found.places) == (expected, places)


@pytest.mark.parametrize("question", ["why is the cat there?", "where is the dog?", "what is the cat?"])
def test_questions_of_no_known_form_are_refused(question: str) -> None:
    with pytest.raises(PhraseError):
        answer(question, scene(), WORDS)


def test_phrases_are_no_questions() -> None:
    assert not is_question("sleeping cat on top of couch")


# --- words about a graph ---


def test_sure_relationships_are_told() -> None:
    assert relationship_phrases(scene(), SCHEMA, min_score=0.5) == [
        "sleeping cat on top of red couch",
        "sitting dog next to bench",
    ]


def test_a_caption_names_each_object_once() -> None:
    text = "A sleeping cat on top of a red couch, a sitting dog next to a bench and a red dog."
    assert caption(scene(), SCHEMA, min_score=0.5) == text
    assert caption(scene(), SCHEMA, min_score=0.95) == ""
