"""Dogs, cats and birds, seen from the side and looking to the right; the unit is the length of the body."""

from __future__ import annotations

import math
from random import Random

from visus.data.vignettes.canvas import Ink, Pen, Point, darker, recoloured
from visus.data.vignettes.looks import Look
from visus.data.vignettes.palette import INK_DARK, WHITE, luminance


def draw_dog(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A dog: a long muzzle, hanging ears, a tail that stands up. Poses: standing, walking, sitting, sleeping."""
    coat, limbs = pen.ink(look.colours[0], look.pattern), pen.ink(look.colours[0])
    thick = look.between(0, 0.2, 0.27)
    head = _trunk(pen, coat, limbs, pose, thick, rng, tail=(0.05, 0.3, 0.06))
    tilt = rng.uniform(-0.15, 0.2) if pose != "sleeping" else -0.1
    radius = look.between(1, 0.125, 0.145)
    nose = (head[0] + 0.235 * math.cos(tilt), head[1] - 0.05 + 0.235 * math.sin(tilt))
    pen.disc(head, radius, limbs)
    muzzle = darker(limbs, 1.25) if look.has(2, 0.4) else limbs
    pen.limb((head[0] + 0.06, head[1] - 0.035), nose, 0.15, 0.1, muzzle)
    pen.disc((nose[0] + 0.03, nose[1] + 0.03), 0.036, recoloured(limbs, (60, 52, 56) if _is_black(limbs) else INK_DARK))
    _eye(pen, (head[0] + 0.055, head[1] + 0.05), limbs, asleep=pose == "sleeping")
    ear = darker(limbs, 0.62) if not _is_black(limbs) else darker(limbs, 1.2)
    length = look.between(3, 0.15, 0.23)
    pen.limb((head[0] - 0.06, head[1] + 0.08), (head[0] - 0.1, head[1] + 0.08 - length), 0.09, 0.11, ear)
    if look.has(4, 0.5) and pose != "sleeping":
        pen.limb(
            (head[0] - 0.11, head[1] - 0.1), (head[0] + 0.03, head[1] - 0.145), 0.05, 0.05, pen.ink(look.colours[1])
        )


def draw_cat(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A cat: a round face turned to the viewer, pointed ears, whiskers, a long thin tail. Poses as a dog's."""
    coat, limbs = pen.ink(look.colours[0], look.pattern), pen.ink(look.colours[0])
    thick = look.between(0, 0.19, 0.25)
    head = _trunk(pen, coat, limbs, pose, thick, rng, tail=(0.02, 0.46, 0.05))
    radius = look.between(1, 0.145, 0.17)
    shade = darker(limbs, 0.7) if not _is_black(limbs) else darker(limbs, 1.25)
    for side in (-1, 1):
        ear = ((0.25, 0.85), (0.98, 0.35), (0.95, 1.45))
        pen.polygon([(head[0] + side * x * radius, head[1] + y * radius) for x, y in ear], limbs)
        inner = ((0.48, 0.85), (0.85, 0.6), (0.85, 1.2))
        pen.polygon([(head[0] + side * x * radius, head[1] + y * radius) for x, y in inner], shade)
    pen.oval(head, radius * 1.08, radius * 0.95, limbs)
    for side in (-1, 1):
        spot = (head[0] + side * 0.42 * radius, head[1] + 0.12 * radius)
        _eye(pen, spot, limbs, asleep=pose == "sleeping", iris=(120, 200, 80) if look.has(2, 0.5) else (240, 190, 60))
        for lift in (-0.08, 0.06):
            start = (head[0] + side * 0.3 * radius, head[1] - 0.38 * radius)
            pen.limb(start, (head[0] + side * 1.25 * radius, head[1] - 0.4 * radius + lift), 0.012, 0.008, shade)
    muzzle = darker(limbs, 1.4)
    pen.oval((head[0], head[1] - 0.4 * radius), 0.42 * radius, 0.28 * radius, muzzle)
    pen.disc((head[0], head[1] - 0.25 * radius), 0.028, recoloured(limbs, (226, 120, 130)))


def _trunk(
    pen: Pen, coat: Ink, limbs: Ink, pose: str, thick: float, rng: Random, tail: tuple[float, float, float]
) -> Point:
    """Backbone, legs and tail of a four-legged animal in a pose; tells where the head goes."""
    far = darker(limbs, 0.72)
    bend, reach, width = tail
    wag = rng.uniform(-0.1, 0.1)
    if pose == "sleeping":
        pen.limb((-0.38, 0.1), (-0.05, 0.05), width * 1.4, width, limbs)
        pen.oval((-0.08, thick * 0.72), 0.4, thick * 0.75, coat)
        pen.limb((-0.25, 0.06), (-0.02, 0.05), 0.1, 0.09, darker(limbs, 0.85))
        pen.limb((0.12, 0.06), (0.36, 0.05), 0.1, 0.085, darker(limbs, 0.85))
        return 0.3, 0.2
    if pose == "sitting":
        pen.limb((-0.3, 0.08), (-0.3 - reach * 0.5, 0.06 + reach * 0.35 + wag), width * 1.3, width, limbs)
        pen.limb((0.1, 0.4), (0.2, 0.04), 0.1, 0.085, far)
        pen.oval((-0.16, 0.17), 0.2, 0.17, coat)
        pen.limb((-0.14, 0.2), (0.08, 0.52), thick * 1.5, thick * 1.1, coat)
        pen.limb((-0.12, 0.06), (0.06, 0.045), 0.11, 0.09, darker(limbs, 0.85))
        pen.limb((0.06, 0.36), (0.12, 0.04), 0.105, 0.09, limbs)
        return 0.17, 0.68
    stride = rng.uniform(0.08, 0.15) if pose == "walking" else rng.uniform(0.0, 0.03)
    top = 0.3 + thick / 2
    for x, step in ((-0.3, -stride), (0.16, stride)):
        pen.limb((x + 0.03, top - 0.05), (x + 0.06 + step, 0.04), 0.11, 0.08, far)
    pen.limb((-0.34, top + 0.05), (-0.4 - bend, top + 0.18 + wag), width * 1.3, width * 1.1, limbs)
    pen.limb((-0.4 - bend, top + 0.18 + wag), (-0.4 - bend + wag, top + reach), width * 1.1, width, limbs)
    pen.limb((-0.3, top), (0.2, top + 0.03), thick * 1.05, thick, coat)
    for x, step in ((-0.32, stride), (0.2, -stride)):
        pen.limb((x, top - 0.04), (x + step, 0.04), 0.12, 0.085, limbs)
    pen.limb((0.2, top + 0.05), (0.31, top + 0.2), thick * 0.85, thick * 0.75, coat)
    return 0.34, top + 0.25


def _eye(pen: Pen, spot: Point, ink: Ink, *, asleep: bool, iris: tuple[int, int, int] = WHITE) -> None:
    if asleep:
        lid = recoloured(ink, INK_DARK if luminance(ink[:3]) > 60 else (120, 120, 120))
        pen.limb((spot[0] - 0.04, spot[1]), (spot[0] + 0.04, spot[1]), 0.02, 0.02, lid)
        return
    pen.disc(spot, 0.037, recoloured(ink, iris))
    pen.disc(spot, 0.021, recoloured(ink, INK_DARK))


def _is_black(ink: Ink) -> bool:
    return luminance(ink[:3]) < 60


def draw_bird(pen: Pen, look: Look, pose: str, rng: Random) -> None:
    """A bird with a beak, a wing and a fan of a tail. Poses: standing, flying."""
    plumage, wing = pen.ink(look.colours[0], look.pattern), pen.ink(look.colours[1])
    beak = pen.ink((240, 160, 40) if look.has(0, 0.7) else (70, 66, 70))
    plump = look.between(1, 0.19, 0.26)
    flying = pose == "flying"
    base = 0.2 if not flying else 0.3
    body = (0.0, base + plump)
    if not flying:
        for x in (-0.05, 0.07):
            pen.limb((x, base + 0.05), (x + 0.01, 0.02), 0.055, 0.055, darker(beak, 0.8))
            pen.limb((x, 0.02), (x + 0.09, 0.02), 0.05, 0.05, darker(beak, 0.8))
    tail = ((-0.22, body[1] + 0.08), (-0.2, body[1] - 0.1), (-0.52, body[1] - 0.08), (-0.54, body[1] + 0.1))
    pen.polygon(tail, darker(wing, 0.85))
    if flying:
        lift = rng.uniform(0.3, 0.5)
        far = ((-0.12, body[1] + 0.05), (0.16, body[1] + 0.08), (0.1, body[1] + lift + 0.1), (-0.04, body[1] + lift))
        pen.polygon(far, darker(wing, 0.65))
    pen.oval(body, 0.32, plump, plumage, turn=0.12)
    head = (0.27, body[1] + plump * 0.62)
    pen.polygon(
        ((head[0] + 0.1, head[1] + 0.07), (head[0] + 0.1, head[1] - 0.08), (head[0] + 0.28, head[1] - 0.02)), beak
    )
    pen.disc(head, look.between(2, 0.135, 0.165), plumage)
    _eye(pen, (head[0] + 0.05, head[1] + 0.04), plumage, asleep=False)
    if flying:
        near = ((-0.18, body[1] + 0.08), (0.1, body[1] + 0.06), (-0.16, body[1] + lift + 0.16), (-0.32, body[1] + lift))
        pen.polygon(near, wing)
    else:
        pen.oval((-0.08, body[1] + 0.02), 0.22, plump * 0.58, wing, turn=-0.25)
