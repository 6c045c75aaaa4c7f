"""Objects drawn on a picture: translucent masks with an outline, boxes, names, scores and skeletons.

Lines are drawn at twice the resolution and averaged down, because Pillow's own have stairs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from visus.data.sides import sides_of
from visus.draw.canvas import Entry, Style, letter_size, line_unit, rounded_box, with_legend
from visus.draw.palette import CROWD, INK, LEFT, MIDDLE, PAPER, RIGHT, Colour, category_colour, schema_name
from visus.draw.tags import Rectangle, Tag, write_tags
from visus.types import InstancePrediction, InstanceTarget, Keypoints, Schema

_MOST_SMOOTHED_PIXELS = 12_000_000  # above this, lines are fine enough without averaging
_FARTHEST = 100_000.0  # pixels; keypoints beyond, or at no number, stay undrawn
_KEYPOINT_LOGIT = 0.0  # predicted keypoints whose raw logit is lower are guesses and stay undrawn


@dataclass(frozen=True)
class _Shape:
    """The part of a mask that is not empty, and where its upper left corner lies in the drawing."""

    mask: Image.Image
    corner: tuple[int, int]


@dataclass(frozen=True)
class DrawnObject:
    """One thing to draw; coordinates in the pixels of the drawing."""

    text: str
    legend: str
    colour: Colour
    box: Rectangle
    mask: _Shape | None
    keypoints: list[tuple[float, float, int]]


def draw_instance_prediction(
    picture: Image.Image, found: InstancePrediction, schema: Schema, style: Style
) -> Image.Image:
    """Objects of at least the least score, with their scores; the most certain ones above the others."""
    order = found.scores.argsort(descending=True, stable=True)
    shown = order[found.scores[order] >= style.min_score]
    if shown.tolist() != list(range(len(found))):  # else they are as they should be, and masks are not copied
        found = found[shown]
    things = objects_found(found, schema, style)
    return with_names(paint_objects(picture, things, schema, style), things, style)


def draw_instance_target(picture: Image.Image, target: InstanceTarget, schema: Schema, style: Style) -> Image.Image:
    """Annotated objects, the smallest above the others; crowds are grey."""
    target = target[target.areas.argsort(descending=True, stable=True)]
    things = [
        replace(thing, text=f"{thing.text} (crowd)", colour=CROWD) if crowd else thing
        for thing, crowd in zip(objects_annotated(target, schema, style), target.is_crowd.tolist(), strict=True)
    ]
    return with_names(paint_objects(picture, things, schema, style), things, style)


def objects_found(found: InstancePrediction, schema: Schema, style: Style) -> list[DrawnObject]:
    """What is drawn of each object of a prediction: its name and score, and the keypoints that are no guesses."""
    found = found.to("cpu")
    points = [sure_keypoints(found, index) for index in range(len(found))]
    things = _objects(found, points, schema, style.scale)
    scored = zip(things, found.scores.tolist(), strict=True)
    return [replace(thing, text=f"{thing.text} {score:.2f}") for thing, score in scored]


def objects_annotated(target: InstanceTarget, schema: Schema, style: Style) -> list[DrawnObject]:
    """What is drawn of each annotated object."""
    target = target.to("cpu")
    points = [[] if target.keypoints_xyv is None else target.keypoints_xyv[i].tolist() for i in range(len(target))]
    return _objects(target, points, schema, style.scale)


def paint_objects(picture: Image.Image, things: Sequence[DrawnObject], schema: Schema, style: Style) -> Image.Image:
    """Draws the shapes of objects, the first one last. What lies nowhere, at a place that is no number, is left out."""
    unit = line_unit(picture.size)
    shown = [thing for thing in things if all(map(math.isfinite, thing.box))]
    for thing in reversed(shown):
        if thing.mask is not None:
            _paint_shape(picture, thing.mask, thing.colour, unit)
    _paint_lines(picture, shown, schema.keypoints, unit)
    return picture


def with_names(
    picture: Image.Image, things: Sequence[DrawnObject], style: Style, *, legend: bool = True
) -> Image.Image:
    """Writes the names of objects beside them; those that would hide others give way to a legend of all, if wanted."""
    tags = [Tag(thing.text, thing.box, thing.colour) for thing in things if _within(thing.box, picture.size)]
    crowding = min(1.0, max(0.6, math.sqrt(20 / max(len(tags), 1))))  # smaller letters where there are many names
    font_size = letter_size(picture.size) * crowding * style.text_scale
    if style.labels == "none" or write_tags(picture, tags, font_size=font_size, all_of_them=style.labels == "all"):
        return picture
    if not legend:
        return picture
    colours = {thing.legend: thing.colour for thing in reversed(things)}
    counts = Counter(thing.legend for thing in things)
    return with_legend(picture, [Entry(name, str(count), colours[name]) for name, count in counts.most_common()], style)


def _within(box: Rectangle, size: tuple[int, int]) -> bool:
    """Whether a box lies in the drawing, at least in part."""
    x1, y1, x2, y2 = box  # comparisons with what is no number are false
    return x1 <= size[0] and y1 <= size[1] and x2 >= 0 and y2 >= 0


def _objects(
    objects: InstancePrediction | InstanceTarget, points: Sequence[list[list[float]]], schema: Schema, scale: int
) -> list[DrawnObject]:
    """What is drawn of each object, in the pixels of the drawing."""
    seen: Counter[int] = Counter()
    things = []
    for index, label in enumerate(objects.labels.tolist()):
        colour = category_colour(label, seen[label])
        seen[label] += 1
        x1, y1, x2, y2 = (objects.boxes_xyxy[index].float() * scale).tolist()
        mask = None if objects.masks is None else _shape(objects.masks[index], scale)
        marks = [(x * scale, y * scale, int(v)) for x, y, v in points[index]] if _has_keypoints(schema, label) else []
        name = schema_name(schema, label)
        things.append(DrawnObject(name, name, colour, (x1, y1, x2, y2), mask, marks))
    return things


def _has_keypoints(schema: Schema, label: int) -> bool:
    """Whether objects of a category carry keypoints."""
    return schema.keypoints is not None and (not schema.keypoints.labels or label in schema.keypoints.labels)


def _shape(mask: Tensor, scale: int) -> _Shape | None:
    """A mask [h w] cut to its object with a margin, smoothly enlarged; None where it is empty."""
    binary = mask if mask.dtype == torch.bool else mask >= 0.5
    pixels = binary.contiguous().view(torch.uint8).numpy()
    rows = np.flatnonzero(pixels.max(axis=1, initial=0))
    if not len(rows):
        return None
    columns = np.flatnonzero(np.bitwise_or.reduce(pixels[rows[0] : rows[-1] + 1], axis=0))
    top, left = int(rows[0]), int(columns[0])
    object_ = binary[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    margin = 2 + max(mask.shape) // 64  # room for the outline, which lies half outside
    picture = Image.fromarray(F.pad(object_.to(torch.uint8) * 255, (margin,) * 4).numpy())
    if scale > 1:
        picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.BICUBIC)
        picture = picture.filter(ImageFilter.GaussianBlur(0.45 * scale))  # rounds the stairs of the original pixels
    return _Shape(picture, ((left - margin) * scale, (top - margin) * scale))


def sure_keypoints(found: InstancePrediction, index: int) -> list[list[float]]:
    """x, y and visibility (0: not drawn, 2: visible) of an object's keypoints; guesses are left out.

    A network's visibility is always 1: what it is sure of is drawn as visible.
    """
    if found.keypoints_xyv is None:
        return []
    points: list[list[float]] = found.keypoints_xyv[index].tolist()
    logits = [math.inf] * len(points) if found.keypoint_scores is None else found.keypoint_scores[index].tolist()
    sure = [v > 0 and logit >= _KEYPOINT_LOGIT for (_, _, v), logit in zip(points, logits, strict=True)]
    return [[x, y, 2.0 * known] for (x, y, _), known in zip(points, sure, strict=True)]


def _paint_shape(picture: Image.Image, shape: _Shape, colour: Colour, unit: float) -> None:
    """Tints the pixels of a mask and draws its outline."""
    soft = shape.mask.filter(ImageFilter.GaussianBlur(max(0.8, 0.6 * unit)))
    picture.paste(colour, shape.corner, soft.point(_MASK_OPACITIES))


# The blurred edge is near one half along the outline: a band around that value is a smooth line.
_MASK_OPACITIES = [
    max(
        round(0.42 * min(max((value - 96) * 4, 0), 255)),
        round(230 * min(max((70 - abs(value - 128)) / 40, 0.0), 1.0)),
    )
    for value in range(256)
]
"""How opaque the colour of an object is where its blurred mask has such a value."""


def _paint_lines(picture: Image.Image, things: Sequence[DrawnObject], keypoints: Keypoints | None, unit: float) -> None:
    """Draws boxes and skeletons, smoothed by averaging twice the resolution.

    Colours, multiplied by their opacity, and opacities are the four channels of one layer, in a mode whose channels
    Pillow averages as they are: those of a mode with an opacity it averages many times slower.
    """
    smooth = 2 if picture.width * picture.height <= _MOST_SMOOTHED_PIXELS else 1
    size = (picture.width * smooth, picture.height * smooth)
    layer = Image.new("CMYK", size)
    pen = ImageDraw.Draw(layer)
    for thing in reversed(things):
        _outline_box(pen, thing, unit * smooth, smooth, size)
    for thing in reversed(things):
        if keypoints is not None and thing.keypoints:
            _draw_skeleton(pen, thing.keypoints, keypoints, unit * smooth, smooth)
    drawn = layer.getbbox()
    if drawn is None:
        return
    left, top, right, bottom = (round_(edge / smooth) for round_, edge in zip(_OUTWARDS, drawn, strict=True))
    *colours, opacities = layer.reduce(smooth, (left * smooth, top * smooth, right * smooth, bottom * smooth)).split()
    clear = Image.merge("RGB", [ImageChops.invert(opacities)] * 3)
    below = ImageChops.multiply(picture.crop((left, top, right, bottom)), clear)
    picture.paste(ImageChops.add(below, Image.merge("RGB", colours)), (left, top))


_OUTWARDS = (math.floor, math.floor, math.ceil, math.ceil)
"""How the edges of a part of a drawing become whole pixels."""


def _ink(colour: Colour, opacity: int) -> tuple[int, int, int, int]:
    """What is drawn for a colour with an opacity of 0 to 255: the colour multiplied by it, and the opacity."""
    red, green, blue = (round(value * opacity / 255) for value in colour)
    return red, green, blue, opacity


def _outline_box(
    pen: ImageDraw.ImageDraw, thing: DrawnObject, width: float, smooth: int, size: tuple[int, int]
) -> None:
    """The frame of an object; thinner where a mask already shows its shape."""
    line = max(1, round(width * (0.8 if thing.mask is not None else 1.0)))
    if not _within(thing.box, (size[0] // smooth, size[1] // smooth)):
        return
    x1, y1, x2, y2 = (v * smooth for v in thing.box)
    corners = max(x1, 0), max(y1, 0), min(x2, size[0]) - 1, min(y2, size[1]) - 1
    opacity = 190 if thing.mask is not None else 255
    rounded_box(pen, corners, radius=2 * width, outline=_ink(thing.colour, opacity), width=line)


def _draw_skeleton(
    pen: ImageDraw.ImageDraw,
    points: list[tuple[float, float, int]],
    keypoints: Keypoints,
    width: float,
    smooth: int,
) -> None:
    """Connects an object's keypoints: limbs in the colour of their side, on a dark rim; hidden points are hollow."""
    sides = side_colours(keypoints)
    points = [(x, y, v) if max(abs(x), abs(y)) < _FARTHEST else (0.0, 0.0, 0) for x, y, v in points]
    limbs = [(a, b) for a, b in keypoints.skeleton if points[a][2] and points[b][2]]
    for rim in (True, False):
        for a, b in limbs:
            ends = [(points[i][0] * smooth, points[i][1] * smooth) for i in (a, b)]
            colour = INK if rim else _limb_colour(sides[a], sides[b])
            line = max(1, round(width * (2.2 if rim else 1.4)))
            pen.line(ends, fill=_ink(colour, 150 if rim else 255), width=line)
    radius = 1.5 * width
    for (x, y, visible), colour in zip(points, sides, strict=True):
        if visible:
            circle = (x * smooth - radius, y * smooth - radius, x * smooth + radius, y * smooth + radius)
            fill, rim_colour = (colour, PAPER) if visible > 1 else (INK, colour)
            pen.ellipse(circle, fill=_ink(fill, 255), outline=_ink(rim_colour, 255), width=max(1, round(width * 0.45)))


def _limb_colour(first: Colour, second: Colour) -> Colour:
    """The colour of the side a limb belongs to; one that joins both sides belongs to neither."""
    if {first, second} == {LEFT, RIGHT}:
        return MIDDLE
    return second if first == MIDDLE else first


def side_colours(keypoints: Keypoints) -> list[Colour]:
    """The colour of each keypoint: of the two members of a flip pair, the one named left is blue, the other orange."""
    colours = [MIDDLE] * len(keypoints)
    named = {pair[::-1] for pair in sides_of(keypoints.names, initials=True).pairs}
    for first, second in keypoints.flip_pairs or ():
        swapped = (first, second) in named
        colours[first], colours[second] = (RIGHT, LEFT) if swapped else (LEFT, RIGHT)
    return colours
