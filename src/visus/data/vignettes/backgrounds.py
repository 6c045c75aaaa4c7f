"""Rooms and landscapes: textured stuff, and busy clutter that is no object, in the colours of the objects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from visus.data.vignettes.canvas import FIRST_STUFF, Canvas, Pen, Point
from visus.data.vignettes.palette import COLOUR_NAMES, Colour, blended, contrasting, mix_paint, shaded
from visus.data.vignettes.textures import CHECKS, DOTS, STRIPES, Pattern

STUFF = ("sky", "grass", "pavement", "sand", "wall", "floor", "distance", "clutter")
SKIES: tuple[tuple[Colour, Colour], ...] = (  # at the horizon and overhead: day, evening, overcast
    ((222, 234, 246), (108, 160, 224)),
    ((250, 214, 170), (120, 120, 190)),
    ((214, 216, 220), (150, 156, 168)),
)


@dataclass(frozen=True)
class Ground:
    """Where things can stand: below row ``horizon`` (pixels), above which are wall or sky."""

    horizon: float
    indoor: bool


class _Backdrop:
    """Pens for each stuff of one picture: x from 0 to ``wide``, y from 0 (below) to 1, in the picture's height."""

    def __init__(self, canvas: Canvas, rng: Random) -> None:
        height, width = canvas.size
        self.canvas, self.rng, self.wide = canvas, rng, width / height
        self.pens = {
            name: Pen(canvas, FIRST_STUFF + number, (0.0, float(height)), float(height))
            for number, name in enumerate(STUFF)
        }

    def fill(
        self, stuff: str, low: float, high: float, colours: tuple[Colour, Colour], pattern: Pattern | None
    ) -> None:
        """A band across the picture that runs from the first colour (below) to the second (above)."""
        pen = self.pens[stuff]
        ink = pen.ink(colours[0], pattern)
        steps = 24 if stuff == "sky" else 10  # textures hide steps, a clear sky does not
        for i in range(steps):
            shade = blended(colours[0], colours[1], i / (steps - 1))
            bottom, top = (low + (high - low) * (i + step) / steps for step in (-0.1, 1.0))
            pen.box(0, bottom, self.wide, top, (*shade, ink[3]))

    def paint(self) -> Colour:
        """Any colour that an object may have, too."""
        return mix_paint(self.rng, self.rng.choice(COLOUR_NAMES))

    def muted(self) -> Colour:
        """A colour for a wall or a floor: some colour, often washed out."""
        grey = self.rng.randint(90, 230)
        return blended(self.paint(), (grey, grey, grey), self.rng.uniform(0.3, 0.85))

    def pattern(self, colour: Colour, share: float) -> Pattern | None:
        """The pattern that a piece of cloth or a crate may carry."""
        if self.rng.random() > share:
            return None
        return Pattern(self.rng.choice(STRIPES + DOTS + CHECKS), contrasting(self.rng, colour))


def draw_room(canvas: Canvas, rng: Random) -> Ground:
    """A wall and a floor with windows, pictures, shelves, rugs and things that lie about."""
    back = _Backdrop(canvas, rng)
    line = rng.uniform(0.42, 0.66)
    wall, floor = back.muted(), back.muted()
    covering = rng.choice(("plain", "plain", "wallpaper", "panelling", "bricks", "stripes upright coarse", "cloudy"))
    tone = shaded(wall, rng.choice((0.82, 0.9, 1.2)))
    back.fill("wall", line, 1.0, (wall, shaded(wall, rng.uniform(0.7, 1.1))), Pattern(covering, tone))
    surface = rng.choice(("planks", "planks", "tiling", "speckle", "checks coarse", "gravel"))
    back.fill(
        "floor", 0.0, line, (floor, shaded(floor, 0.8)), Pattern(surface, shaded(floor, rng.choice((0.75, 0.85, 1.25))))
    )
    back.pens["wall"].box(0, line - 0.012, back.wide, line + 0.02, back.pens["wall"].ink(shaded(wall, 0.6)))
    if rng.random() < 0.5:
        _rug(back, line)
    for _ in range(rng.randint(1, 4)):
        rng.choice((_window, _picture, _shelf, _picture))(back, line)
    _clutter(back, line, rng.randint(2, 7))
    return Ground((1 - line) * canvas.size[0], indoor=True)


