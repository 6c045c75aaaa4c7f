"""Plain questions over a scene graph: is there, how many, what is it doing, what is it on.

A phrase holds where everything that it says is more likely than not. The forms: "is there a cat on the couch?", "how
many dogs are next to the bench?", "what is the man sitting on?", "what is on the couch?", "what is the cat doing?".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from visus.phrases.ground import NOWHERE, Grounding, ground, groundings
from visus.phrases.parse import PhraseGraph, PhraseObject, graph_of, parse
from visus.phrases.vocabulary import PhraseError, Term, Vocabulary
from visus.types import GraphPrediction

CERTAIN = 0.5
"""The least probability of everything that a phrase says, for it to hold."""
_SHARED = 0.2  # the least probability of an activity that is told


@dataclass(frozen=True)
class Answer:
    """An answer in words, and the objects of the image that it is about."""

    text: str
    places: tuple[int, ...] = ()


def is_question(text: str) -> bool:
    """Whether a text is asked rather than named."""
    return bool(re.match(r"\s*(is|are|how many|what)\b", text, re.IGNORECASE)) or text.rstrip().endswith("?")


def answer(question: str, prediction: GraphPrediction, vocabulary: Vocabulary) -> Answer:
    """Answers a question about one image.

    Raises:
        PhraseError: a word is not known, or the question has none of the forms.
    """
    text = " ".join(question.casefold().replace("?", " ").split())
    if match := re.match(r"how many (.+)", text):
        return _how_many(parse(re.sub(r"\b(are|is) there\b", "", match[1]), vocabulary), prediction)
    if match := re.match(r"(?:is|are) there (.+)", text):
        return _yes_or_no(parse(match[1], vocabulary), prediction)
    if match := re.match(r"what (?:is|are) (.+) doing$", text):
        return _doing(parse(match[1], vocabulary), prediction, vocabulary)
    if match := re.match(r"what (?:is|are) (.+)", text):
        return _what(match[1], prediction, vocabulary)
    if match := re.match(r"(?:is|are) (.+)", text):
        return _yes_or_no(parse(match[1], vocabulary), prediction)
    raise PhraseError(
        f"{question!r}: ask 'is there ...', 'how many ...', 'what is ... doing' or 'what is ... PREDICATE'"
    )


def _yes_or_no(graph: PhraseGraph, prediction: GraphPrediction) -> Answer:
    found = _certain(graph, prediction)
    return Answer("yes", found[0].places) if found else Answer("no")


def _how_many(graph: PhraseGraph, prediction: GraphPrediction) -> Answer:
    """How many objects the first one of the phrase may be."""
    places = tuple(dict.fromkeys(found.places[0] for found in _certain(graph, prediction)))
    return Answer(str(len(places)), places)


def _what(text: str, prediction: GraphPrediction, vocabulary: Vocabulary) -> Answer:
    """What is missing of a relationship: its object ("the man sitting on") or its subject ("on the couch")."""
    terms = vocabulary.terms(text)
    thing = Term("anything", -1, "anything")
    ask_object = terms[-1].kind == "predicate"
    if not ask_object and terms[0].kind not in ("predicate", "attribute"):
        raise PhraseError(f"what is {text}? names no predicate at its end or at its beginning")
    graph = graph_of([*terms, thing] if ask_object else [thing, *terms], text)
    best = ground(graph, prediction)
    if best is NOWHERE:
        return Answer("nothing")
    place = best.places[-1 if ask_object else 0]
    return Answer(vocabulary.schema.categories[int(prediction.labels[place])], best.places)


def _doing(graph: PhraseGraph, prediction: GraphPrediction, vocabulary: Vocabulary) -> Answer:
    """The likeliest relationship or attribute that says what somebody does: words in -ing."""
    schema, best = vocabulary.schema, ground(graph, prediction)
    if best is NOWHERE:
        return Answer("there is none")
    place = best.places[0]
    found = []
    for number, predicate in enumerate(schema.predicates):
        if predicate.split()[0].endswith("ing"):
            pair = PhraseGraph((*graph.objects, PhraseObject(None)), ((0, number, len(graph.objects)),))
            fits = [one for one in groundings(pair, prediction) if one.places[0] == place]
            if fits:
                other = schema.categories[int(prediction.labels[fits[0].places[-1]])]
                share = fits[0].score / max(best.score, 1e-12)
                found.append((share, f"{predicate} {other}", fits[0].places))
    for number, attribute in enumerate(schema.attributes):
        if attribute.endswith("ing"):
            found.append((float(prediction.attribute_scores[place, number]), attribute, (place,)))
    share, words, places = max(found, default=(0.0, "", ()))
    return Answer(words, places) if share >= _SHARED else Answer("nothing that the model knows", (place,))


def _certain(graph: PhraseGraph, prediction: GraphPrediction) -> list[Grounding]:
    return [one for one in groundings(graph, prediction) if one.weakest >= CERTAIN]
