"""Drawn images for the miniatures of data sets: of one class, of one shape, of regions of classes."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "square", "triangle")
_SIDE = 48
_Corners = list[tuple[int, int]]


def draw_class(number: int, view: int, *, seed: int = 0) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """An image of class ``number`` and the xyxy box of its figure: its hue and its corners are the class's own."""
    generator = np.random.default_rng((seed, number, view))
    noise = generator.integers(90, 210, (6, 6, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    radius = int(generator.integers(10, 17))
    x, y = (int(place) for place in generator.integers(radius + 1, _SIDE - radius - 1, 2))
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


def draw_regions(
    generator: np.random.Generator, colours: Sequence[tuple[int, int, int]], *, size: tuple[int, int], void: int
) -> tuple[Image.Image, Image.Image]:
    """An image of bands and shapes in the colours of their classes, and the class of each pixel (mode L).

    The first classes are bands from top to bottom, all classes may be shapes; their outlines are ``void``.

    Args:
        generator: of all randomness.
        colours: the red, green and blue of each class.
        size: (h, w).
        void: the number of pixels without a class.
    """
    height, width = size
    noise = generator.integers(-25, 26, (height, width, 1))
    image, classes = Image.new("RGB", (width, height)), Image.new("L", (width, height))
    for kind, corners in _shapes(generator, len(colours), size):
        ImageDraw.Draw(image).polygon(corners, fill=colours[kind])
        ImageDraw.Draw(classes).polygon(corners, fill=kind, outline=void)
    noisy = (np.asarray(image).astype(np.int64) + noise).clip(0, 255).astype(np.uint8)
    return Image.fromarray(noisy), classes


def _shapes(generator: np.random.Generator, count: int, size: tuple[int, int]) -> list[tuple[int, _Corners]]:
    """The class and the corners of each shape, those behind first."""
    height, width = size
    levels = [0, *sorted(generator.integers(height // 5, height * 4 // 5, min(count, 4) - 1).tolist()), height]
    shapes = [
        (kind, [(-2, top), (width + 1, top), (width + 1, height + 1), (-2, height + 1)])
        for kind, top in enumerate(levels[:-1])
    ]
    for _ in range(int(generator.integers(3, 7))):
        across, down = (int(side) for side in generator.integers(min(size) // 8, min(size) // 3, 2))
        x, y = int(generator.integers(0, width)), int(generator.integers(0, height))
        shapes.append(
            (int(generator.integers(0, count)), [(x - across, y), (x, y - down), (x + across, y), (x, y + down)])
        )
    return shapes