def draw_landscape(canvas: Canvas, rng: Random) -> Ground:
    """Sky, something in the distance and a ground, with clouds, stones, posts and things that lie about."""
    back = _Backdrop(canvas, rng)
    line = rng.uniform(0.45, 0.7)
    low, high = rng.choice(SKIES)
    back.fill("sky", line - 0.02, 1.0, (low, high), Pattern("cloudy", (250, 250, 250)) if rng.random() < 0.6 else None)
    rng.choice((_hills, _skyline, _hedge))(back, line)
    stuff = rng.choice(("grass", "grass", "pavement", "sand"))
    soil = {"grass": mix_paint(rng, "green"), "pavement": mix_paint(rng, "grey"), "sand": (222, 196, 146)}[stuff]
    soil = blended(soil, back.paint(), rng.uniform(0.0, 0.15))
    texture = {"grass": "grass", "pavement": rng.choice(("tiling", "gravel", "bricks")), "sand": "gravel"}[stuff]
    back.fill(stuff, 0.0, line, (soil, shaded(soil, 1.12)), Pattern(texture, shaded(soil, rng.choice((0.7, 0.8, 1.2)))))
    if rng.random() < 0.4:
        _path(back, line)
    for _ in range(rng.randint(0, 3)):
        rng.choice((_cloud, _post, _sun))(back, line)
    _clutter(back, line, rng.randint(2, 7))
    return Ground((1 - line) * canvas.size[0], indoor=False)


def _rug(back: _Backdrop, line: float) -> None:
    rng, pen = back.rng, back.pens["floor"]
    x, y = rng.uniform(0.2, 0.8) * back.wide, rng.uniform(0.1, 0.7) * line
    half, deep = rng.uniform(0.2, 0.4), rng.uniform(0.04, 0.09)
    colour = back.paint()
    ink = pen.ink(colour, back.pattern(colour, 0.7))
    if rng.random() < 0.5:
        pen.oval((x, y), half, deep, ink)
    else:
        pen.polygon(
            ((x - half, y - deep), (x + half, y - deep), (x + half * 0.85, y + deep), (x - half * 0.85, y + deep)), ink
        )


def _window(back: _Backdrop, line: float) -> None:
    rng, pen = back.rng, back.pens["clutter"]
    x, half, low = rng.uniform(0, back.wide), rng.uniform(0.08, 0.15), rng.uniform(line + 0.06, line + 0.12)
    frame, glass = pen.ink(back.muted()), pen.ink(rng.choice(((190, 216, 236), (40, 50, 84), (250, 220, 170))))
    pen.box(x - half, low, x + half, 0.96, frame)
    for side in (-1, 0):
        pen.box(x + side * half + 0.012, low + 0.015, x + (side + 1) * half - 0.012, 0.945, glass)
    if rng.random() < 0.5:
        colour = back.paint()
        curtain = pen.ink(colour, back.pattern(colour, 0.6))
        for side in (-1, 1):
            pen.box(x + side * half - 0.04, low - 0.05, x + side * half + 0.04, 0.99, curtain)


def _picture(back: _Backdrop, line: float) -> None:
    rng, pen = back.rng, back.pens["clutter"]
    x, y = rng.uniform(0, back.wide), rng.uniform(line + 0.12, 0.9)
    half, tall = rng.uniform(0.04, 0.1), rng.uniform(0.04, 0.1)
    pen.box(x - half, y - tall, x + half, y + tall, pen.ink(back.paint()))
    colour = back.paint()
    sheet = pen.ink(colour, back.pattern(colour, 0.4))
    pen.box(x - half + 0.015, y - tall + 0.015, x + half - 0.015, y + tall - 0.015, sheet)
    pen.oval((x, y), half * 0.5, tall * 0.4, pen.ink(back.paint()))


def _shelf(back: _Backdrop, line: float) -> None:
    rng, pen = back.rng, back.pens["clutter"]
    x, y, half = rng.uniform(0, back.wide), rng.uniform(line + 0.12, 0.85), rng.uniform(0.1, 0.2)
    ink = pen.ink(back.muted())
    left = x - half + 0.01
    while left < x + half - 0.04:
        thick = rng.uniform(0.014, 0.035)
        pen.box(left, y, left + thick, y + rng.uniform(0.06, 0.11), (*back.paint(), ink[3]))
        left += thick + 0.004
    pen.box(x - half, y - 0.018, x + half, y, ink)


def _hills(back: _Backdrop, line: float) -> None:
    rng, pen = back.rng, back.pens["distance"]
    ink = pen.ink((0, 0, 0), Pattern("leaves", (60, 90, 80)))
    tone = blended(mix_paint(rng, rng.choice(("green", "blue", "purple", "brown"))), (190, 200, 220), 0.4)
    for i in range(3):
        shade = shaded(tone, 1.15 - 0.15 * i)
        pen.oval(
            (rng.uniform(0, back.wide), line - 0.05), rng.uniform(0.3, 0.6), rng.uniform(0.1, 0.22), (*shade, ink[3])
        )


