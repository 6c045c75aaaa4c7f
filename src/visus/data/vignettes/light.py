"""Light: patterns, shading, shadows, tint and grain turn drawn colours into the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from visus.data.vignettes.canvas import FIRST_STUFF, Canvas, mapped
from visus.data.vignettes.textures import TILE, grain, sheet

Box: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True)
class Light:
    """How a scene is lit.

    Args:
        direction: where the light comes from, as seen on the page: right and down, each -1..1.
        shading: how much objects darken away from the light.
        falloff: how much the whole picture darkens away from the light.
        gain: the gain of red, green and blue.
        grain: the standard deviation of the noise, in grey levels of a bright pixel.
        darkness: how dark shadows are, 0..1.
        shift: where the noise is taken from.
    """

    direction: tuple[float, float]
    shading: float
    falloff: float
    gain: tuple[float, float, float]
    grain: float
    darkness: float
    shift: tuple[int, int]


def choose_light(rng: Random) -> Light:
    """Day, evening, lamp light or dusk, from any side."""
    brightness = rng.uniform(0.72, 1.12)
    warmth, green = rng.uniform(-0.12, 0.12), rng.uniform(-0.05, 0.05)
    return Light(
        direction=(rng.uniform(-1, 1), -rng.uniform(0.2, 1)),
        shading=rng.uniform(0.1, 0.35),
        falloff=rng.uniform(0.0, 0.3),
        gain=(brightness * (1 + warmth), brightness * (1 + green), brightness * (1 - warmth)),
        grain=rng.uniform(0.5, 8.0),
        darkness=rng.uniform(0.2, 0.5),
        shift=(rng.randrange(TILE), rng.randrange(TILE)),
    )


def develop(canvas: Canvas, light: Light, parts: Image.Image, boxes: Sequence[Box]) -> NDArray[np.uint8]:
    """The finished picture, [3, h, w].

    Args:
        canvas: what was drawn.
        light: how it is lit.
        parts: the canvas's part map.
        boxes: the box of each object (xyxy in pixels), across which its shading runs.
    """
    colours = canvas.colours()
    _lay_patterns(colours, canvas, parts)
    planes = np.asarray(colours)
    bright = _brightness(canvas, light, parts, boxes)
    picture = np.empty((3, *canvas.size), dtype=np.uint8)
    for channel in range(3):
        lit = planes[:, :, channel] * (bright * np.float32(light.gain[channel]))
        np.minimum(lit, 255, out=lit)
        picture[channel] = lit
    return picture


def _lay_patterns(colours: Image.Image, canvas: Canvas, parts: Image.Image) -> None:
    """Mixes each part's second colour in where its pattern says so; in place."""
    height, width = canvas.size
    numbers = np.asarray(parts)
    for number, part in enumerate(canvas.parts):
        if not part.pattern or part.pattern.tile == "plain":
            continue
        here = (numbers == number).view(np.uint8) * np.uint8(255)
        mask = Image.frombuffer("L", (width, height), here, "raw", "L", 0, 1)
        box = mask.getbbox()
        if box is None:
            continue
        x, y = (box[0] - part.anchor[0]) % TILE, (box[1] - part.anchor[1]) % TILE
        weights = sheet(part.pattern.tile, height, width).crop((x, y, x + box[2] - box[0], y + box[3] - box[1]))
        colours.paste((*part.pattern.second, 0), box, ImageChops.darker(weights, mask.crop(box)))


def _brightness(canvas: Canvas, light: Light, parts: Image.Image, boxes: Sequence[Box]) -> NDArray[np.float32]:
    """The gain of each pixel, [h, w]: planes over the picture and each object, shadows on stuff, and grain."""
    height, width = canvas.size
    owners = mapped(parts, canvas.owner_table())
    bright = 1 + _plane(light.direction, light.falloff, (0, 0, width, height), (0, 0, width, height))
    shadows = ImageChops.darker(canvas.shadows(), mapped(owners, _STUFF_ONLY))
    bright *= 1 - np.asarray(shadows) * np.float32(light.darkness / 255)
    seen = np.asarray(owners)
    for owner, (left, top, right, bottom) in enumerate(boxes):
        inner = (max(int(left) - 2, 0), max(int(top) - 2, 0), min(int(right) + 3, width), min(int(bottom) + 3, height))
        patch = slice(inner[1], inner[3]), slice(inner[0], inner[2])
        shade = _plane(light.direction, light.shading, (left, top, right, bottom), inner)
        bright[patch] += shade * (seen[patch] == owner)
    y, x = light.shift
    bright += np.float32(light.grain / 160) * grain(height, width)[y : y + height, x : x + width]
    return np.maximum(bright, 0, out=bright)


def _plane(
    direction: tuple[float, float], strength: float, box: Box, part: tuple[int, int, int, int]
) -> NDArray[np.float32]:
    """A gain that is 0 in the middle of ``box`` and rises towards the light, for the pixels of ``part``."""
    left, top, right, bottom = box
    across = strength * direction[0] / max(right - left, 1.0)
    down = strength * direction[1] / max(bottom - top, 1.0)
    columns = across * (np.arange(part[0], part[2], dtype=np.float32) - (left + right) / 2)
    rows = down * (np.arange(part[1], part[3], dtype=np.float32) - (top + bottom) / 2)
    plane: NDArray[np.float32] = np.add.outer(rows, columns)
    return plane


_STUFF_ONLY = bytes(255 * (value >= FIRST_STUFF) for value in range(256))
