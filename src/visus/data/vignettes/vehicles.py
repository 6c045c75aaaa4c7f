"""Cars and bicycles, seen from the side and going to the right; the unit is the length."""

from __future__ import annotations

import math
from random import Random

from visus.data.vignettes.canvas import Ink, Pen, Point, darker, recoloured
from visus.data.vignettes.looks import Look

CAR_ROOF = 0.42
SADDLE: Point = (-0.17, 0.56)


def draw_car(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A car: a hatchback, a saloon or a van."""
    paint = pen.ink(look.colours[0])
    glass, tyre = pen.ink((150, 190, 214)), pen.ink((40, 40, 44))
    roof = look.between(0, 0.38, CAR_ROOF)
    sill, belt = 0.1, 0.26
    kind = int(look.traits[1] * 3)
    front, back = ((0.2, -0.36), (0.16, -0.28), (0.3, -0.44))[kind]
    hood, boot = ((0.36, -0.42), (0.34, -0.42), (0.42, -0.46))[kind]
    cabin = ((hood - 0.02, belt - 0.01), (front, roof), (back + 0.03, roof), (boot, belt - 0.01))
    pen.polygon(cabin, paint)
    pen.box(-0.5, sill, 0.5, belt, paint, 0.05)
    pen.box(-0.5, sill, 0.5, sill + 0.05, darker(paint, 0.7), 0.02)
    if look.has(2, 0.35):
        pen.box(-0.49, sill + 0.07, 0.49, sill + 0.11, recoloured(paint, look.colours[1]))
    pillar, top, low = (front + back) / 2, roof - 0.035, belt + 0.005
    nose, tail = front + (hood - front - 0.06) * 0.75, back + 0.03 - (back - boot) * 0.7
    ahead, behind = pillar + 0.015, pillar - 0.015
    pen.polygon(((ahead, top), (front - 0.02, top), (nose, low), (ahead, low)), glass)
    pen.polygon(((behind, top), (back + 0.05, top), (tail, low), (behind, low)), darker(glass, 0.85))
    pen.limb((pillar - 0.08, belt - 0.04), (pillar - 0.03, belt - 0.04), 0.016, 0.016, darker(paint, 0.5))
    pen.disc((0.475, 0.2), 0.026, recoloured(paint, (255, 240, 170)))
    pen.disc((-0.48, 0.2), 0.024, recoloured(paint, (200, 30, 36)))
    radius = look.between(3, 0.095, 0.115)
    for x in (-0.28, 0.28):
        pen.disc((x, radius), radius, tyre)
        pen.disc((x, radius), radius * 0.52, recoloured(tyre, (196, 198, 204)))


def draw_bicycle(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A bicycle: two spoked wheels, a frame, a saddle and handlebars."""
    frame, tyre = pen.ink(look.colours[0]), pen.ink((46, 44, 50))
    radius = look.between(0, 0.2, 0.225)
    rear, fore = (-0.5 + radius, radius), (0.5 - radius, radius)
    turn = rng.uniform(0, math.pi)
    for hub in (rear, fore):
        _wheel(pen, hub, radius, tyre, turn)
    crank, saddle, head = (-0.04, radius * 1.02), SADDLE, (0.23, 0.52)
    thick = 0.046
    for start, end in (
        (rear, crank),
        (crank, saddle),
        (saddle, rear),
        (crank, head),
        ((saddle[0] + 0.02, saddle[1] - 0.08), head),
    ):
        pen.limb(start, end, thick, thick, frame)
    pen.limb(head, fore, thick, thick, darker(frame, 0.85))
    pen.limb(head, (0.2, 0.62), thick, thick, darker(frame, 0.7))
    pen.limb((0.2, 0.62), (0.3, 0.64), 0.045, 0.045, recoloured(tyre, (60, 50, 48)))
    pen.limb(
        (saddle[0] - 0.07, saddle[1] + 0.02),
        (saddle[0] + 0.06, saddle[1] + 0.02),
        0.06,
        0.045,
        recoloured(tyre, (60, 40, 34)),
    )
    pen.disc(crank, 0.05, recoloured(tyre, (90, 90, 96)))
    if look.has(1, 0.3):
        pen.box(0.22, 0.5, 0.4, 0.64, pen.ink(look.colours[1]), 0.02)


def _wheel(pen: Pen, hub: Point, radius: float, tyre: Ink, turn: float) -> None:
    """A tyre with light spokes on a paler disc: the disc keeps the outline of a bicycle in one piece."""
    pen.disc(hub, radius, tyre)
    pen.disc(hub, radius * 0.8, recoloured(tyre, (206, 208, 212)))
    for i in range(4):
        angle = turn + i * math.pi / 4
        dx, dy = radius * 0.78 * math.cos(angle), radius * 0.78 * math.sin(angle)
        pen.limb(
            (hub[0] - dx, hub[1] - dy), (hub[0] + dx, hub[1] + dy), 0.014, 0.014, recoloured(tyre, (150, 152, 158))
        )
    pen.disc(hub, 0.03, recoloured(tyre, (80, 80, 84)))
