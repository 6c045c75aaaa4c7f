"""Objects drawn on a picture: translucent masks with an outline, boxes, names, scores and skeletons.

Lines are drawn at twice the resolution and averaged down, because Pillow's own have stairs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from visus.data.sides import sides_of
from visus.draw.canvas import Style, letter_size, line_unit
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


def draw_instance_prediction(
    picture: Image.Image, found: InstancePrediction, schema: Schema, style: Style
) -> Image.Image:
    """Objects of at least the least score, with their scores; the most certain ones above the others."""
    found = found[found.scores >= style.min_score]
    found = found[found.scores.argsort(descending=True, stable=True)].to("cpu")
    texts = [f"{schema.categories[label]} {score:.2f}" for label, score in _labels_and_scores(found)]
    points = [_sure_keypoints(found, index) for index in range(len(found))]
    return _paint(picture, _objects(found, texts, points, schema, style.scale), schema, style)


def draw_instance_target(picture: Image.Image, target: InstanceTarget, schema: Schema, style: Style) -> Image.Image:
    """Annotated objects, the smallest above the others; crowds are grey."""
    target = target[target.areas.argsort(descending=True, stable=True)].to("cpu")
    crowds = target.is_crowd.tolist()
    names = [schema.categories[label] for label in target.labels.tolist()]
    texts = [f"{name} (crowd)" if crowd else name for name, crowd in zip(names, crowds, strict=True)]
    points = [[] if target.keypoints_xyv is None else target.keypoints_xyv[i].tolist() for i in range(len(target))]
    things = _objects(target, texts, points, schema, style.scale)
    things = [replace(thing, colour=CROWD) if crowd else thing for thing, crowd in zip(things, crowds, strict=True)]
    return _paint(picture, things, schema, style)


def _paint(picture: Image.Image, things: Sequence[_Object], schema: Schema, style: Style) -> Image.Image:
    """Draws objects, the first one last."""
    unit = line_unit(picture.size)
    for thing in reversed(things):
        if thing.mask is not None:
            _paint_shape(picture, thing.mask, thing.colour, unit)
    _paint_lines(picture, things, schema.keypoints, unit)
    tags = [Tag(thing.text, thing.box, thing.colour) for thing in things]
    crowding = min(1.0, max(0.6, math.sqrt(20 / max(len(things), 1))))  # smaller letters where there are many names
    write_tags(picture, tags, font_size=letter_size(picture.size) * crowding * style.text_scale)
    return picture


def _objects(
    objects: InstancePrediction | InstanceTarget,
    texts: Sequence[str],
    points: Sequence[list[list[float]]],
    schema: Schema,
    scale: int,
) -> list[_Object]:
    """What is drawn of each object, in the pixels of the drawing."""
    seen: Counter[int] = Counter()
    things = []
    for index, label in enumerate(objects.labels.tolist()):
        colour = category_colour(label, seen[label])
        seen[label] += 1
        x1, y1, x2, y2 = (objects.boxes_xyxy[index] * scale).tolist()
        mask = None if objects.masks is None else _shape(objects.masks[index], scale)
        marks = [(x * scale, y * scale, int(v)) for x, y, v in points[index]] if _has_keypoints(schema, label) else []
        things.append(_Object(texts[index], colour, (x1, y1, x2, y2), mask, marks))
    return things


def _labels_and_scores(found: InstancePrediction) -> Iterator[tuple[int, float]]:
    return zip(found.labels.tolist(), found.scores.tolist(), strict=True)


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


def _sure_keypoints(found: InstancePrediction, index: int) -> list[list[float]]:
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
    named = {pair[::-1] for pair in sides_of(keypoints.names, initials=True).pairs}
    for first, second in keypoints.flip_pairs or ():
        swapped = (first, second) in named
        colours[first], colours[second] = (RIGHT, LEFT) if swapped else (LEFT, RIGHT)
    return colours
