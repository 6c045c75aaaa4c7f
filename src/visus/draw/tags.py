"""Name tags that avoid each other and what they name: a greedy placement, the most certain object first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from visus.draw.canvas import fitted, rounded_box
from visus.draw.palette import Colour, text_colour

Rectangle = tuple[float, float, float, float]
_Boxes = NDArray[np.float64]

_MOST_HIDDEN = 0.4
"""A tag gives way that covers more than this share of itself of other tags, or the like of objects."""

_MOST_COVERED = 0.15
"""Where all tags together would cover more than this share of a picture, none is written."""


@dataclass(frozen=True)
class Tag:
    """A name to be written at a box, both in the pixels of the drawing."""

    text: str
    box: Rectangle
    colour: Colour


def write_tags(picture: Image.Image, tags: Sequence[Tag], *, font_size: float, all_of_them: bool = True) -> bool:
    """Writes each tag on ``picture`` at the corner of its box where it covers the least of earlier tags and of objects.

    Args:
        picture: an RGB picture, changed in place.
        tags: what to write, the most important first.
        font_size: height of the letters in pixels.
        all_of_them: write even those that hide other tags or small objects.

    Returns:
        Whether all were written.
    """
    font = ImageFont.load_default(font_size)
    padding = max(2, round(font_size * 0.3))
    ascent, descent = font.getmetrics() if isinstance(font, ImageFont.FreeTypeFont) else (round(font_size), 0)
    height = ascent + descent + padding // 2
    pen = ImageDraw.Draw(picture, "RGBA")
    objects = np.array([tag.box for tag in tags], dtype=np.float64).reshape(-1, 4)
    texts = [fitted(tag.text, font, picture.width - 2 * padding) for tag in tags]
    tags = [replace(tag, text=text) for tag, (text, _) in zip(tags, texts, strict=True)]
    sizes = [(length + 2 * padding, float(height)) for _, length in texts]
    if not all_of_them and sum(w * h for w, h in sizes) > _MOST_COVERED * picture.width * picture.height:
        return False
    placed: list[tuple[Tag, Rectangle]] = []
    for tag, size in zip(tags, sizes, strict=True):
        taken = [spot for _, spot in placed]
        spot, hidden = _best_spot(tag.box, size, picture.size, taken, objects, steps=5 if all_of_them else 1)
        if all_of_them or hidden <= _MOST_HIDDEN * size[0] * size[1]:
            placed.append((tag, spot))
    for tag, spot in reversed(placed):  # where two must overlap, the first lies on top
        rounded_box(pen, _pixels(spot), radius=padding, fill=(*tag.colour, 235))
        middle = (spot[1] + spot[3]) / 2 + font_size * 0.05
        pen.text((spot[0] + padding, middle), tag.text, font=font, fill=text_colour(tag.colour), anchor="lm")
    return len(placed) == len(tags)


def place_tag(
    box: Rectangle, tag_size: tuple[float, float], canvas: tuple[int, int], placed: Sequence[Rectangle]
) -> Rectangle:
    """The rectangle for a tag of ``tag_size`` (width, height) at ``box`` that overlaps ``placed`` the least.

    Among equals the order is: above the box, inside its upper edge, below it, inside its lower edge, then steps down
    along its sides. The rectangle lies inside ``canvas`` (width, height) where the tag is not larger than that.
    """
    return _best_spot(box, tag_size, canvas, placed, np.zeros((0, 4)))[0]


def _best_spot(
    box: Rectangle,
    tag_size: tuple[float, float],
    canvas: tuple[int, int],
    placed: Sequence[Rectangle],
    objects: _Boxes,
    *,
    steps: int = 5,
) -> tuple[Rectangle, float]:
    """Where a tag covers the least, and how many of its pixels cover tags or the like of objects there.

    It is looked for at the box and up to ``steps`` lines away from its upper corners.
    An object that is wholly covered counts as the whole tag, however small it is; a large one hardly at all.
    """
    corners = np.array(list(_corners(box, tag_size, steps)))
    room = np.maximum(np.array(canvas, dtype=np.float64) - tag_size, 0.0)
    moved = np.clip(corners, 0.0, room)
    spots = np.concatenate((moved, moved + tag_size), axis=1)
    areas = np.maximum((objects[:, 2:] - objects[:, :2]).clip(min=0).prod(axis=1), 1.0)
    tag_area = tag_size[0] * tag_size[1]
    hidden = _overlaps(spots, np.array(placed).reshape(-1, 4)).sum(axis=1)
    hidden = hidden + (_overlaps(spots, objects) * np.minimum(tag_area / areas, 1e6)).sum(axis=1)
    # A tag that was pushed far from its corner points at nothing; count the push as if it covered something.
    cost = hidden + 0.5 * tag_size[1] * np.abs(moved - corners).sum(axis=1)
    best = int(np.flatnonzero(cost <= cost.min() + 1e-6)[0])
    x1, y1, x2, y2 = spots[best].tolist()
    return (x1, y1, x2, y2), float(hidden[best])


def _corners(box: Rectangle, tag_size: tuple[float, float], steps: int) -> Iterator[tuple[float, float]]:
    """Upper left corners to try, in order of preference."""
    x1, y1, x2, y2 = box
    width, height = tag_size
    right = max(x2 - width, x1)
    for y in (y1 - height, y1, y2, y2 - height):
        yield x1, y
        yield right, y
    for step in range(1, steps + 1):
        yield x1, y1 + step * height
        yield right, y1 + step * height
        yield x1, y1 - (step + 1) * height


def _overlaps(a: _Boxes, b: _Boxes) -> _Boxes:
    """The area that each of ``a`` shares with each of ``b``."""
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared: _Boxes = sides.clip(min=0).prod(axis=2)
    return shared


def _pixels(rectangle: Rectangle) -> tuple[int, int, int, int]:
    """Pillow's inclusive pixel corners of a rectangle."""
    x1, y1, x2, y2 = (round(v) for v in rectangle)
    return x1, y1, max(x2 - 1, x1), max(y2 - 1, y1)
