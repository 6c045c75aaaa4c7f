"""Drawn images of one shape each, for the miniatures of labelled data sets."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "square", "triangle")


def draw_shape(shape: str, generator: np.random.Generator) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """An image of 64 x 80 pixels with one shape before a noisy wall, and the shape's box (x1, y1, x2, y2)."""
    noise = generator.integers(120, 220, (8, 10, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((80, 64), Image.Resampling.BICUBIC)
    side = int(generator.integers(20, 44))
    left, top = int(generator.integers(0, 80 - side)), int(generator.integers(0, 64 - side))
    right, bottom = left + side, top + side
    colour = tuple(int(c) for c in generator.integers(10, 110, 3))
    pen = ImageDraw.Draw(image)
    if shape == "circle":
        pen.ellipse((left, top, right - 1, bottom - 1), fill=colour)
    elif shape == "square":
        pen.rectangle((left, top, right - 1, bottom - 1), fill=colour)
    else:
        pen.polygon([(left, bottom - 1), (right - 1, bottom - 1), ((left + right) // 2, top)], fill=colour)
    return image, (left, top, right, bottom)
