"""The kinds of objects: how each is drawn, how large it is, how it stands, and where it is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, TypeAlias

from visus.data.vignettes.animals import draw_bird, draw_cat, draw_dog
from visus.data.vignettes.canvas import Pen
from visus.data.vignettes.furniture import (
    BENCH_SEAT,
    CHAIR_SEAT,
    couch_seat,
    draw_bench,
    draw_chair,
    draw_couch,
    draw_table,
    table_top,
)
from visus.data.vignettes.looks import Look
from visus.data.vignettes.novel import (
    draw_butterfly,
    draw_fish,
    draw_flower,
    draw_house,
    draw_lamp,
    draw_mushroom,
    draw_rocket,
    draw_sailboat,
    draw_snowman,
    draw_umbrella,
)
from visus.data.vignettes.people import draw_person
from visus.data.vignettes.things import draw_ball, draw_cup, draw_tree
from visus.data.vignettes.vehicles import CAR_ROOF, draw_bicycle, draw_car

Drawing: TypeAlias = Callable[[Pen, Look, str, Random], None]


class Extent(NamedTuple):
    """What an object covers about its origin, in its units: half its width, how far up and how far down."""

    half: float
    up: float
    down: float = 0.0


class Surface(NamedTuple):
    """Where something can rest on an object, in its units: the height and half the width."""

    height: float
    half: float


@dataclass(frozen=True)
class Kind:
    """A category of objects.

    Args:
        draw: draws one with a pen.
        sizes: the least and the greatest unit in pixels of a picture of 192.
        extents: what each of its poses covers; the poses it takes by itself come first.
        free: how many of the poses it takes without support.
        indoor: how often it is met indoors, compared with other kinds.
        outdoor: the same outdoors.
        surface: where something can rest on it.
    """

    draw: Drawing
    sizes: tuple[float, float]
    extents: dict[str, Extent]
    free: int
    indoor: float
    outdoor: float
    surface: Callable[[Look], Surface] | None = None

    def poses(self) -> tuple[str, ...]:
        """The poses it takes by itself."""
        return tuple(self.extents)[: self.free]


_PET = {
    "standing": Extent(0.55, 0.9),
    "walking": Extent(0.58, 0.9),
    "sitting": Extent(0.46, 0.9),
    "sleeping": Extent(0.52, 0.4),
}
_BASE: dict[str, Kind] = {
    "person": Kind(
        draw_person,
        (84, 122),
        {
            "standing": Extent(0.25, 1.02),
            "walking": Extent(0.3, 1.02),
            "waving": Extent(0.32, 1.08),
            "sleeping": Extent(0.55, 0.26),
            "sitting": Extent(0.26, 0.6, 0.3),
            "lying": Extent(0.55, 0.26),
            "riding": Extent(0.35, 0.62, 0.42),
        },
        4,
        3.0,
        3.0,
    ),
    "dog": Kind(draw_dog, (54, 78), _PET, 4, 1.2, 1.2),
    "cat": Kind(draw_cat, (48, 68), _PET, 4, 1.2, 1.0),
    "bird": Kind(draw_bird, (42, 62), {"standing": Extent(0.55, 0.75), "flying": Extent(0.55, 1.0)}, 2, 0.5, 1.2),
    "ball": Kind(draw_ball, (32, 52), {"resting": Extent(0.5, 1.0)}, 1, 1.0, 1.0),
    "cup": Kind(draw_cup, (32, 46), {"resting": Extent(0.58, 1.05)}, 1, 0.9, 0.3),
    "bench": Kind(
        draw_bench,
        (84, 118),
        {"standing": Extent(0.52, 0.55)},
        1,
        0.5,
        1.2,
        lambda look: Surface(BENCH_SEAT + 0.02, 0.4),
    ),
    "couch": Kind(
        draw_couch,
        (92, 126),
        {"standing": Extent(0.52, 0.54)},
        1,
        1.2,
        0.3,
        lambda look: Surface(couch_seat(look), 0.32),
    ),
    "chair": Kind(
        draw_chair, (66, 96), {"standing": Extent(0.32, 1.0)}, 1, 1.3, 0.6, lambda look: Surface(CHAIR_SEAT, 0.16)
    ),
    "table": Kind(
        draw_table,
        (78, 112),
        {"standing": Extent(0.52, 0.76)},
        1,
        1.3,
        0.5,
        lambda look: Surface(table_top(look) + 0.02, 0.34),
    ),
    "car": Kind(
        draw_car, (92, 126), {"standing": Extent(0.52, 0.44)}, 1, 0.3, 1.6, lambda look: Surface(CAR_ROOF - 0.02, 0.14)
    ),
    "bicycle": Kind(draw_bicycle, (84, 112), {"standing": Extent(0.52, 0.68)}, 1, 0.6, 1.4),
    "tree": Kind(draw_tree, (92, 136), {"standing": Extent(0.36, 1.02)}, 1, 0.8, 2.2),
}


def _novel(draw: Drawing, low: float, high: float, half: float, *, aloft: bool = False) -> Kind:
    """A kind that stands by itself (or flies) and is met anywhere."""
    return Kind(
        draw, (low, high), {"flying" if aloft else "resting": Extent(half, 1.0 if not aloft else 0.9)}, 1, 1.0, 1.0
    )


_NOVEL: dict[str, Kind] = {
    "mushroom": _novel(draw_mushroom, 44, 70, 0.5),
    "fish": _novel(draw_fish, 48, 76, 0.5, aloft=True),
    "umbrella": _novel(draw_umbrella, 56, 90, 0.5),
    "lamp": _novel(draw_lamp, 60, 100, 0.28),
    "snowman": _novel(draw_snowman, 60, 96, 0.23),
    "rocket": _novel(draw_rocket, 60, 100, 0.34),
    "sailboat": _novel(draw_sailboat, 54, 90, 0.5),
    "flower": _novel(draw_flower, 56, 90, 0.28),
    "house": _novel(draw_house, 56, 90, 0.52),
    "butterfly": _novel(draw_butterfly, 42, 66, 0.48, aloft=True),
}
KINDS: dict[str, Kind] = {**_BASE, **_NOVEL}
CATEGORIES: tuple[str, ...] = tuple(_BASE)
NOVEL_CATEGORIES: tuple[str, ...] = tuple(_NOVEL)
