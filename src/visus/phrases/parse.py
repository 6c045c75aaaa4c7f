"""From a phrase to a small graph: "sleeping cat on top of couch" is two objects, an attribute and a relationship.

The grammar is that of captions: attributes and a noun, then a predicate and the next noun, which may go on with
another; "and" begins anew. Attributes behind a noun ("cat sleeping on the couch") belong to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from visus.phrases.vocabulary import PhraseError, Term, Vocabulary
from visus.types import Schema

MOST_OBJECTS = 6
"""Of a phrase; grounding tries all ways to find them."""


@dataclass(frozen=True)
class PhraseObject:
    """An object that a phrase names: its label, None for any, and numbers of attributes."""

    label: int | None
    attributes: tuple[int, ...] = ()


@dataclass(frozen=True)
class PhraseGraph:
    """What a phrase says: objects, and relationships as subject, predicate, object."""

    objects: tuple[PhraseObject, ...]
    relationships: tuple[tuple[int, int, int], ...] = ()

    def words(self, schema: Schema) -> str:
        """What was understood, in the model's own words."""
        names = [_name(one, schema) for one in self.objects]
        told = {place for subject, _, object_ in self.relationships for place in (subject, object_)}
        clauses = [f"{names[i]} {schema.predicates[p]} {names[j]}" for i, p, j in self.relationships]
        return ", ".join(clauses + [name for place, name in enumerate(names) if place not in told])


def parse(text: str, vocabulary: Vocabulary) -> PhraseGraph:
    """The graph of a phrase.

    Raises:
        PhraseError: a word is not known, or the words make no graph; the message says what is missing.
    """
    return graph_of(vocabulary.terms(text), text)


def graph_of(terms: list[Term], text: str) -> PhraseGraph:
    """The graph of terms in the order of a phrase.

    Raises:
        PhraseError: they make none.
    """
    objects, relationships = list[PhraseObject](), list[tuple[int, int, int]]()
    waiting: list[int] = []  # attributes whose noun is still to come
    predicate: Term | None = None
    fresh = True  # whether the next noun follows no other that it could be related to
    for term in terms:
        if term.kind == "attribute":
            waiting.append(term.number)
        elif term.kind in ("category", "anything"):
            label = term.number if term.kind == "category" else None
            objects.append(PhraseObject(label, tuple(waiting)))
            if predicate is not None:
                relationships.append((len(objects) - 2, predicate.number, len(objects) - 1))
            predicate, waiting, fresh = None, [], False
        else:
            _settle(objects, waiting, fresh=fresh, term=term, text=text)
            if predicate is not None:
                raise PhraseError(f"{text!r}: {predicate.words!r} needs an object behind it")
            waiting, fresh = [], term.kind == "and"
            predicate = None if term.kind == "and" else term
    if predicate is not None:
        raise PhraseError(f"{text!r}: {predicate.words!r} needs an object behind it")
    if waiting:
        _settle(objects, waiting, fresh=fresh, term=None, text=text)
    if len(objects) > MOST_OBJECTS:
        raise PhraseError(f"{text!r} names {len(objects)} objects; a phrase may name {MOST_OBJECTS}")
    return PhraseGraph(tuple(objects), tuple(relationships))


def _settle(objects: list[PhraseObject], waiting: list[int], *, fresh: bool, term: Term | None, text: str) -> None:
    """Gives attributes that no noun followed to the noun before them."""
    if fresh or not objects:
        missing = "what has the attributes" if term is None else f"what stands before {term.words!r}"
        raise PhraseError(f"{text!r} does not say {missing}")
    objects[-1] = replace(objects[-1], attributes=objects[-1].attributes + tuple(waiting))


def _name(thing: PhraseObject, schema: Schema) -> str:
    noun = "anything" if thing.label is None else schema.categories[thing.label]
    return " ".join([*(schema.attributes[number] for number in thing.attributes), noun])
