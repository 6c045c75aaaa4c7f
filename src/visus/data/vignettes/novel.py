"""Ten more kinds of things, for learning from few examples: no scene has them unless it is asked to.

The unit is the height, but the length for the fish and the butterfly.
"""

from __future__ import annotations

import math
from random import Random

from visus.data.vignettes.canvas import Ink, Pen, darker, recoloured
from visus.data.vignettes.looks import Look
from visus.data.vignettes.palette import INK_DARK, WHITE


def draw_mushroom(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A cap with spots on a stem."""
    cap, stem = pen.ink(look.colours[0]), pen.ink((236, 226, 206))
    half, rim = look.between(0, 0.38, 0.5), look.between(1, 0.42, 0.55)
    pen.limb((0, 0.08), (0, rim), 0.24, 0.18, stem)
    pen.polygon(_dome(half, rim, 1.0 - rim), cap)
    pen.oval((0, rim), half, 0.06, darker(stem, 0.85))
    for x, y in ((-0.5, 0.35), (0.0, 0.68), (0.48, 0.3), (0.05, 0.25)):
        pen.oval((x * half, rim + y * (1 - rim)), 0.07, 0.055, recoloured(cap, WHITE))


def draw_fish(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A body with a tail, fins and one eye, swimming through the air."""
    scales, fin = pen.ink(look.colours[0], look.pattern), pen.ink(look.colours[1])
    thick, middle = look.between(0, 0.17, 0.26), 0.32
    spread = look.between(1, 0.16, 0.26)
    pen.polygon(((-0.25, middle), (-0.5, middle + spread), (-0.42, middle), (-0.5, middle - spread)), fin)
    pen.polygon(((-0.12, middle + thick * 0.8), (0.12, middle + thick * 0.9), (-0.08, middle + thick + 0.12)), fin)
    pen.oval((0.08, middle), 0.4, thick, scales)
    pen.polygon(((0.08, middle - 0.02), (-0.1, middle - 0.12), (-0.06, middle + 0.04)), darker(fin, 0.8))
    pen.disc((0.32, middle + 0.05), 0.045, recoloured(scales, WHITE))
    pen.disc((0.32, middle + 0.05), 0.025, recoloured(scales, INK_DARK))


def draw_umbrella(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """An open umbrella of coloured panels on a bent handle."""
    cloth, stick = pen.ink(look.colours[0]), pen.ink((92, 64, 44))
    rim = look.between(0, 0.58, 0.66)
    pen.limb((0, rim), (0, 0.1), 0.045, 0.045, stick)
    for start, end in (((0.0, 0.1), (0.06, 0.03)), ((0.06, 0.03), (0.13, 0.08))):
        pen.limb(start, end, 0.05, 0.05, stick)
    pen.polygon(_dome(0.48, rim, 0.96 - rim), cloth)
    for i, left in enumerate((-0.48, -0.16, 0.16)):
        if i == 1:
            panel = recoloured(cloth, look.colours[1])
            pen.polygon(((left, rim), (left + 0.32, rim), (0.06, 0.95), (-0.06, 0.95)), panel)
        pen.oval((left + 0.16, rim), 0.16, 0.04, darker(cloth, 0.8))
    pen.limb((0, 0.94), (0, 0.98), 0.04, 0.04, stick)


def draw_lamp(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A standing lamp with a shade."""
    shade, metal = pen.ink(look.colours[0], look.pattern), pen.ink(look.colours[1])
    low, narrow = look.between(0, 0.58, 0.68), look.between(1, 0.1, 0.18)
    pen.oval((0, 0.04), 0.18, 0.04, metal)
    pen.limb((0, 0.05), (0, low), 0.05, 0.05, darker(metal, 0.85))
    pen.polygon(((-0.27, low), (0.27, low), (narrow, 1.0), (-narrow, 1.0)), shade)
    pen.oval((0, low), 0.27, 0.035, recoloured(shade, (255, 240, 180)))


def draw_snowman(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """Three balls of snow, a hat, a scarf and a carrot."""
    snow, hat, carrot = pen.ink((236, 240, 248)), pen.ink(look.colours[0]), pen.ink((240, 140, 40))
    for y, radius, gain in ((0.2, 0.22, 0.9), (0.48, 0.165, 0.95), (0.71, 0.12, 1.0)):
        pen.disc((0, y), radius, darker(snow, gain))
    pen.limb((-0.1, 0.6), (0.1, 0.6), 0.06, 0.06, pen.ink(look.colours[1]))
    pen.polygon(((0.02, 0.74), (0.02, 0.68), (0.17, 0.7)), carrot)
    for x in (-0.05, 0.05):
        pen.disc((x, 0.76), 0.02, recoloured(snow, INK_DARK))
    for y in (0.42, 0.5):
        pen.disc((0, y), 0.022, recoloured(snow, INK_DARK))
    pen.limb((-0.14, 0.81), (0.14, 0.81), 0.045, 0.045, hat)
    pen.box(-0.09, 0.81, 0.09, look.between(0, 0.92, 1.0), hat)


def draw_rocket(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A hull with a nose, three fins and a porthole."""
    hull, trim = pen.ink(look.colours[0]), pen.ink(look.colours[1])
    half = look.between(0, 0.13, 0.18)
    for side in (-1, 1):
        pen.polygon(((side * half, 0.42), (side * (half + 0.17), 0.05), (side * half * 0.6, 0.14)), trim)
    pen.oval((0, 0.5), half, 0.42, hull)
    pen.box(-half * 0.7, 0.1, half * 0.7, 0.3, hull)
    pen.polygon(((-half * 0.72, 0.78), (half * 0.72, 0.78), (0, 1.0)), trim)
    pen.disc((0, 0.58), half * 0.52, darker(trim, 0.7))
    pen.disc((0, 0.58), half * 0.36, recoloured(trim, (170, 214, 240)))
    pen.polygon(((-0.04, 0.3), (0.04, 0.3), (0.04, 0.03), (-0.04, 0.03)), darker(trim, 0.8))


def draw_sailboat(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A hull, a mast and two sails."""
    wood, sail = pen.ink(look.colours[0]), pen.ink(look.colours[1], look.pattern)
    back, fore = look.between(0, 0.2, 0.36), look.between(1, 0.3, 0.42)
    pen.limb((0, 0.2), (0, 0.97), 0.04, 0.035, darker(wood, 0.6))
    pen.polygon(((0.03, 0.3), (0.03, 0.96), (fore, 0.3)), sail)
    pen.polygon(((-0.03, 0.33), (-0.03, 0.86), (-back, 0.33)), darker(sail, 0.82))
    pen.polygon(((-0.45, 0.24), (0.5, 0.24), (0.33, 0.03), (-0.33, 0.03)), wood)
    pen.polygon(((-0.45, 0.24), (0.5, 0.24), (0.46, 0.19), (-0.42, 0.19)), darker(wood, 1.4))


def draw_flower(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A potted flower: petals about a heart, two leaves, a pot."""
    pot, petal, leaf = pen.ink(look.colours[1]), pen.ink(look.colours[0]), pen.ink((70, 140, 66))
    petals, reach = 5 + int(look.traits[0] * 4), look.between(1, 0.13, 0.17)
    pen.limb((0, 0.25), (0, 0.72), 0.045, 0.045, leaf)
    for side in (-1, 1):
        pen.oval((side * 0.12, 0.46), 0.13, 0.05, darker(leaf, 0.85), turn=side * 0.5)
    for i in range(petals):
        angle = 2 * math.pi * i / petals + 0.3
        pen.disc((reach * math.cos(angle), 0.76 + reach * math.sin(angle)), reach * 0.62, petal)
    pen.disc((0, 0.76), 0.09, recoloured(petal, look.colours[2]))
    pen.polygon(((-0.18, 0.27), (0.18, 0.27), (0.12, 0.0), (-0.12, 0.0)), pot)
    pen.box(-0.2, 0.22, 0.2, 0.3, darker(pot, 0.85))


def draw_house(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A toy house: a wall, a roof, a door, a window and a chimney."""
    wall, roof = pen.ink(look.colours[0], look.pattern), pen.ink(look.colours[1])
    eaves, half = look.between(0, 0.5, 0.6), look.between(1, 0.36, 0.44)
    pen.box(half * 0.45, eaves, half * 0.7, 0.97, darker(roof, 0.7))
    pen.box(-half, 0.0, half, eaves, wall)
    pen.polygon(((-half - 0.08, eaves), (half + 0.08, eaves), (0, 1.0)), roof)
    door: Ink = recoloured(roof, look.colours[2])
    pen.box(-half * 0.65, 0.0, -half * 0.2, eaves * 0.68, door)
    pen.box(half * 0.1, eaves * 0.3, half * 0.7, eaves * 0.75, recoloured(roof, (190, 220, 240)))


def draw_butterfly(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """Four wings with eyes on them, a body and feelers."""
    wing, body = pen.ink(look.colours[0]), pen.ink(INK_DARK)
    high, low = look.between(0, 0.19, 0.25), look.between(1, 0.13, 0.18)
    for side in (-1, 1):
        pen.oval((side * 0.2, 0.28), low * 1.15, low, darker(wing, 0.8), turn=-side * 0.5)
        pen.oval((side * 0.25, 0.58), high * 1.15, high, wing, turn=side * 0.6)
        pen.disc((side * 0.29, 0.6), 0.085, recoloured(wing, look.colours[1]))
        pen.disc((side * 0.21, 0.27), 0.06, recoloured(wing, look.colours[2]))
        pen.limb((0, 0.72), (side * 0.1, 0.86), 0.03, 0.03, body)
    pen.limb((0, 0.2), (0, 0.72), 0.06, 0.08, body)


def _dome(half: float, base: float, height: float) -> list[tuple[float, float]]:
    """The upper half of an ellipse that stands on ``base``."""
    angles = [math.pi * step / 12 for step in range(13)]
    return [(half * math.cos(angle), base + height * math.sin(angle)) for angle in angles]
