"""Colours: eleven names that people use, each a small range of paints, shared by things of every category."""

from __future__ import annotations

import colorsys
from random import Random
from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]

# name -> (hue, saturation, value), each a range in 0..1; a hue may pass 1 and wraps around.
PAINTS: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((0.97, 1.02), (0.70, 0.90), (0.65, 0.90)),
    "orange": ((0.06, 0.09), (0.70, 0.95), (0.85, 0.98)),
    "yellow": ((0.13, 0.155), (0.60, 0.90), (0.88, 1.00)),
    "green": ((0.27, 0.42), (0.40, 0.75), (0.45, 0.75)),
    "blue": ((0.55, 0.64), (0.50, 0.85), (0.55, 0.90)),
    "purple": ((0.74, 0.80), (0.35, 0.65), (0.50, 0.75)),
    "pink": ((0.91, 0.97), (0.28, 0.50), (0.88, 0.98)),
    "brown": ((0.05, 0.09), (0.45, 0.70), (0.38, 0.60)),
    "black": ((0.55, 0.70), (0.05, 0.25), (0.12, 0.22)),
    "white": ((0.08, 0.16), (0.00, 0.08), (0.92, 1.00)),
    "grey": ((0.50, 0.65), (0.02, 0.12), (0.48, 0.70)),
}
COLOUR_NAMES: tuple[str, ...] = tuple(PAINTS)

FUR = ("brown", "black", "white", "grey", "orange", "yellow")
PLUMAGE = ("red", "blue", "yellow", "black", "brown", "white", "green", "grey", "pink")
FOLIAGE = ("green", "green", "green", "orange", "red", "yellow", "pink")
WOOD = ("brown", "brown", "grey", "white", "black", "red", "green", "blue")
SKIN: tuple[Colour, ...] = (
    (246, 214, 190),
    (232, 188, 150),
    (205, 150, 108),
    (160, 108, 72),
    (112, 74, 50),
    (84, 56, 42),
)
HAIR: tuple[Colour, ...] = ((38, 28, 24), (78, 50, 30), (128, 82, 44), (206, 164, 92), (168, 72, 36), (170, 168, 166))
INK_DARK: Colour = (34, 32, 38)
WHITE: Colour = (250, 248, 244)


def mix_paint(rng: Random, name: str) -> Colour:
    """One paint of the colour called ``name``, 0..255 each channel."""
    hue, saturation, value = (rng.uniform(*bounds) for bounds in PAINTS[name])
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def shaded(colour: Colour, gain: float) -> Colour:
    """``colour`` made darker (``gain`` below 1) or lighter (above 1, towards white)."""
    if gain <= 1:
        return int(colour[0] * gain), int(colour[1] * gain), int(colour[2] * gain)
    return blended(colour, (255, 255, 255), gain - 1)


def blended(first: Colour, second: Colour, share: float) -> Colour:
    """``first`` with ``share`` (0..1) of ``second`` in it."""
    red, green, blue = (int(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def luminance(colour: Colour) -> float:
    """How light a colour looks, 0..255 (Rec. 601)."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def contrasting(rng: Random, colour: Colour) -> Colour:
    """A second colour that can be told from ``colour``: what stripes and dots are painted in."""
    for _ in range(6):
        other = mix_paint(rng, rng.choice(COLOUR_NAMES))
        if abs(luminance(other) - luminance(colour)) > 60:
            return other
    return shaded(colour, 0.45 if luminance(colour) > 110 else 1.6)
