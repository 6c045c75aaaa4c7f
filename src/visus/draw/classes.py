"""The class of a picture below it: the most likely classes with their probabilities, and the box of what they name."""

from __future__ import annotations

from PIL import Image, ImageDraw

from visus.draw.canvas import Entry, bars_below, legend_below, letter_size, line_unit
from visus.draw.palette import schema_colour
from visus.types import ClassPrediction, ClassTarget, Schema

SHOWN_CLASSES = 5


def draw_class(
    picture: Image.Image, found: ClassPrediction | ClassTarget, schema: Schema, *, scale: int, text_scale: float
) -> Image.Image:
    """The picture, ``scale`` times as large as the image, with the annotated class or the most likely ones below it."""
    font_size = letter_size(picture.size) * text_scale
    label = int(found.label) if isinstance(found, ClassTarget) else int(found.labels[0])
    colour = schema_colour(schema, label)
    if found.box_xyxy is not None:
        _outline(picture, [v * scale for v in found.box_xyxy.tolist()], colour)
    if isinstance(found, ClassTarget):
        return legend_below(picture, [Entry(schema.categories[label], "", colour)], font_size=font_size)
    best = zip(found.labels[:SHOWN_CLASSES].tolist(), found.scores[:SHOWN_CLASSES].tolist(), strict=True)
    rows = [(Entry(schema.categories[i], f"{100 * p:.1f} %", schema_colour(schema, i)), p) for i, p in best]
    return bars_below(picture, rows, font_size=font_size)


def _outline(picture: Image.Image, box: list[float], colour: tuple[int, int, int]) -> None:
    """Draws a box on the picture, smoothed by averaging twice the resolution."""
    width = max(2, round(2.4 * line_unit(picture.size)))
    layer = Image.new("RGBA", (picture.width * 2, picture.height * 2), (0, 0, 0, 0))
    x1, y1, x2, y2 = (2 * v for v in box)
    x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, layer.width) - 1, min(y2, layer.height) - 1
    if x2 <= x1 or y2 <= y1:
        return
    ImageDraw.Draw(layer).rounded_rectangle((x1, y1, x2, y2), radius=2 * width, outline=(*colour, 255), width=2 * width)
    layer = layer.resize(picture.size, Image.Resampling.BOX)
    picture.paste(layer, (0, 0), layer)
