"""Which names mean a left or a right side, and which name each one changes into in a mirror.

A side is a word of a name (``left_eye``, ``leftEye``, ``eye.left``, ``facing left``, ``to the left of``), the beginning
of one (``lefteye``, ``leftmost``), or a letter by itself (``eye_l``, ``L_Eye``, ``lEye``, ``L1``). The ends of words
(``eyeleft``) and letters within them (``leye``) count only where the names with the other side are there too, so that
``bright`` and ``upright`` mean none.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from visus.data.formats.coco_values import mirror_places

_LEFT, _RIGHT = "<", ">"  # no token of a name is one of these
_SWAPPED = {_LEFT: _RIGHT, _RIGHT: _LEFT}
_LETTERS = {"l": _LEFT, "r": _RIGHT}
_TOKENS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\dA-Za-z_]+")
_NO_SIDES = re.compile(
    r"\b(?:left ?overs?(?! right)|leftists?|righteous|rightful|rightly|rights|copy ?(?:left|right)s?|all ?right"
    r"|right (?:angled?|answers?|of way|triangles?|whales?))\b"
)
"""Words and phrases with "left" or "right" that mean no side."""

_MIDDLE_LETTERS = frozenset("lrcm")  # of left, right, centre and middle
_BETWEEN = ("and", "or")

Tokens: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Sides:
    """The sides that some names mean.

    Args:
        pairs: the places of names that change into each other in a mirror, left before right, in order.
        missing: the places of names with a side whose counterpart is not among them.
    """

    pairs: tuple[tuple[int, int], ...]
    missing: tuple[int, ...]

    def table(self, count: int) -> tuple[int, ...]:
        """The counterpart of each of ``count`` names; empty where none changes."""
        return tuple(mirror_places(self.pairs, count)) if self.pairs else ()


def sides_of(names: Sequence[str], *, initials: bool = False) -> Sides:
    """Which names change into which in a mirror.

    Args:
        names: of keypoints, categories, attributes or predicates.
        initials: whether ``l`` and ``r`` mean sides even in words (``leye``), and alone without a counterpart: in names
            of keypoints they do, while a class "size L" is no left one.

    >>> sides_of(["left shoe", "hat", "right shoe"])
    Sides(pairs=((0, 2),), missing=())
    >>> sides_of(["facing left", "upright"])
    Sides(pairs=(), missing=(0,))
    """
    words = [_words(name) for name in names]
    pairs: list[tuple[int, int]] = []
    missing: list[int] = []
    undecided = list(range(len(names)))
    letters = _letters_marked(words)
    kinds = ((lambda tokens: letters(_words_marked(tokens)), False), (_words_marked, True), (letters, initials))
    for mark, counts_alone in kinds:
        marked = {place: tokens for place in undecided if _has_side(tokens := mark(words[place]))}
        pairs += (found := _pairs(names, marked))
        paired = _places(found)
        lone = marked.keys() - paired if counts_alone else set()
        missing += [place for place in lone if not _both(marked[place])]
        undecided = [place for place in undecided if place not in paired and place not in lone]
    pairs += (ends := _glued(names, words, undecided, _ends_marked))
    if initials:
        paired = _places(ends)
        undecided = [place for place in undecided if place not in paired]
        within = max((_glued(names, words, undecided, mark) for mark in (_first_letter, _last_letter)), key=len)
        pairs += within if len(within) > 1 else []  # one pair of words may be chance: lip and rip
    return Sides(tuple(sorted(pairs)), tuple(sorted(missing)))


def flip_pairs_of(names: Sequence[str]) -> tuple[tuple[int, int], ...] | None:
    """The keypoints that change places in a mirror, by their names; None where these do not tell.

    Keypoints without a side lie on the middle line where others have one. A keypoint by itself stays what it is.
    """
    sides = sides_of(names, initials=True)
    if sides.missing or not (sides.pairs or len(names) == 1):
        return None
    return sides.pairs


def other_side(name: str) -> str:
    """A name with left and right exchanged, for messages and to tell names apart that differ in capitals only."""

    def exchanged(found: re.Match[str]) -> str:
        word = found[0]
        other = {"left": "right", "right": "left", "l": "r", "r": "l"}[word.lower()]
        return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other

    changed = re.sub(r"left|right", exchanged, name, flags=re.IGNORECASE)
    if changed != name:
        return changed
    return re.sub(r"(?<![A-Za-z])[lr](?![a-z])|(?<=[a-z])[LR](?![a-z])|(?<![A-Za-z])[lr](?=[A-Z])", exchanged, name)


def _words(name: str) -> Tokens:
    """The words of a name in lower case, where capitals and digits begin new ones; phrases without a side as one."""
    text = " ".join(_TOKENS.findall(name)).lower()
    return tuple(_NO_SIDES.sub(lambda found: f"({found[0].replace(' ', '-')})", text).split())


def _words_marked(words: Tokens) -> Tokens:
    """With marks for the words left and right, and for words that begin with one."""
    marked: list[str] = []
    for word in words:
        side = _LEFT if word.startswith("left") else _RIGHT if word.startswith("right") else ""
        rest = word.removeprefix("left").removeprefix("right") if side else word
        marked += [part for part in (side, rest) if part]
    return tuple(marked)


def _letters_marked(names: Sequence[Tokens]) -> Callable[[Tokens], Tokens]:
    """With marks for l and r where no other letter stands in their place: L1 is no side beside T1 and C1."""
    families: dict[tuple[int, Tokens], set[str]] = defaultdict(set)
    for words in names:
        for place, word in enumerate(words):
            if len(word) == 1 and word.isalpha():
                families[place, words[:place] + words[place + 1 :]].add(word)
    of_another_row = {key for key, letters in families.items() if not letters <= _MIDDLE_LETTERS}

    def mark(words: Tokens) -> Tokens:
        rests = (words[:place] + words[place + 1 :] for place in range(len(words)))
        return tuple(
            word if (place, rest) in of_another_row else _LETTERS.get(word, word)
            for place, (word, rest) in enumerate(zip(words, rests, strict=True))
        )

    return mark


def _ends_marked(word: str) -> Tokens:
    for end, side in (("left", _LEFT), ("right", _RIGHT)):
        if word.endswith(end) and word != end:
            return word.removesuffix(end), side
    return (word,)


def _first_letter(word: str) -> Tokens:
    return (_LETTERS[word[0]], word[1:]) if word[0] in _LETTERS and len(word) > 1 else (word,)


def _last_letter(word: str) -> Tokens:
    return (word[:-1], _LETTERS[word[-1]]) if word[-1] in _LETTERS and len(word) > 1 else (word,)


def _glued(
    names: Sequence[str], words: Sequence[Tokens], places: Sequence[int], mark: Callable[[str], Tokens]
) -> list[tuple[int, int]]:
    """Pairs of names that differ by one word, which ``mark`` divides into a side and the rest."""
    found: dict[int, tuple[int, int]] = {}
    marked: dict[int, Tokens] = {}
    for at in range(max((len(words[place]) for place in places), default=0)):
        marked = {
            place: (*words[place][:at], *mark(words[place][at]), *words[place][at + 1 :])
            for place in places
            if at < len(words[place]) and place not in found
        }
        for pair in _pairs(names, {place: tokens for place, tokens in marked.items() if _has_side(tokens)}):
            found |= dict.fromkeys(pair, pair)
    return sorted(set(found.values()))


def _pairs(names: Sequence[str], marked: dict[int, Tokens]) -> list[tuple[int, int]]:
    """The places that change into each other, the one whose first mark is left before the other."""
    by_tokens: dict[Tokens, list[int]] = defaultdict(list)
    for place, tokens in marked.items():
        by_tokens[tokens].append(place)
    found = []
    for tokens, places in by_tokens.items():
        if next(token for token in tokens if token in _SWAPPED) == _RIGHT:
            continue
        others = by_tokens.get(tuple(_SWAPPED.get(token, token) for token in tokens), [])
        if len(places) == len(others) == 1:
            found.append((places[0], others[0]))
            continue
        called = {names[place]: place for place in others}  # names that differ in capitals or signs only
        found += [(place, called[other]) for place in places if (other := other_side(names[place])) in called]
    return found


def _places(pairs: Sequence[tuple[int, int]]) -> set[int]:
    return {place for pair in pairs for place in pair}


def _has_side(tokens: Tokens) -> bool:
    return _LEFT in tokens or _RIGHT in tokens


def _both(tokens: Tokens) -> bool:
    """Whether a name means both sides at once: "left and right hand", "left-right"."""
    text = "".join(token for token in tokens if token not in _BETWEEN)
    return _LEFT + _RIGHT in text or _RIGHT + _LEFT in text
