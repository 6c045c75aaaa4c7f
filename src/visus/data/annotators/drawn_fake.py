"""Drawn images for the miniatures of data sets of programs for annotating: masks, polygons, boxes and keypoints."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image, ImageDraw

from visus.data.annotators.drawn import Drawn, Point
from visus.data.formats.coco_values import Record
from visus.data.records.fake_images import SHAPES, draw_shape

CATEGORIES: list[Record] = [
    {"name": kind, "keypoints": ["top", "left foot", "right foot"] if kind == "triangle" else []} for kind in SHAPES
]
"""As the writers of `visus.data.annotators` take them."""


def drawn_shapes(images: int, seed: tuple[int, ...], *, boxes: bool) -> Iterator[tuple[Image.Image, tuple[Drawn, ...]]]:
    """Images and what is drawn on each; the last of them has no object.

    Args:
        images: how many.
        seed: of the drawings.
        boxes: boxes only, instead of a mask of circles, polygons, and keypoints of triangles.
    """
    generator = np.random.default_rng(seed)
    for turn in range(images):
        kind = SHAPES[turn % 3]
        image, box = draw_shape(kind, generator)
        if turn == images - 1 and images > 1:
            yield Image.new("RGB", image.size, (150, 160, 170)), ()
        else:
            yield image, (_drawn(kind, box, (image.height, image.width), boxes=boxes),)


def _drawn(kind: str, box: tuple[int, int, int, int], size: tuple[int, int], *, boxes: bool) -> Drawn:
    """A shape as somebody annotates it."""
    left, top, right, bottom = (float(edge) for edge in box)
    thing = Drawn(kind, SHAPES.index(kind), (left, top, right, bottom))
    if boxes:
        return thing
    if kind == "circle":
        mask = Image.new("1", (size[1], size[0]))
        ImageDraw.Draw(mask).ellipse((left, top, right - 1, bottom - 1), fill=1)
        return Drawn(kind, thing.label, thing.box_xyxy, mask=torch.from_numpy(np.array(mask)))
    if kind == "square":
        return Drawn(kind, thing.label, thing.box_xyxy, ([left, top, right, top, right, bottom, left, bottom],))
    corners = {"top": ((left + right) / 2, top), "right foot": (right, bottom), "left foot": (left, bottom)}
    points = tuple(Point(name, x, y, name == "left foot") for name, (x, y) in corners.items())
    outline = [value for corner in corners.values() for value in corner]
    return Drawn(kind, thing.label, thing.box_xyxy, (outline,), points=points)
