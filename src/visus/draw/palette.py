"""Colours of drawings: one for each category, far apart, and black or white text that can be read on them.

Hues advance by the golden angle in OKLCH (Ottosson, "A perceptual color space for image processing", 2020), which keeps
any first n of them well apart and equally bright; three steps of lightness separate hues that come close again.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from visus.types import Schema

Colour = tuple[int, int, int]

LEFT: Final[Colour] = (56, 189, 248)
RIGHT: Final[Colour] = (251, 146, 60)
MIDDLE: Final[Colour] = (226, 232, 240)
CROWD: Final[Colour] = (148, 163, 184)
INK: Final[Colour] = (15, 18, 25)
PAPER: Final[Colour] = (255, 255, 255)

_GOLDEN_ANGLE = 137.50776
_FIRST_HUE = 25.0
_LIGHTNESS = (0.70, 0.80, 0.60)
_CHROMA = 0.17
_MOST_LETTERS = 400  # no picture has room for more


@lru_cache(maxsize=1024)
def category_colour(label: int, turn: int = 0) -> Colour:
    """The colour of a category; ``turn`` moves it slightly, which tells the objects of one category apart."""
    lightness = _LIGHTNESS[label // 8 % 3] + (0.0, 0.05, -0.06)[turn % 3]
    hue = math.radians(_FIRST_HUE + _GOLDEN_ANGLE * label + (0.0, 9.0, -9.0)[turn % 3])
    chroma = _CHROMA
    while (colour := _oklch_to_rgb(lightness, chroma, hue)) is None:
        chroma *= 0.95  # less saturated until the screen can show it
    return colour


def schema_colour(schema: Schema, label: int) -> Colour:
    """The colour that the data set gives to a category, else that of `category_colour`."""
    return schema.colours[label] if 0 <= label < len(schema.colours) else category_colour(label)


def schema_name(schema: Schema, label: int) -> str:
    """The name of a category as it is drawn, on one line; the number of one that has none."""
    return drawable(schema.categories[label]) if 0 <= label < len(schema.categories) else f"label {label}"


def drawable(text: str) -> str:
    """A text as it can be drawn on one line: no line ends, no bytes of a name that is no UTF-8, no endless name."""
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())[:_MOST_LETTERS]


def text_colour(background: Colour) -> Colour:
    """Dark or white, whichever has the higher contrast ratio (WCAG 2.2, 1.4.3) on ``background``."""
    luminance = _luminance(background)
    on_dark_text = (luminance + 0.05) / (_luminance(INK) + 0.05)
    on_white_text = 1.05 / (luminance + 0.05)
    return INK if on_dark_text >= on_white_text else PAPER


def _luminance(colour: Colour) -> float:
    """The relative luminance of an sRGB colour, 0 to 1."""
    red, green, blue = (v / 3294.6 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _oklch_to_rgb(lightness: float, chroma: float, hue: float) -> Colour | None:
    """The sRGB colour of OKLCH coordinates (hue in radians), None where sRGB cannot show it."""
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    if min(linear) < -1e-3 or max(linear) > 1.001:
        return None
    red, green, blue = (round(255 * _gamma(min(max(v, 0.0), 1.0))) for v in linear)
    return red, green, blue


def _gamma(linear: float) -> float:
    """The sRGB transfer curve."""
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
