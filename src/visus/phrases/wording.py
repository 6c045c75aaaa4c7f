"""A scene graph in words: the name of an object with its attributes, a relationship, a caption."""

from __future__ import annotations

import torch

from visus.ops.graphs import sure_relationships
from visus.types import GraphPrediction, Schema

SURE_ATTRIBUTE = 0.5
"""The least probability of an attribute that is named."""
MOST_ATTRIBUTES = 3
"""So many attributes of an object are told, at most."""


def attribute_names(prediction: GraphPrediction, schema: Schema, place: int) -> list[str]:
    """The attributes of an object from `SURE_ATTRIBUTE` on, in the order of the schema."""
    scores = prediction.attribute_scores[place].tolist()
    return [name for name, score in zip(schema.attributes, scores, strict=False) if score >= SURE_ATTRIBUTE]


def object_words(prediction: GraphPrediction, schema: Schema, place: int) -> str:
    """An object with its surest attributes, `MOST_ATTRIBUTES` at most: "sleeping cat"."""
    scores = dict(zip(schema.attributes, prediction.attribute_scores[place].tolist(), strict=False))
    names = attribute_names(prediction, schema, place)
    surest = sorted(names, key=lambda name: -scores[name])[:MOST_ATTRIBUTES]
    kept = [name for name in names if name in surest]
    return " ".join([*kept, schema.categories[int(prediction.labels[place])]])


def relationship_phrases(prediction: GraphPrediction, schema: Schema, *, min_score: float) -> list[str]:
    """The sure relationships in words, best first: "sleeping cat on top of couch"."""
    places = sure_relationships(prediction.relationships, prediction.relationship_scores, prediction.scores, min_score)
    return [
        f"{object_words(prediction, schema, subject)} {schema.predicates[predicate]} "
        f"{object_words(prediction, schema, object_)}"
        for subject, predicate, object_ in prediction.relationships[places].tolist()
    ]


def caption(prediction: GraphPrediction, schema: Schema, *, min_score: float) -> str:
    """A sentence about the whole image: each object once, related ones first; empty where nothing is sure."""
    places = sure_relationships(prediction.relationships, prediction.relationship_scores, prediction.scores, min_score)
    told: set[int] = set()
    clauses = []
    for subject, predicate, object_ in prediction.relationships[places].tolist():
        if {subject, object_} & told:
            continue
        told |= {subject, object_}
        first, second = (with_article(object_words(prediction, schema, place)) for place in (subject, object_))
        clauses.append(f"{first} {schema.predicates[predicate]} {second}")
    rest = torch.nonzero(prediction.scores >= min_score)[:, 0].tolist()
    clauses += [with_article(object_words(prediction, schema, place)) for place in rest if place not in told]
    if not clauses:
        return ""
    text = clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"
    return f"{text[0].upper()}{text[1:]}."


def with_article(words: str) -> str:
    """The words behind "a" or "an"."""
    return f"{'an' if words[:1].lower() in tuple('aeiou') else 'a'} {words}"
