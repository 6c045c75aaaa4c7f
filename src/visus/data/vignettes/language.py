"""What can be said of a scene: attributes, relationships as phrases, and a caption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from visus.data.vignettes.palette import COLOUR_NAMES
from visus.data.vignettes.scene import Placement
from visus.data.vignettes.textures import WORDS, pattern_word

POSES = ("standing", "walking", "waving", "sitting", "lying", "sleeping", "riding", "flying")
ATTRIBUTES: tuple[str, ...] = (*COLOUR_NAMES, *dict.fromkeys(WORDS.values()), *POSES)
PREDICATES = ("sitting on", "lying on", "riding", "on top of", "under", "behind", "in front of", "next to")
_LIVING = ("person", "dog", "cat", "bird", "fish", "butterfly")


class Relationship(NamedTuple):
    """The places of two objects in the target and one of `PREDICATES`."""

    subject: int
    predicate: str
    object: int


def attributes_of(item: Placement) -> tuple[str, ...]:
    """Words for an object: the colour, the pattern if any, and how a living thing holds itself."""
    pose = (item.pose,) if item.category in _LIVING else ()
    mark = pattern_word(item.look.pattern)
    return (item.look.colour_name, *((mark,) if mark else ()), *pose)


def relationships_of(
    items: Sequence[Placement], boxes: Sequence[tuple[float, float, float, float]]
) -> tuple[Relationship, ...]:
    """Who rests on what, who stands behind whom, and who stands side by side.

    Args:
        items: the objects; a ``support`` is a place in this sequence.
        boxes: what is seen of each, xyxy.
    """
    found = [Relationship(i, item.relation, item.support) for i, item in enumerate(items) if item.support >= 0]
    bound = {frozenset((relation.subject, relation.object)) for relation in found}
    for i, first in enumerate(items):
        for j in range(i + 1, len(items)):
            if frozenset((i, j)) in bound or first.support >= 0 or items[j].support >= 0:
                continue
            found += _by_position(i, j, first, items[j], boxes[i], boxes[j])
    return tuple(found)


def _by_position(
    i: int,
    j: int,
    first: Placement,
    second: Placement,
    box: tuple[float, float, float, float],
    other: tuple[float, float, float, float],
) -> list[Relationship]:
    """The relationships of two objects that both stand on the ground by themselves."""
    overlap = min(box[2], other[2]) - max(box[0], other[0])
    narrow = min(box[2] - box[0], other[2] - other[0])
    tall = min(box[3], other[3]) - max(box[1], other[1])
    nearer = second.floor - first.floor
    reach = 0.12 * (box[2] - box[0] + other[2] - other[0])
    if overlap > 0.2 * narrow and tall > 0 and nearer > 2:
        return [Relationship(i, "behind", j), Relationship(j, "in front of", i)]
    if -2 * reach < overlap <= 0.2 * narrow and tall > 0 and abs(nearer) < 3 * reach:
        return [Relationship(i, "next to", j), Relationship(j, "next to", i)]
    return []


def phrase(items: Sequence[Placement], relation: Relationship) -> str:
    """A relationship in words: "sleeping cat on top of couch"."""
    first, second = items[relation.subject], items[relation.object]
    subject = first.look.noun
    if first.category in _LIVING and first.pose not in relation.predicate:
        subject = f"{first.pose} {subject}"
    return f"{subject} {relation.predicate} {second.look.noun}"


def caption(items: Sequence[Placement], relations: Sequence[Relationship], *, indoor: bool) -> str:
    """One sentence about the whole scene: related objects first, the others after them."""
    told: set[int] = set()
    clauses = []
    for relation in relations:
        if relation.subject in told or relation.object in told:
            continue
        told |= {relation.subject, relation.object}
        first, second = items[relation.subject], items[relation.object]
        clauses.append(f"{_described(first)} {relation.predicate} {_described(second)}")
    clauses += [_described(item) for place, item in enumerate(items) if place not in told]
    listed = clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"
    return f"{listed[0].upper()}{listed[1:]} {'in a room' if indoor else 'outdoors'}."


def _described(item: Placement) -> str:
    colour = item.look.colour_name
    if item.category == "person":
        return f"a {item.look.noun} in {colour}"
    article = "an" if colour[0] in "aeiou" else "a"
    return f"{article} {colour} {item.look.noun}"
