"""Keypoints of one object with a line between those that change places in a mirror, to look whether that is right."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from visus.draw.palette import INK, LEFT, MIDDLE, PAPER, RIGHT

_SIDE = 960  # of the drawing
_MARGIN = 0.15  # around the keypoints, as a share of the longer side of what they span


def draw_flip_pairs(
    image: UInt8[Tensor, "3 h w"],
    points: Float[Tensor, "k 3"],
    names: Sequence[str],
    pairs: Sequence[tuple[int, int]],
) -> Image.Image:
    """An enlarged part of an image with the labelled keypoints of an object and their names.

    Args:
        image: the pixels.
        points: x, y and visibility of each keypoint.
        names: one per keypoint; their numbers alone where all end in one.
        pairs: those that change places; the others are said to lie on the middle line.
    """
    known = points[points[:, 2] > 0]
    low, high = known[:, :2].amin(0), known[:, :2].amax(0)
    margin = _MARGIN * float((high - low).max()) + 4
    left, top = (max(0, int(v - margin)) for v in low.tolist())
    right, bottom = (min(int(v + margin) + 1, side) for v, side in zip(high.tolist(), image.shape[:0:-1], strict=True))
    scale = _SIDE / max(right - left, bottom - top, 1)
    part = image[:, top:bottom, left:right].permute(1, 2, 0).contiguous().cpu().numpy()
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    picture = Image.fromarray(part).resize(size, Image.Resampling.BICUBIC)
    picture = Image.blend(picture, Image.new("RGB", size, PAPER), 0.35)  # so that letters can be read
    places = [((x - left) * scale, (y - top) * scale, bool(v)) for x, y, v in points.tolist()]
    pen, radius = ImageDraw.Draw(picture), _SIDE / 200
    across = (sorted(pair, key=lambda place: places[place][0]) for pair in pairs)
    colours = {place: colour for pair in across for place, colour in zip(pair, (LEFT, RIGHT), strict=True)}
    for one, other in pairs:
        if places[one][2] and places[other][2]:
            pen.line((*places[one][:2], *places[other][:2]), fill=INK, width=2)
    font = ImageFont.load_default(16)
    numbers = [found[0] for name in names if (found := re.search(r"\d+$", name))]
    texts = numbers if len(set(numbers)) == len(names) else names  # "keypoint 12" is long beside 67 others
    for place, (x, y, seen) in enumerate(places):
        if seen:
            corners = (x - radius, y - radius, x + radius, y + radius)
            pen.ellipse(corners, fill=colours.get(place, MIDDLE), outline=INK)
            pen.text((x + radius + 2, y), texts[place], fill=INK, font=font, anchor="lm")
    return picture