def _skyline(back: _Backdrop, line: float) -> None:
    rng, pen = back.rng, back.pens["distance"]
    left = -0.05
    while left < back.wide:
        wide, high = rng.uniform(0.1, 0.25), rng.uniform(0.08, 0.3)
        colour = back.muted()
        front = pen.ink(colour, Pattern("windows", shaded(colour, rng.choice((0.55, 1.6)))))
        pen.box(left, line - 0.02, left + wide, line + high, front)
        left += wide


def _hedge(back: _Backdrop, line: float) -> None:
    rng, pen = back.rng, back.pens["distance"]
    tone = mix_paint(rng, "green")
    ink = pen.ink(tone, Pattern("leaves", shaded(tone, 0.5)))
    pen.box(0, line - 0.02, back.wide, line + rng.uniform(0.04, 0.14), ink, 0.02)
    if rng.random() < 0.6:
        fence = pen.ink(back.muted())
        for i in range(int(back.wide * 12)):
            pen.box(i / 12, line - 0.03, i / 12 + 0.04, line + 0.1, fence)
        pen.box(0, line + 0.03, back.wide, line + 0.05, fence)


def _path(back: _Backdrop, line: float) -> None:
    rng, pen = back.rng, back.pens["pavement"]
    far, near = rng.uniform(0, back.wide), rng.uniform(0, back.wide)
    ink = pen.ink(back.muted(), Pattern("gravel", (120, 110, 100)))
    pen.polygon(((far - 0.04, line), (far + 0.04, line), (near + 0.3, 0), (near - 0.3, 0)), ink)


def _cloud(back: _Backdrop, line: float) -> None:
    rng, pen = back.rng, back.pens["sky"]
    x, y, ink = rng.uniform(0, back.wide), rng.uniform(line + 0.15, 0.95), pen.ink((246, 246, 250))
    for shift in (-0.07, 0.0, 0.06):
        pen.oval((x + shift, y), rng.uniform(0.06, 0.1), rng.uniform(0.025, 0.045), ink)


def _sun(back: _Backdrop, line: float) -> None:
    pen = back.pens["sky"]
    pen.disc((back.rng.uniform(0, back.wide), back.rng.uniform(line + 0.15, 0.95)), 0.06, pen.ink((255, 236, 150)))


def _post(back: _Backdrop, line: float) -> None:
    rng, pen = back.rng, back.pens["clutter"]
    x, foot = rng.uniform(0, back.wide), line - rng.uniform(0.0, 0.1)
    pen.box(x - 0.009, foot, x + 0.009, foot + rng.uniform(0.3, 0.5), pen.ink(back.muted()))
    pen.box(x - 0.07, foot + 0.28, x + 0.07, foot + 0.36, pen.ink(back.paint()))


def _clutter(back: _Backdrop, line: float, count: int) -> None:
    """Crates, stones, cones, crosses, crescents and strokes: neither large nor shaped like an object."""
    rng, pen = back.rng, back.pens["clutter"]
    for _ in range(count):
        x, y = rng.uniform(0, back.wide), rng.uniform(0.02, line + 0.1)
        size, colour = rng.uniform(0.025, 0.085), back.paint()
        ink = pen.ink(colour, back.pattern(colour, 0.3))
        shape = rng.randrange(6)
        if shape == 0:
            pen.box(x - size, y, x + size, y + size * rng.uniform(0.8, 2.0), ink)
        elif shape == 1:
            pen.polygon(_jagged(rng, (x, y + size), size), ink)
        elif shape == 2:
            pen.polygon(
                ((x - size * 0.7, y), (x + size * 0.7, y), (x + rng.uniform(-0.3, 0.3) * size, y + 2 * size)), ink
            )
        elif shape == 3:
            turn = rng.uniform(0, math.pi)
            for angle in (turn, turn + math.pi / 2):
                dx, dy = size * math.cos(angle), size * math.sin(angle)
                pen.limb((x - dx, y + size - dy), (x + dx, y + size + dy), size * 0.4, size * 0.4, ink)
        elif shape == 4:
            pen.oval((x, y + size * 0.4), size * 1.2, size * 0.5, ink, turn=rng.uniform(-0.4, 0.4))
        else:
            end = (x + rng.uniform(-0.2, 0.2), y + rng.uniform(-0.12, 0.12))
            pen.limb((x, y), end, rng.uniform(0.01, 0.03), rng.uniform(0.01, 0.03), ink)


def _jagged(rng: Random, centre: Point, size: float) -> Sequence[Point]:
    """An irregular stone of seven corners."""
    corners = []
    for i in range(7):
        reach = size * rng.uniform(0.6, 1.1)
        corners.append((centre[0] + reach * math.cos(i * 0.9), centre[1] + 0.8 * reach * math.sin(i * 0.9)))
    return corners
