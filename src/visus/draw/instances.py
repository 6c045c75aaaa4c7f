"""Objects drawn on a picture: translucent masks with an outline, boxes, names, scores and skeletons.

Lines are drawn at twice the resolution and averaged down, because Pillow's own have stairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from visus.draw.canvas import letter_size, line_unit
from visus.draw.palette import CROWD, INK, LEFT, MIDDLE, PAPER, RIGHT, Colour, category_colour
from visus.draw.tags import Rectangle, Tag, write_tags
from visus.types import InstancePrediction, InstanceTarget, Keypoints, Schema

_MOST_SMOOTHED_PIXELS = 12_000_000  # above this, lines are fine enough without averaging
_KEYPOINT_LOGIT = 0.0  # predicted keypoints whose raw logit is lower are guesses and stay undrawn


@dataclass(frozen=True)
class _Shape:
    """The part of a mask that is not empty, and where its upper left corner lies in the drawing."""

    mask: Image.Image
    corner: tuple[int, int]


@dataclass(frozen=True)
class _Object:
    """One thing to draw; coordinates in the pixels of the drawing."""

    text: str
    colour: Colour
    box: Rectangle
    mask: _Shape | None
    keypoints: list[tuple[float, float, int]]


def draw_instances(
    picture: Image.Image,
    objects: InstancePrediction | InstanceTarget,
    schema: Schema,
    *,
    scale: int,
    min_score: float,
    text_scale: float,
) -> None:
    """Draws objects on ``picture``, which is ``scale`` times as large as the image they belong to."""
    unit = line_unit(picture.size)
    things = _things(objects, schema, scale, min_score)
    for thing in reversed(things):  # the most certain object is painted last, above the others
        if thing.mask is not None:
            _paint_shape(picture, thing.mask, thing.colour, unit)
    _paint_lines(picture, things, schema.keypoints, unit)
    tags = [Tag(thing.text, thing.box, thing.colour) for thing in things]
    crowding = min(1.0, max(0.6, math.sqrt(20 / max(len(things), 1))))  # smaller letters where there are many names
    write_tags(picture, tags, font_size=letter_size(picture.size) * crowding * text_scale)


def _things(
    objects: InstancePrediction | InstanceTarget, schema: Schema, scale: int, min_score: float
) -> list[_Object]:
    """The objects to draw, the most certain (or the largest annotated) first."""
    if isinstance(objects, InstancePrediction):
        objects = objects[objects.scores >= min_score]
        order = objects.scores.argsort(descending=True, stable=True)
    else:
        order = objects.areas.argsort(descending=True, stable=True)
    objects = objects[order].to("cpu")
    seen: dict[int, int] = {}
    things = []
    for index, label in enumerate(objects.labels.tolist()):
        colour, text = category_colour(label, seen.get(label, 0)), schema.categories[label]
        seen[label] = seen.get(label, 0) + 1
        if isinstance(objects, InstancePrediction):
            text = f"{text} {objects.scores[index]:.2f}"
        elif objects.is_crowd[index]:
            colour, text = CROWD, f"{text} (crowd)"
        x1, y1, x2, y2 = (objects.boxes_xyxy[index] * scale).tolist()
        mask = None if objects.masks is None else _shape(objects.masks[index], scale)
        points = _scaled_keypoints(objects, index, scale) if _has_keypoints(schema, label) else []
        things.append(_Object(text, colour, (x1, y1, x2, y2), mask, points))
    return things


def _has_keypoints(schema: Schema, label: int) -> bool:
    """Whether objects of a category carry keypoints."""
    return schema.keypoints is not None and (not schema.keypoints.labels or label in schema.keypoints.labels)


def _shape(mask: Tensor, scale: int) -> _Shape | None:
    """A mask [h w] cut to its object with a margin, smoothly enlarged; None where it is empty."""
    binary = mask if mask.dtype == torch.bool else mask >= 0.5
    rows, columns = (binary.any(axis).nonzero().flatten() for axis in (1, 0))
    if not len(rows):
        return None
    top, left = int(rows[0]), int(columns[0])
    object_ = binary[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    margin = 2 + max(mask.shape) // 64  # room for the outline, which lies half outside
    picture = Image.fromarray(F.pad(object_.to(torch.uint8) * 255, (margin,) * 4).numpy())
    if scale > 1:
        picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.BICUBIC)
        picture = picture.filter(ImageFilter.GaussianBlur(0.45 * scale))  # rounds the stairs of the original pixels
    return _Shape(picture, ((left - margin) * scale, (top - margin) * scale))


def _scaled_keypoints(
    objects: InstancePrediction | InstanceTarget, index: int, scale: int
) -> list[tuple[float, float, int]]:
    """x, y and visibility (0: not drawn, 1: hidden, 2: visible) of an object's keypoints."""
    if objects.keypoints_xyv is None:
        return []
    points = [(x * scale, y * scale, int(v)) for x, y, v in objects.keypoints_xyv[index].tolist()]
    if isinstance(objects, InstanceTarget):
        return points
    logits = [math.inf] * len(points)
    if objects.keypoint_scores is not None:
        logits = objects.keypoint_scores[index].tolist()
    # A network's visibility is always 1: what it is sure of is drawn as visible.
    return [(x, y, 2 * (v > 0 and logit >= _KEYPOINT_LOGIT)) for (x, y, v), logit in zip(points, logits, strict=True)]


