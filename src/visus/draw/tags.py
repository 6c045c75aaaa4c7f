"""Name tags that avoid each other: a greedy placement, the most certain object first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from visus.draw.palette import Colour, text_colour

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class Tag:
    """A name to be written at a box, both in the pixels of the drawing."""

    text: str
    box: Rectangle
    colour: Colour


def write_tags(picture: Image.Image, tags: Sequence[Tag], *, font_size: float) -> None:
    """Writes each tag on ``picture`` at the corner of its box where it covers the least of the earlier tags.

    Args:
        picture: an RGB picture, changed in place.
        tags: what to write, the most important first.
        font_size: height of the letters in pixels.
    """
    font = ImageFont.load_default(font_size)
    padding = max(2, round(font_size * 0.3))
    ascent, descent = font.getmetrics() if isinstance(font, ImageFont.FreeTypeFont) else (round(font_size), 0)
    height = ascent + descent + padding // 2
    pen = ImageDraw.Draw(picture, "RGBA")
    placed: list[Rectangle] = []
    for tag in tags:
        width = pen.textlength(tag.text, font=font) + 2 * padding
        placed.append(place_tag(tag.box, (width, height), picture.size, placed))
    for tag, spot in reversed(list(zip(tags, placed, strict=True))):  # where two must overlap, the first lies on top
        pen.rounded_rectangle(_pixels(spot), radius=padding, fill=(*tag.colour, 235))
        middle = (spot[1] + spot[3]) / 2 + font_size * 0.05
        pen.text((spot[0] + padding, middle), tag.text, font=font, fill=text_colour(tag.colour), anchor="lm")


def place_tag(
    box: Rectangle, tag_size: tuple[float, float], canvas: tuple[int, int], placed: Sequence[Rectangle]
) -> Rectangle:
    """The rectangle for a tag of ``tag_size`` (width, height) at ``box`` that overlaps ``placed`` the least.

    Among equals the order is: above the box, inside its upper edge, below it, inside its lower edge, then steps down
    along its sides. The rectangle lies inside ``canvas`` (width, height) where the tag is not larger than that.
    """
    best, least = None, float("inf")
    for corner in _corners(box, tag_size):
        spot = _moved_inside(corner, tag_size, canvas)
        overlap = sum(_overlap(spot, other) for other in placed)
        # A tag that was pushed far from its corner points at nothing; count the push as if it covered something.
        cost = overlap + 0.5 * tag_size[1] * (abs(spot[0] - corner[0]) + abs(spot[1] - corner[1]))
        if cost < least - 1e-6:
            best, least = spot, cost
        if least == 0:
            break
    assert best is not None
    return best


def _corners(box: Rectangle, tag_size: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Upper left corners to try, in order of preference."""
    x1, y1, x2, y2 = box
    width, height = tag_size
    right = max(x2 - width, x1)
    for y in (y1 - height, y1, y2, y2 - height):
        yield x1, y
        yield right, y
    for step in range(1, 6):
        yield x1, y1 + step * height
        yield right, y1 + step * height
        yield x1, y1 - (step + 1) * height


def _moved_inside(corner: tuple[float, float], tag_size: tuple[float, float], canvas: tuple[int, int]) -> Rectangle:
    """The tag at ``corner``, pushed into the canvas."""
    x = max(0.0, min(corner[0], canvas[0] - tag_size[0]))
    y = max(0.0, min(corner[1], canvas[1] - tag_size[1]))
    return x, y, x + tag_size[0], y + tag_size[1]


def _overlap(a: Rectangle, b: Rectangle) -> float:
    """The area that two rectangles share."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)


def _pixels(rectangle: Rectangle) -> tuple[int, int, int, int]:
    """Pillow's inclusive pixel corners of a rectangle."""
    x1, y1, x2, y2 = (round(v) for v in rectangle)
    return x1, y1, max(x2 - 1, x1), max(y2 - 1, y1)
