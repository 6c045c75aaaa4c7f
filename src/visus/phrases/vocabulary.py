"""The words that a model knows, and those that mean the same: from a text to categories, attributes and predicates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from visus.errors import VisusError
from visus.names import closest
from visus.types import Schema

SYNONYMS = Path(__file__).parent / "synonyms.txt"
ARTICLES = frozenset(("a", "an", "the", "some", "is", "are", "that", "who", "which"))
"""Words that a phrase may have and that mean nothing in it."""
ANYTHING = frozenset(("something", "anything", "what"))
"""Words for an object of any category."""
AND = "and"

Kind = Literal["category", "attribute", "predicate", "anything", "and"]
_PLURALS = {"men": "man", "women": "woman", "people": "person", "children": "child", "mice": "mouse", "sheep": "sheep"}


class PhraseError(VisusError):
    """A phrase that says nothing to a model; the message names the words and the nearest ones that it knows."""


@dataclass(frozen=True)
class Term:
    """A word, or several, that a model knows: its kind, and its number among those of its kind in the schema."""

    kind: Kind
    number: int
    words: str


class Vocabulary:
    """The categories, attributes and predicates of a schema, with their synonyms.

    Args:
        schema: of the model.
        synonyms: groups of words for the same thing; a word that the schema has itself stands for nothing else.
    """

    def __init__(self, schema: Schema, synonyms: Iterable[tuple[str, ...]] | None = None) -> None:
        self.schema = schema
        groups = list(read_synonyms(SYNONYMS) if synonyms is None else synonyms)
        names: dict[Kind, tuple[str, ...]] = {
            "predicate": schema.predicates,
            "category": schema.categories,
            "attribute": schema.attributes,
        }
        self._terms: dict[str, Term] = {}
        for kind, known in names.items():
            for number, name in enumerate(known):
                self._terms.setdefault(_plain(name), Term(kind, number, name))
        own = dict(self._terms)
        for group in groups:
            term = next((own[word] for word in group if word in own), None)
            if term is not None:
                for word in group:
                    self._terms.setdefault(word, term)
        self._longest = max((len(words.split()) for words in self._terms), default=1)

    def terms(self, text: str) -> list[Term]:
        """The terms of a text in its order, the longest first wherever several would fit; articles are left out.

        Raises:
            PhraseError: a word that is not known, or none that is.
        """
        words = _plain(text).split()
        found, unknown, place = list[Term](), list[str](), 0
        while place < len(words):
            length, term = self._longest_at(words[place:])
            if term is not None:
                found.append(term)
            elif words[place] not in ARTICLES:
                unknown.append(words[place])
            place += length
        if unknown:
            raise PhraseError("; ".join(self._unknown(word) for word in dict.fromkeys(unknown)))
        if not found:
            raise PhraseError(f"{text!r} names nothing; it could name {_few(self.schema.categories)}")
        return found

    def _longest_at(self, words: list[str]) -> tuple[int, Term | None]:
        for length in range(min(self._longest, len(words)), 0, -1):
            together = " ".join(words[:length])
            for form in _forms(together):
                if form in self._terms:
                    return length, self._terms[form]
        if words[0] in ANYTHING:
            return 1, Term("anything", -1, words[0])
        return 1, Term("and", -1, AND) if words[0] == AND else None

    def _unknown(self, word: str) -> str:
        near = closest(word, self._terms)
        hint = f"did you mean {near!r}?" if near else f"there are {_few(self.schema.categories)}"
        return f"the model knows no {word!r}; {hint}"


def read_synonyms(path: Path) -> Iterator[tuple[str, ...]]:
    """The groups of a file: words between commas, a group a line; lines that begin with # are comments."""
    for line in path.read_text(encoding="utf-8").splitlines():
        group = tuple(word.strip().casefold() for word in line.split(",") if word.strip())
        if group and not line.startswith("#"):
            yield group


def _plain(text: str) -> str:
    """Small letters, without punctuation."""
    return " ".join(re.sub(r"[^\w\s]", " ", text.casefold()).split())


def _forms(words: str) -> Iterator[str]:
    """The words as they are, then their singular."""
    yield words
    *before, last = words.split()
    stem = " ".join(before)
    for singular in (_PLURALS.get(last), *(last.removesuffix(e) + r for e, r in _ENDINGS if last.endswith(e))):
        if singular:
            yield f"{stem} {singular}".strip()


_ENDINGS: tuple[tuple[str, str], ...] = (("ies", "y"), ("ves", "f"), ("es", ""), ("s", ""))


def _few(names: Mapping[str, object] | tuple[str, ...]) -> str:
    listed = list(names)
    return ", ".join(listed[:12]) + (" ..." if len(listed) > 12 else "")
