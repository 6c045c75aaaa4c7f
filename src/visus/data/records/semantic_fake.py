"""Drawn images of a few classes, for the miniatures of data sets of semantic segmentation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

_Corners = list[tuple[int, int]]


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