def _paint_shape(picture: Image.Image, shape: _Shape, colour: Colour, unit: float) -> None:
    """Tints the pixels of a mask and draws its outline."""
    soft = shape.mask.filter(ImageFilter.GaussianBlur(max(0.8, 0.6 * unit)))
    fill = soft.point([round(0.42 * min(max((v - 96) * 4, 0), 255)) for v in range(256)])
    # The blurred edge is near one half along the outline: a band around that value is a smooth line.
    edge = soft.point([round(230 * min(max((70 - abs(v - 128)) / 40, 0.0), 1.0)) for v in range(256)])
    picture.paste(colour, shape.corner, ImageChops.lighter(fill, edge))


def _paint_lines(picture: Image.Image, things: Sequence[_Object], keypoints: Keypoints | None, unit: float) -> None:
    """Draws boxes and skeletons, smoothed by averaging twice the resolution."""
    smooth = 2 if picture.width * picture.height <= _MOST_SMOOTHED_PIXELS else 1
    layer = Image.new("RGBA", (picture.width * smooth, picture.height * smooth), (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    for thing in reversed(things):
        _outline_box(pen, thing, unit * smooth, smooth, layer.size)
    for thing in reversed(things):
        if keypoints is not None and thing.keypoints:
            _draw_skeleton(pen, thing.keypoints, keypoints, unit * smooth, smooth)
    if smooth > 1:
        layer = layer.resize(picture.size, Image.Resampling.BOX)
    picture.paste(layer, (0, 0), layer)


def _outline_box(pen: ImageDraw.ImageDraw, thing: _Object, width: float, smooth: int, size: tuple[int, int]) -> None:
    """The frame of an object; thinner where a mask already shows its shape."""
    line = max(1, round(width * (0.8 if thing.mask is not None else 1.0)))
    x1, y1, x2, y2 = (v * smooth for v in thing.box)
    x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, size[0]) - 1, min(y2, size[1]) - 1
    if x2 <= x1 or y2 <= y1:
        return
    opacity = 190 if thing.mask is not None else 255
    pen.rounded_rectangle((x1, y1, x2, y2), radius=2 * width, outline=(*thing.colour, opacity), width=line)


def _draw_skeleton(
    pen: ImageDraw.ImageDraw, points: list[tuple[float, float, int]], keypoints: Keypoints, width: float, smooth: int
) -> None:
    """Connects an object's keypoints: limbs in the colour of their side, on a dark rim; hidden points are hollow."""
    sides = side_colours(keypoints)
    limbs = [(a, b) for a, b in keypoints.skeleton if points[a][2] and points[b][2]]
    for rim in (True, False):
        for a, b in limbs:
            ends = [(points[i][0] * smooth, points[i][1] * smooth) for i in (a, b)]
            colour = INK if rim else _limb_colour(sides[a], sides[b])
            line = max(1, round(width * (2.2 if rim else 1.4)))
            pen.line(ends, fill=(*colour, 150 if rim else 255), width=line)
    radius = 1.5 * width
    for (x, y, visible), colour in zip(points, sides, strict=True):
        if visible:
            circle = (x * smooth - radius, y * smooth - radius, x * smooth + radius, y * smooth + radius)
            fill, rim_colour = (colour, PAPER) if visible > 1 else (INK, colour)
            pen.ellipse(circle, fill=(*fill, 255), outline=(*rim_colour, 255), width=max(1, round(width * 0.45)))


def _limb_colour(first: Colour, second: Colour) -> Colour:
    """The colour of the side a limb belongs to; one that joins both sides belongs to neither."""
    if {first, second} == {LEFT, RIGHT}:
        return MIDDLE
    return second if first == MIDDLE else first


def side_colours(keypoints: Keypoints) -> list[Colour]:
    """The colour of each keypoint: of the two members of a flip pair, the one named left is blue, the other orange."""
    colours = [MIDDLE] * len(keypoints)
    for first, second in keypoints.flip_pairs:
        swapped = "right" in keypoints.names[first].lower()
        colours[first], colours[second] = (RIGHT, LEFT) if swapped else (LEFT, RIGHT)
    return colours
