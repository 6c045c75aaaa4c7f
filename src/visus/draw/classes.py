"""The class of a picture below it: the most likely classes with their probabilities, and the box of what they name."""

from __future__ import annotations

from PIL import Image, ImageDraw

from visus.draw.canvas import Entry, Style, bars_below, legend_below, letter_size, line_unit, rounded_box
from visus.draw.palette import Colour, schema_colour, schema_name
from visus.types import ClassPrediction, ClassTarget, Schema

SHOWN_CLASSES = 5


def draw_class_prediction(picture: Image.Image, found: ClassPrediction, schema: Schema, style: Style) -> Image.Image:
    """The picture with the most likely classes and their probabilities below it."""
    best = list(zip(found.labels[:SHOWN_CLASSES].tolist(), found.scores[:SHOWN_CLASSES].tolist(), strict=True))
    for label, _ in best[:1]:
        _draw_box(picture, found, schema_colour(schema, label), style)
    rows = [(Entry(schema_name(schema, i), f"{100 * p:.1f} %", schema_colour(schema, i)), p) for i, p in best]
    return bars_below(picture, rows, font_size=letter_size(picture.size) * style.text_scale)


def draw_class_target(picture: Image.Image, target: ClassTarget, schema: Schema, style: Style) -> Image.Image:
    """The picture with the annotated class below it."""
    label = int(target.label)
    colour = schema_colour(schema, label)
    _draw_box(picture, target, colour, style)
    entry = Entry(schema_name(schema, label), "", colour)
    return legend_below(picture, [entry], font_size=letter_size(picture.size) * style.text_scale)


def _draw_box(picture: Image.Image, shown: ClassPrediction | ClassTarget, colour: Colour, style: Style) -> None:
    if shown.box_xyxy is not None and bool(shown.box_xyxy.isfinite().all()):
        _outline(picture, [v * style.scale for v in shown.box_xyxy.tolist()], colour)


def _outline(picture: Image.Image, box: list[float], colour: tuple[int, int, int]) -> None:
    """Draws a box on the picture, smoothed by averaging twice the resolution."""
    width = max(2, round(2.4 * line_unit(picture.size)))
    layer = Image.new("RGBA", (picture.width * 2, picture.height * 2), (0, 0, 0, 0))
    x1, y1, x2, y2 = (2 * v for v in box)
    x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, layer.width) - 1, min(y2, layer.height) - 1
    if x1 >= layer.width or y1 >= layer.height or x2 < -1 or y2 < -1:
        return
    pen = ImageDraw.Draw(layer)
    rounded_box(pen, (x1, y1, x2, y2), radius=2 * width, outline=(*colour, 255), width=2 * width)
    layer = layer.resize(picture.size, Image.Resampling.BOX)
    picture.paste(layer, (0, 0), layer)
