"""Benches, couches, chairs and tables, seen from the front; the unit is the width (a chair's is its height)."""

from __future__ import annotations

from random import Random

from visus.data.vignettes.canvas import Pen, darker
from visus.data.vignettes.looks import Look
from visus.data.vignettes.textures import Pattern

BENCH_SEAT, CHAIR_SEAT = 0.25, 0.45


def couch_seat(look: Look) -> float:
    """How high a couch's cushions are."""
    return look.between(0, 0.2, 0.25)


def table_top(look: Look) -> float:
    """How high a table's top is."""
    return look.between(0, 0.52, 0.66)


def draw_bench(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A park bench: a slatted seat and back on two iron or wooden feet."""
    wood = pen.ink(look.colours[0])
    iron = pen.ink(look.colours[1]) if look.has(1, 0.5) else darker(wood, 0.6)
    back = look.between(2, 0.46, 0.54)
    slats = 2 if look.has(3, 0.5) else 3
    inset = look.between(4, 0.05, 0.14)
    for side in (-1, 1):
        x = side * (0.5 - inset)
        pen.limb((x, BENCH_SEAT), (x, back - 0.02), 0.05, 0.05, darker(iron, 0.85))
        pen.limb((x, BENCH_SEAT - 0.02), (x + side * 0.03, 0.02), 0.06, 0.06, iron)
        pen.limb((x - side * 0.09, BENCH_SEAT - 0.05), (x - side * 0.09, 0.05), 0.045, 0.045, darker(iron, 0.7))
    height = (back - BENCH_SEAT - 0.04) / slats
    for i in range(slats):
        low = BENCH_SEAT + 0.05 + i * height
        pen.box(-0.5, low, 0.5, low + height * 0.72, darker(wood, 0.88 + 0.06 * (i % 2)), 0.012)
    pen.box(-0.5, BENCH_SEAT - 0.035, 0.5, BENCH_SEAT + 0.03, wood, 0.012)
    pen.box(-0.5, BENCH_SEAT - 0.065, 0.5, BENCH_SEAT - 0.035, darker(wood, 0.65))
    if look.has(5, 0.5):
        for side in (-1, 1):
            pen.limb((side * 0.48, BENCH_SEAT), (side * 0.48, BENCH_SEAT + 0.12), 0.045, 0.045, iron)


def draw_couch(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A couch: a padded back, two arms, two or three cushions, down to the floor."""
    cloth, plain = pen.ink(look.colours[0], look.pattern), pen.ink(look.colours[0])
    seat, back = couch_seat(look), look.between(1, 0.44, 0.54)
    arm = look.between(2, 0.1, 0.15)
    for side in (-1, 1):
        pen.box(side * 0.4 - 0.03, 0.0, side * 0.4 + 0.03, 0.06, darker(plain, 0.4))
    pen.box(-0.47, 0.1, 0.47, back, darker(cloth, 0.84), 0.06)
    pen.box(-0.46, 0.04, 0.46, seat - 0.05, darker(plain, 0.72), 0.02)
    cushions = 2 if look.has(3, 0.5) else 3
    width = (0.96 - 2 * arm) / cushions
    for i in range(cushions):
        left = -0.48 + arm + i * width
        pen.box(left + 0.008, seat - 0.09, left + width - 0.008, seat + 0.015, cloth, 0.025)
    tall = seat + look.between(4, 0.08, 0.14)
    for side in (-1, 1):
        x = sorted((side * 0.5, side * (0.5 - arm)))
        pen.box(x[0], 0.03, x[1], tall, darker(cloth, 0.93), 0.045)
    if look.has(5, 0.45):
        pillow = pen.ink(look.colours[1])
        pen.box(0.14, seat + 0.01, 0.32, seat + 0.16, pillow, 0.04)


def draw_chair(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A chair: four legs, a seat, a tall back of bars or of one board."""
    wood = pen.ink(look.colours[0])
    half = look.between(0, 0.22, 0.29)
    for side in (-1, 1):
        pen.limb((side * half * 0.72, CHAIR_SEAT), (side * half * 0.76, 0.07), 0.05, 0.045, darker(wood, 0.6))
        pen.limb((side * half * 0.9, CHAIR_SEAT), (side * half * 0.82, 0.96), 0.06, 0.055, darker(wood, 0.9))
    if look.has(1, 0.5):
        pen.box(-half * 0.85, 0.62, half * 0.85, 1.0, darker(wood, 0.94), 0.06)
        pen.box(-half * 0.55, 0.69, half * 0.55, 0.93, pen.ink(look.colours[1]), 0.04)
    else:
        for height in (0.6, 0.75, 0.9):
            pen.box(-half * 0.88, height, half * 0.88, height + 0.085, darker(wood, 0.84), 0.02)
    cushion = pen.ink(look.colours[2]) if look.has(2, 0.5) else wood
    pen.polygon(
        (
            (-half * 0.88, CHAIR_SEAT + 0.05),
            (half * 0.88, CHAIR_SEAT + 0.05),
            (half * 1.08, CHAIR_SEAT - 0.07),
            (-half * 1.08, CHAIR_SEAT - 0.07),
        ),
        cushion,
    )
    pen.box(-half * 1.08, CHAIR_SEAT - 0.12, half * 1.08, CHAIR_SEAT - 0.07, darker(wood, 0.75))
    for side in (-1, 1):
        pen.limb((side * half * 0.98, CHAIR_SEAT - 0.1), (side * half * 1.02, 0.03), 0.062, 0.055, wood)


def draw_table(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A table: a top seen a little from above on four legs or on one foot; sometimes a cloth over it."""
    wood = pen.ink(look.colours[0], Pattern("planks", look.colours[0]))
    top = table_top(look)
    if look.has(1, 0.3):
        pen.limb((0, top), (0, 0.06), 0.09, 0.11, darker(wood, 0.75))
        pen.oval((0, 0.05), 0.22, 0.05, darker(wood, 0.6))
    else:
        for side in (-1, 1):
            pen.limb((side * 0.34, top), (side * 0.35, 0.11), 0.05, 0.045, darker(wood, 0.55))
            pen.limb((side * 0.44, top), (side * 0.46, 0.025), 0.062, 0.052, darker(wood, 0.85))
    if look.has(2, 0.5):
        pen.oval((0, top), 0.5, 0.085, darker(wood, 0.65))
        pen.oval((0, top + 0.03), 0.5, 0.085, wood)
    else:
        pen.polygon(((-0.42, top + 0.09), (0.42, top + 0.09), (0.5, top - 0.03), (-0.5, top - 0.03)), wood)
        pen.box(-0.5, top - 0.08, 0.5, top - 0.03, darker(wood, 0.7))
    if look.has(3, 0.3):
        cloth = pen.ink(look.colours[1], Pattern("checks fine", look.colours[2]))
        pen.polygon(((-0.2, top + 0.085), (0.2, top + 0.085), (0.26, top - 0.02), (-0.26, top - 0.02)), cloth)
        pen.polygon(((-0.26, top - 0.02), (0.26, top - 0.02), (0.0, top - 0.22)), darker(cloth, 0.85))
