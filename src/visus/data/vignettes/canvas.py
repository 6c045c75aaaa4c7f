"""The canvas: colour and part number of each pixel, drawn together.

Everything is drawn once on a picture of four channels and twice the size. The fourth channel is the number of the part
that a stroke belongs to (a sleeve, a wheel, the sky), so that colours and truth cannot disagree: halving the size
smooths the colours, and every second part number is the exact map of what is seen. A part knows the object it belongs
to and the pattern on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from PIL import Image, ImageDraw

from visus.data.vignettes.palette import Colour
from visus.data.vignettes.textures import Pattern

SUPERSAMPLING = 2
SHADE_STEP = 3
MAX_PARTS = 256
FIRST_STUFF = 100  # owners below are objects, owners from here on are stuff: floor, sky, clutter
Ink: TypeAlias = tuple[int, int, int, int]
Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Part:
    """What one part number means: object ``owner``, or stuff number ``owner - FIRST_STUFF``."""

    owner: int
    pattern: Pattern | None = None
    anchor: tuple[int, int] = (0, 0)


class Canvas:
    """A picture of (h, w) pixels under the brush.

    Args:
        size: rows and columns of the finished picture.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        # The mode is a name only: it has four channels and, unlike RGBA, none that others are multiplied with.
        self.picture = Image.new("CMYK", (size[1] * SUPERSAMPLING, size[0] * SUPERSAMPLING))
        self.brush = ImageDraw.Draw(self.picture)
        # Coarse: enlarging it again is what makes the edges of shadows soft.
        self.shade = Image.new("L", (size[1] // SHADE_STEP + 1, size[0] // SHADE_STEP + 1))
        self.shade_brush = ImageDraw.Draw(self.shade)
        self.parts: list[Part] = []

    def ink(self, owner: int, colour: Colour, pattern: Pattern | None = None, anchor: Point = (0, 0)) -> Ink:
        """A colour to draw with that starts a new part; the pattern moves with ``anchor`` (pixels of the picture)."""
        if len(self.parts) == MAX_PARTS:
            raise ValueError(f"a canvas holds {MAX_PARTS} parts; draw several strokes with one ink")
        self.parts.append(Part(owner, pattern, (round(anchor[0]), round(anchor[1]))))
        return (*colour, len(self.parts) - 1)

    def shadow(self, centre: Point, across: float, down: float, darkness: float) -> None:
        """Darkens the ground in an ellipse of half-axes ``across`` and ``down`` (pixels); objects stay as they are."""
        x, y = centre
        edges = (x - across, y - down, x + across, y + down)
        self.shade_brush.ellipse([edge / SHADE_STEP for edge in edges], fill=int(255 * darkness))

    def shadows(self) -> Image.Image:
        """How dark the shadows on the ground are, 0..255, with soft edges."""
        height, width = self.size
        return self.shade.resize(
            (width, height), Image.Resampling.BILINEAR, (0, 0, width / SHADE_STEP, height / SHADE_STEP)
        )

    def colours(self) -> Image.Image:
        """The smoothed colours: red, green, blue and a channel without meaning."""
        return self.picture.reduce(SUPERSAMPLING)

    def part_map(self) -> Image.Image:
        """The part number of each pixel."""
        height, width = self.size
        return self.picture.getchannel(3).resize((width, height), Image.Resampling.NEAREST)

    def owner_table(self) -> bytes:
        """The owner of each part number, for `mapped`."""
        return bytes(part.owner for part in self.parts).ljust(256, b"\0")


@dataclass(frozen=True)
class Landmark:
    """A keypoint as it was drawn: where (pixels of the picture), and the parts that show it when nothing hides it."""

    x: float
    y: float
    parts: tuple[int, ...]


@dataclass
class Pen:
    """Draws one object in its own coordinates: origin on its ground line, x to the right, y up.

    Args:
        canvas: where the strokes go.
        owner: the object's number on the canvas.
        origin: the object's origin in pixels of the picture.
        unit: pixels of the picture in one unit of the object.
        mirror: whether the object looks the other way.
    """

    canvas: Canvas
    owner: int
    origin: Point
    unit: float
    mirror: bool = False
    landmarks: dict[int, Landmark] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._step_x = self.unit * SUPERSAMPLING * (-1 if self.mirror else 1)
        self._step_y = self.unit * SUPERSAMPLING
        self._x, self._y = self.origin[0] * SUPERSAMPLING, self.origin[1] * SUPERSAMPLING

    def ink(self, colour: Colour, pattern: Pattern | None = None) -> Ink:
        """An ink that starts a new part of this object."""
        return self.canvas.ink(self.owner, colour, pattern, self.origin)

    def place(self, point: Point) -> Point:
        """A point of the object in pixels of the picture."""
        return (
            (self._x + self._step_x * point[0]) / SUPERSAMPLING,
            (self._y - self._step_y * point[1]) / SUPERSAMPLING,
        )

    def polygon(self, points: Sequence[Point], ink: Ink) -> None:
        """A filled polygon."""
        placed = [(self._x + self._step_x * x, self._y - self._step_y * y) for x, y in points]
        self.canvas.brush.polygon(placed, fill=ink)

    def box(self, left: float, bottom: float, right: float, top: float, ink: Ink, rounding: float = 0.0) -> None:
        """A filled rectangle, its corners rounded by ``rounding`` units."""
        x0, x1 = self._x + self._step_x * left, self._x + self._step_x * right
        if x0 > x1:
            x0, x1 = x1, x0
        y0, y1 = self._y - self._step_y * top, self._y - self._step_y * bottom
        if rounding:
            self.canvas.brush.rounded_rectangle((x0, y0, x1, y1), rounding * self._step_y, fill=ink)
        else:
            self.canvas.brush.rectangle((x0, y0, x1, y1), fill=ink)

    def disc(self, centre: Point, radius: float, ink: Ink) -> None:
        """A filled circle."""
        self.oval(centre, radius, radius, ink)

    def oval(self, centre: Point, across: float, up: float, ink: Ink, turn: float = 0.0) -> None:
        """A filled ellipse of half-axes ``across`` and ``up``, turned anticlockwise by ``turn`` radians."""
        if turn:
            self.polygon(_ring(centre, across, up, turn), ink)
            return
        x, y = self._x + self._step_x * centre[0], self._y - self._step_y * centre[1]
        rx, ry = max(across * self._step_y, 0.5), max(up * self._step_y, 0.5)
        self.canvas.brush.ellipse((x - rx, y - ry, x + rx, y + ry), fill=ink)

    def limb(self, start: Point, end: Point, start_width: float, end_width: float, ink: Ink) -> None:
        """A rounded bar from ``start`` to ``end``, ``start_width`` and ``end_width`` thick."""
        self.disc(start, start_width / 2, ink)
        self.disc(end, end_width / 2, ink)
        dx, dy = end[0] - start[0], end[1] - start[1]
        length = math.hypot(dx, dy)
        if length < 1e-6:
            return
        nx, ny = -dy / length / 2, dx / length / 2
        self.polygon(
            (
                (start[0] + nx * start_width, start[1] + ny * start_width),
                (end[0] + nx * end_width, end[1] + ny * end_width),
                (end[0] - nx * end_width, end[1] - ny * end_width),
                (start[0] - nx * start_width, start[1] - ny * start_width),
            ),
            ink,
        )

    def mark(self, index: int, point: Point, *inks: Ink) -> None:
        """Notes keypoint ``index`` at ``point``, shown by the parts of ``inks``; without inks it faces away."""
        x, y = self.place(point)
        self.landmarks[index] = Landmark(x, y, tuple(ink[3] for ink in inks))


def mapped(numbers: Image.Image, table: bytes) -> Image.Image:
    """Each pixel of a map of numbers looked up in a ``table`` of 256 bytes."""
    return Image.frombuffer("L", numbers.size, numbers.tobytes().translate(table), "raw", "L", 0, 1)


def darker(ink: Ink, gain: float) -> Ink:
    """The same part in a darker (below 1) or lighter (above 1) colour."""
    if gain <= 1:
        return int(ink[0] * gain), int(ink[1] * gain), int(ink[2] * gain), ink[3]
    share = gain - 1
    return (
        int(ink[0] + (255 - ink[0]) * share),
        int(ink[1] + (255 - ink[1]) * share),
        int(ink[2] + (255 - ink[2]) * share),
        ink[3],
    )


def recoloured(ink: Ink, colour: Colour) -> Ink:
    """The same part in another colour: eyes on a face, a window in a door."""
    return (*colour, ink[3])


def _ring(centre: Point, across: float, up: float, turn: float) -> list[Point]:
    """Sixteen points on a turned ellipse."""
    cos, sin = math.cos(turn), math.sin(turn)
    return [
        (centre[0] + across * c * cos - up * s * sin, centre[1] + across * c * sin + up * s * cos) for c, s in _CIRCLE
    ]


_CIRCLE = [(math.cos(i * math.pi / 8), math.sin(i * math.pi / 8)) for i in range(16)]
