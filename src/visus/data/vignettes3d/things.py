"""The things: each a function from random numbers to its parts. Lengths are in metres, z is up, y is ahead."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from random import Random

from visus.clouds import Mesh
from visus.data.vignettes3d.solids import ball, box, cone

Parts = list[tuple[str, Mesh]]


def _legs(r: Random, width: float, depth: float, height: float, thick: float, part: str = "leg") -> Parts:
    """Four legs below the corners of something of ``width`` and ``depth``, round or square."""
    x, y = (width - thick) / 2, (depth - thick) / 2
    round_ones = r.random() < 0.5
    places = [(a * x, b * y, height / 2) for a, b in product((-1, 1), (-1, 1))]
    return [
        (part, cone(thick / 2, thick / 2, height, place) if round_ones else box((thick, thick, height), place))
        for place in places
    ]


def table(r: Random) -> Parts:
    """A top on four legs, or on a column with a foot."""
    width, depth, height = r.uniform(0.9, 2.0), r.uniform(0.7, 1.1), r.uniform(0.5, 0.8)
    if r.random() < 0.3:
        radius = depth * 0.6
        return [
            ("top", cone(radius, radius, 0.05, (0, 0, height))),
            ("leg", cone(0.06, 0.06, height, (0, 0, height / 2))),
            ("leg", cone(radius * 0.55, radius * 0.5, 0.04, (0, 0, 0.02))),
        ]
    top = box((width, depth, r.uniform(0.03, 0.08)), (0, 0, height))
    return [("top", top), *_legs(r, width, depth, height, r.uniform(0.05, 0.1))]


def chair(r: Random) -> Parts:
    """A seat on legs with a back as high again, sometimes arms."""
    width, depth, height = r.uniform(0.4, 0.55), r.uniform(0.4, 0.55), r.uniform(0.4, 0.5)
    back = r.uniform(0.4, 0.7)
    parts = [
        ("seat", box((width, depth, 0.06), (0, 0, height))),
        ("back", box((width, 0.05, back), (0, -depth / 2 + 0.025, height + back / 2))),
        *_legs(r, width, depth, height, r.uniform(0.03, 0.06)),
    ]
    if r.random() < 0.3:
        for side in (-1, 1):
            parts.append(("arm", box((0.05, depth, 0.04), (side * width / 2, 0, height + 0.22))))
            parts.append(("arm", box((0.04, 0.04, 0.22), (side * width / 2, depth / 2 - 0.05, height + 0.11))))
    return parts


def bench(r: Random) -> Parts:
    """A long seat, with a low back or with none."""
    width, depth, height = r.uniform(1.3, 2.0), r.uniform(0.35, 0.5), r.uniform(0.4, 0.48)
    parts = [("seat", box((width, depth, 0.06), (0, 0, height))), *_legs(r, width * 0.9, depth, height, 0.07)]
    if r.random() < 0.7:
        rails = r.randint(1, 2)
        for rail in range(rails):
            parts.append(("back", box((width, 0.04, 0.1), (0, -depth / 2, height + 0.22 + 0.17 * rail))))
        for side in (-1, 1):
            parts.append(("back", box((0.05, 0.05, 0.45), (side * width * 0.42, -depth / 2, height + 0.22))))
    return parts


def couch(r: Random) -> Parts:
    """A thick seat down to the ground between thick arms."""
    width, depth, seat = r.uniform(1.5, 2.3), r.uniform(0.8, 1.0), r.uniform(0.38, 0.48)
    back, arm = r.uniform(0.35, 0.5), r.uniform(0.15, 0.25)
    sides = [("arm", box((arm, depth, seat + 0.2), (s * (width - arm) / 2, 0, (seat + 0.2) / 2))) for s in (-1, 1)]
    return [
        ("seat", box((width, depth, seat), (0, 0, seat / 2))),
        ("back", box((width, 0.25, seat + back), (0, -depth / 2, (seat + back) / 2))),
        *sides,
    ]


def bed(r: Random) -> Parts:
    """A flat mattress on a frame, with a head board and pillows."""
    width, length, height = r.uniform(1.0, 1.8), r.uniform(1.9, 2.1), r.uniform(0.3, 0.45)
    pillows = [
        ("pillow", ball((width * 0.2, 0.2, 0.09), (s * width * 0.24, -length / 2 + 0.28, height + 0.24)))
        for s in (-1, 1)
    ]
    return [
        ("frame", box((width, length, height * 0.5), (0, 0, height * 0.6))),
        ("mattress", box((width * 0.96, length * 0.96, 0.2), (0, 0, height + 0.1))),
        ("frame", box((width, 0.06, height + r.uniform(0.4, 0.7)), (0, -length / 2, (height + 0.5) / 2))),
        *pillows,
    ]


def car(r: Random) -> Parts:
    """A body on four wheels with a cabin."""
    length, width, height = r.uniform(3.6, 4.6), r.uniform(1.6, 1.8), r.uniform(0.55, 0.75)
    wheel = r.uniform(0.3, 0.38)
    cabin = r.uniform(0.45, 0.65)
    parts = [
        ("body", box((width, length, height), (0, 0, wheel + height / 2))),
        ("cabin", box((width * 0.88, length * cabin, 0.55), (0, -0.06 * length, wheel + height + 0.27))),
    ]
    for x, y in product((-1, 1), (-1, 1)):
        place = (x * width / 2, y * length * 0.31, wheel)
        parts.append(("wheel", cone(wheel, wheel, 0.22, place, axis=0)))
    return parts


def bus(r: Random) -> Parts:
    """One long high box on wheels."""
    length, width, height = r.uniform(8, 11), r.uniform(2.3, 2.6), r.uniform(2.4, 3.0)
    parts = [("body", box((width, length, height), (0, 0, 0.6 + height / 2)))]
    for x, y in product((-1, 1), (-1, 1)):
        parts.append(("wheel", cone(0.5, 0.5, 0.3, (x * width / 2, y * length * 0.33, 0.5), axis=0)))
    return parts


def tree(r: Random) -> Parts:
    """A trunk with a round crown, or with cones one above the other."""
    height, radius = r.uniform(1.0, 2.0), r.uniform(1.0, 1.6)
    trunk = ("trunk", cone(0.18, 0.12, height, (0, 0, height / 2)))
    if r.random() < 0.5:
        return [trunk, ("crown", ball((radius, radius, radius * r.uniform(0.9, 1.3)), (0, 0, height + radius * 0.8)))]
    cones = [cone(radius * (1 - 0.25 * i), 0, 1.3, (0, 0, height + 0.5 + 0.8 * i)) for i in range(3)]
    return [trunk, *[("crown", one) for one in cones]]


def house(r: Random) -> Parts:
    """Four walls under a pointed roof."""
    width, depth, height = r.uniform(4, 7), r.uniform(4, 6), r.uniform(2.5, 5)
    roof = cone(max(width, depth) * 0.78, 0, r.uniform(1.5, 2.8), (0, 0, height + 1.0))
    return [("wall", box((width, depth, height), (0, 0, height / 2))), ("roof", roof)]


def sphere(r: Random) -> Parts:
    """A ball."""
    radius = r.uniform(0.1, 0.2)
    return [("ball", ball((radius, radius, radius), (0, 0, radius)))]


def person(r: Random) -> Parts:
    """A head, a body, two arms and two legs, which may be apart."""
    leg, body, shoulders = r.uniform(0.75, 0.9), r.uniform(0.55, 0.65), r.uniform(0.38, 0.48)
    lifted, apart = r.uniform(0, 0.5), r.uniform(0, 0.12)
    parts = [
        ("body", ball((shoulders / 2, 0.15, body / 2), (0, 0, leg + body / 2))),
        ("head", ball((0.1, 0.11, 0.14), (0, 0, leg + body + 0.17))),
    ]
    for side in (-1, 1):
        parts.append(("leg", cone(0.06, 0.09, leg, (side * (0.1 + apart), r.uniform(-0.1, 0.1), leg / 2))))
        hand = (side * (shoulders / 2 + 0.06 + lifted / 2), 0, leg + body * 0.62 + lifted / 2)
        parts.append(("arm", box((0.09 + lifted, 0.09, 0.6 - lifted), hand)))
    return parts


def cat(r: Random) -> Parts:
    """A body on four legs with a head ahead and a tail behind."""
    length, height = r.uniform(0.4, 0.55), r.uniform(0.18, 0.26)
    parts = [
        ("body", ball((0.09, length / 2, 0.1), (0, 0, height + 0.08))),
        ("head", ball((0.08, 0.08, 0.08), (0, length / 2 + 0.05, height + 0.17))),
        ("tail", box((0.03, 0.3, 0.03), (0, -length / 2 - 0.1, height + r.uniform(0.05, 0.2)))),
    ]
    return [*parts, *_legs(r, 0.16, length * 0.75, height, 0.04)]


def bottle(r: Random) -> Parts:
    """A cylinder with a neck."""
    radius, height, neck = r.uniform(0.035, 0.05), r.uniform(0.15, 0.22), r.uniform(0.06, 0.1)
    return [
        ("body", cone(radius, radius, height, (0, 0, height / 2))),
        ("neck", cone(radius, radius * 0.35, 0.04, (0, 0, height + 0.02))),
        ("neck", cone(radius * 0.35, radius * 0.35, neck, (0, 0, height + 0.04 + neck / 2))),
    ]


THINGS: dict[str, Callable[[Random], Parts]] = {
    "ball": sphere,
    "bed": bed,
    "bench": bench,
    "bottle": bottle,
    "bus": bus,
    "car": car,
    "cat": cat,
    "chair": chair,
    "couch": couch,
    "house": house,
    "person": person,
    "table": table,
    "tree": tree,
}
"""By the name of the category."""

PARTS: dict[str, tuple[str, ...]] = {
    name: tuple(sorted({part for seed in range(8) for part, _ in make(Random(seed))})) for name, make in THINGS.items()
}
"""The names of the parts that each thing may have."""
