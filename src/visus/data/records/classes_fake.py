"""Drawn images of classes that can be told apart, for miniatures of labelled data sets."""

from __future__ import annotations

import colorsys
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE = 48


def draw_class(number: int, view: int, *, seed: int = 0) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """An image of class ``number`` and the xyxy box of its figure: its hue and its corners are the class's own."""
    generator = np.random.default_rng((seed, number, view))
    noise = generator.integers(90, 210, (6, 6, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    radius = int(generator.integers(10, 17))
    x, y = (int(place) for place in generator.integers(radius + 1, SIDE - radius - 1, 2))
    colour = colorsys.hsv_to_rgb(number * 0.381966 % 1, 0.9, float(generator.uniform(0.7, 1)))
    corners, turn = 3 + number % 4, float(generator.uniform(0, math.tau))
    angles = [turn + math.tau * i / corners for i in range(corners)]
    points = [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]
    red, green, blue = (round(255 * channel) for channel in colour)
    ImageDraw.Draw(image).polygon(points, fill=(red, green, blue), outline=(20, 20, 20))
    return image, (x - radius, y - radius, x + radius, y + radius)


def save_class(path: Path, number: int, view: int, *, seed: int = 0, grey: bool = False) -> tuple[int, int, int, int]:
    """Draw an image of a class into a file, its folder made where needed; tells the box of the figure."""
    image, box = draw_class(number, view, seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.convert("L").save(path) if grey else image.save(path, quality=95)
    return box
