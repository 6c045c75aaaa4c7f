"""Balls and cups (the unit is the width) and trees (the unit is the height)."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random

from visus.data.vignettes.canvas import Ink, Pen, darker, recoloured
from visus.data.vignettes.looks import Look
from visus.data.vignettes.palette import INK_DARK, WHITE, luminance, shaded
from visus.data.vignettes.textures import Pattern


def draw_ball(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A ball: a beach ball's wedges, a football's patches, a tennis ball's seams or a cloth's pattern."""
    skin = pen.ink(look.colours[0], look.pattern)
    centre = (0.0, 0.5)
    turn = rng.uniform(0, 2 * math.pi)
    pen.disc(centre, 0.5, darker(skin, 0.7))
    pen.disc((0.0, 0.5), 0.47, skin)
    kind = int(look.traits[0] * 4) if look.pattern is None else 3
    second = recoloured(skin, look.colours[1])
    if kind == 0:
        _wedges(pen, turn, second, recoloured(skin, look.colours[2]))
    elif kind == 1:
        dark = recoloured(skin, INK_DARK if luminance(look.colours[0]) > 90 else WHITE)
        pen.polygon(
            [(0.17 * math.cos(turn + i * 1.257), 0.5 + 0.17 * math.sin(turn + i * 1.257)) for i in range(5)], dark
        )
        for i in range(5):
            x, y = math.cos(turn + i * 1.257), math.sin(turn + i * 1.257)
            pen.limb((0.17 * x, 0.5 + 0.17 * y), (0.3 * x, 0.5 + 0.3 * y), 0.03, 0.03, dark)
            pen.oval((0.39 * x, 0.5 + 0.39 * y), 0.07, 0.1, dark, turn=turn + i * 1.257)
    elif kind == 2:
        for side in (-1, 1):
            arc = [(side * (0.55 - 0.4 * math.cos(a)), 0.5 + 0.42 * math.sin(a)) for a in (-1.0, -0.5, 0.0, 0.5, 1.0)]
            for start, end in pairwise(arc):
                pen.limb(_turned(start, turn), _turned(end, turn), 0.06, 0.06, second)
    pen.oval((-0.17, 0.69), 0.11, 0.07, darker(skin, 1.7), turn=0.6)


def _turned(point: tuple[float, float], turn: float) -> tuple[float, float]:
    """A point turned about the middle of the ball."""
    x, y = point[0], point[1] - 0.5
    return x * math.cos(turn) - y * math.sin(turn), 0.5 + x * math.sin(turn) + y * math.cos(turn)


def _wedges(pen: Pen, turn: float, second: Ink, third: Ink) -> None:
    for i in range(3):
        angles = [turn + i * 2.094 + step * 0.21 for step in range(6)]
        edge = [(0.47 * math.cos(a), 0.5 + 0.47 * math.sin(a)) for a in angles]
        pen.polygon([(0.0, 0.5), *edge], second)
    pen.disc((0.0, 0.5), 0.09, third)


def draw_cup(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A cup with a handle; you look into it a little."""
    glaze, tea = pen.ink(look.colours[0], look.pattern), pen.ink((96, 56, 32))
    high = look.between(0, 0.75, 1.05)
    foot = look.between(1, 0.24, 0.34)
    middle = high * 0.5
    pen.oval((0.42, middle), 0.2, high * 0.27, darker(glaze, 0.78))
    pen.oval((0.41, middle), 0.1, high * 0.15, recoloured(glaze, (58, 54, 56)))
    pen.polygon(((-0.4, high), (0.4, high), (foot, 0.06), (-foot, 0.06)), glaze)
    pen.oval((0, 0.07), foot, 0.07, darker(glaze, 0.9))
    pen.oval((0, high), 0.4, 0.11, darker(glaze, 1.35))
    pen.oval((0, high - 0.01), 0.33, 0.08, tea if look.has(2, 0.6) else darker(glaze, 0.55))


def draw_tree(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A tree: a leafy crown of several blobs or a fir of three tiers, on a trunk."""
    bark = pen.ink((112, 78, 52) if look.has(0, 0.7) else (196, 190, 182), Pattern("bands", (64, 44, 32)))
    leaves = pen.ink(look.colours[0], Pattern("leaves", shaded(look.colours[0], 0.55)))
    width = look.between(1, 0.07, 0.1)
    if look.has(2, 0.35):
        half = look.between(3, 0.25, 0.33)
        pen.limb((0, 0.02), (0, 0.3), width, width, bark)
        for low, high, share, gain in ((0.16, 0.56, 1.0, 0.78), (0.38, 0.78, 0.8, 0.9), (0.6, 1.0, 0.58, 1.0)):
            pen.polygon(((-half * share, low), (half * share, low), (0, high)), darker(leaves, gain))
        return
    pen.polygon(((-width * 0.8, 0.0), (width * 0.8, 0.0), (width * 0.45, 0.5), (-width * 0.45, 0.5)), bark)
    pen.limb((0, 0.35), (0.16, 0.55), width * 0.6, width * 0.5, bark)
    shape = Random(int(look.traits[4] * 1e9))
    for i in range(7):
        angle = i * 2 * math.pi / 6
        reach = 0.0 if i == 6 else shape.uniform(0.13, 0.2)
        spot = (reach * math.cos(angle), 0.7 + reach * 0.85 * math.sin(angle))
        pen.disc(spot, shape.uniform(0.12, 0.17), darker(leaves, 0.82 + 0.22 * (math.sin(angle) + 1) / 2))
    if look.has(5, 0.3):
        for _ in range(7):
            pen.disc((shape.uniform(-0.2, 0.2), shape.uniform(0.55, 0.85)), 0.022, recoloured(leaves, look.colours[1]))
