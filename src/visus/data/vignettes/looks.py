"""Individuals: a number that always looks the same, whatever its pose, place and light."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from random import Random

from visus.data.vignettes.palette import (
    COLOUR_NAMES,
    FOLIAGE,
    FUR,
    HAIR,
    PLUMAGE,
    SKIN,
    WOOD,
    Colour,
    contrasting,
    mix_paint,
    shaded,
)
from visus.data.vignettes.textures import CHECKS, DOTS, FUR_MARKS, STRIPES, Pattern

TRAITS = 8


@dataclass(frozen=True)
class Look:
    """The appearance of one individual.

    Args:
        noun: what a caption calls it ("man", "dog").
        colour_name: the name of its main colour.
        colours: its main colour and three more, for whatever a category uses them for.
        pattern: what is on the surface of its main colour, None where it is plain.
        skin: the skin of people.
        hair: the hair of people.
        traits: numbers in 0..1 that fix its proportions and its parts.
    """

    noun: str
    colour_name: str
    colours: tuple[Colour, Colour, Colour, Colour]
    pattern: Pattern | None
    skin: Colour
    hair: Colour
    traits: tuple[float, ...]

    def between(self, trait: int, low: float, high: float) -> float:
        """Trait number ``trait`` as a length or a share from ``low`` to ``high``."""
        return low + (high - low) * self.traits[trait]

    def has(self, trait: int, share: float) -> bool:
        """Whether this individual is among the ``share`` (0..1) of all that have the feature of ``trait``."""
        return self.traits[trait] < share


# What the main colour of a category is chosen from, where not every colour will do.
_MAIN_COLOURS: dict[str, tuple[str, ...]] = {
    "dog": FUR,
    "cat": FUR,
    "bird": PLUMAGE,
    "bench": WOOD,
    "chair": WOOD + COLOUR_NAMES,
    "table": WOOD,
    "tree": FOLIAGE,
}
_PATTERNED: dict[str, float] = {
    "fish": 0.5,
    "lamp": 0.4,
    "sailboat": 0.5,
    "house": 0.2,
    "person": 0.5,
    "dog": 0.45,
    "cat": 0.6,
    "bird": 0.2,
    "ball": 0.5,
    "couch": 0.5,
    "cup": 0.5,
}
_NOUNS: dict[str, tuple[str, ...]] = {"person": ("man", "woman")}


@lru_cache(maxsize=16384)
def individual(category: str, stream: str, number: int) -> Look:
    """Individual ``number`` of ``category`` in a stream of random numbers: the same three, the same look."""
    rng = Random(f"visus vignettes individual {category} {stream} {number}")
    name = rng.choice(_MAIN_COLOURS.get(category, COLOUR_NAMES))
    main = mix_paint(rng, name)
    others = [mix_paint(rng, rng.choice(COLOUR_NAMES)) for _ in range(3)]
    pattern = None
    if rng.random() < _PATTERNED.get(category, 0.0):
        tiles = FUR_MARKS if category in ("dog", "cat", "bird") else rng.choice((STRIPES, STRIPES, DOTS, CHECKS))
        second = shaded(main, rng.choice((0.45, 0.6, 1.6))) if tiles is FUR_MARKS else contrasting(rng, main)
        pattern = Pattern(rng.choice(tiles), second)
    return Look(
        noun=rng.choice(_NOUNS.get(category, (category,))),
        colour_name=name,
        colours=(main, others[0], others[1], others[2]),
        pattern=pattern,
        skin=rng.choice(SKIN),
        hair=rng.choice(HAIR),
        traits=tuple(rng.random() for _ in range(TRAITS)),
    )
