"""A scene graph beside its image: objects as boxes with their attributes, relationships as arrows with their names.

The layout is layered (Sugiyama et al. 1981): a subject stands above its objects, arrows that close a circle aside, and
the members of a layer are ordered by the mean place of their neighbours.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont

from visus.draw.canvas import STRIP, Font, Style, letter_size, rounded_box
from visus.draw.instances import draw_instance_prediction
from visus.draw.palette import Colour, category_colour, drawable, text_colour
from visus.ops.graphs import sure_relationships
from visus.phrases.wording import object_words
from visus.types import GraphPrediction, Schema

_MOST_OBJECTS = 40
_IN_A_ROW = 5
_SWEEPS = 8
_MOST_IN_A_GAP = 6
_LINE: Colour = (96, 108, 126)
_INK: Colour = (38, 44, 54)

Edge = tuple[int, int, str]
"""Subject, object, and the name of the predicate."""
Place = tuple[float, float]


def draw_scene_graph(picture: Image.Image, found: GraphPrediction, schema: Schema, style: Style) -> Image.Image:
    """The objects on the image and, right of it, the sure relationships among them, from the least score on.

    A legend that has to stay inside of the image, as in videos, leaves the graph out.
    """
    found = found[found.scores >= style.min_score].to("cpu")
    drawn = draw_instance_prediction(picture, found.objects, schema, style)
    if style.legend == "inside" or not len(found):
        return drawn
    found = found[torch.arange(min(len(found), _MOST_OBJECTS))]
    rows, scores = found.relationships, found.relationship_scores
    sure = rows[sure_relationships(rows, scores, found.scores, style.min_score)].tolist()
    edges = [(subject, object_, drawable(schema.predicates[number])) for subject, number, object_ in sure]
    names = [drawable(object_words(found, schema, place)) for place in range(len(found))]
    panel = draw_graph(names, _colours(found), edges, font_size=letter_size(picture.size) * style.text_scale)
    sheet = Image.new("RGB", (drawn.width + panel.width, max(drawn.height, panel.height)), STRIP)
    sheet.paste(drawn, (0, 0))
    sheet.paste(panel, (drawn.width, max(0, (drawn.height - panel.height) // 2)))
    return sheet


def draw_graph(
    names: Sequence[str], colours: Sequence[Colour], edges: Sequence[Edge], *, font_size: float
) -> Image.Image:
    """A picture of a graph, as large as it needs.

    Args:
        names: of the objects.
        colours: of the objects.
        edges: from subject to object.
        font_size: pixels.
    """
    font = ImageFont.load_default(font_size)
    edges = _joined(edges)
    layers = layered(len(names), [(subject, object_) for subject, object_, _ in edges])
    cell = max(font.getlength(name) for name in names) + 2.2 * font_size
    labels = max((font.getlength(name) for _, _, name in edges), default=0)
    across = cell + min(labels, cell)
    step = (4.2 + 1.4 * _crowded(layers, edges)) * font_size
    width = round(across * max(map(len, layers)) + font_size)
    height = round(step * (len(layers) - 1) + 4 * font_size)
    places: list[Place] = [(0.0, 0.0)] * len(names)
    for depth, layer in enumerate(layers):
        room = width / len(layer)
        for column, node in enumerate(layer):
            places[node] = (room * (column + 0.5), 2 * font_size + step * depth)
    sheet = Image.new("RGB", (width, height), STRIP)
    pen = ImageDraw.Draw(sheet)
    boxes = [_box(name, place, font, font_size) for name, place in zip(names, places, strict=True)]
    for subject, object_, _ in edges:
        _draw_arrow(pen, boxes[subject], boxes[object_], font_size)
    for name, box, colour in zip(names, boxes, colours, strict=True):
        rounded_box(pen, box, radius=0.4 * font_size, fill=colour)
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        pen.text(middle, name, font=font, fill=text_colour(colour), anchor="mm")
    _write_predicates(pen, edges, boxes, font_size)
    return sheet


def _joined(edges: Sequence[Edge]) -> list[Edge]:
    """One arrow for all that a subject is to an object."""
    names: dict[tuple[int, int], list[str]] = {}
    for subject, object_, name in edges:
        names.setdefault((subject, object_), []).append(name)
    return [(subject, object_, ", ".join(some)) for (subject, object_), some in names.items()]


def _crowded(layers: Sequence[Sequence[int]], edges: Sequence[Edge]) -> int:
    """How many names of arrows lie one above the other in the gap between layers that has most of them."""
    depth = {node: level for level, layer in enumerate(layers) for node in layer}
    gaps = Counter((depth[subject] + depth[object_]) // 2 for subject, object_, _ in edges)
    columns = {gap: max(map(len, layers[gap : gap + 2])) for gap in gaps}
    most = max((math.ceil(count / columns[gap]) for gap, count in gaps.items()), default=1)
    return min(most, _MOST_IN_A_GAP)


def layered(count: int, edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The objects in layers, subjects above objects; no layer is wider than `_IN_A_ROW`, lonely ones come last."""
    depth = [0] * count
    forward = _without_circles(count, edges)
    for _ in range(count):
        for subject, object_ in forward:
            depth[object_] = max(depth[object_], depth[subject] + 1)
    tied = {node for edge in edges for node in edge}
    deepest = max((depth[node] for node in tied), default=-1)
    layers = [[node for node in range(count) if node in tied and depth[node] == level] for level in range(deepest + 1)]
    layers.append([node for node in range(count) if node not in tied])
    layers = [layer for layer in layers if layer]
    _order(layers, edges)
    return [layer[start : start + _IN_A_ROW] for layer in layers for start in range(0, len(layer), _IN_A_ROW)]


def _without_circles(count: int, edges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The edges without those that lead back to where they come from."""
    kept: list[tuple[int, int]] = []
    reached: list[set[int]] = [{node} for node in range(count)]
    for subject, object_ in edges:
        if subject in reached[object_]:
            continue
        kept.append((subject, object_))
        for node in range(count):
            if subject in reached[node]:
                reached[node] |= reached[object_]
    return kept


def _order(layers: list[list[int]], edges: Sequence[tuple[int, int]]) -> None:
    """Orders each layer by the mean place of the neighbours, again and again."""
    near: dict[int, list[int]] = {}
    for subject, object_ in edges:
        near.setdefault(subject, []).append(object_)
        near.setdefault(object_, []).append(subject)
    for _ in range(_SWEEPS):
        share = {node: (column + 0.5) / len(layer) for layer in layers for column, node in enumerate(layer)}
        for layer in layers:
            layer.sort(key=lambda node: sum(share[n] for n in near.get(node, [node])) / len(near.get(node, [node])))


Box = tuple[float, float, float, float]


def _box(name: str, place: Place, font: Font, font_size: float) -> Box:
    half = font.getlength(name) / 2 + 0.7 * font_size
    return (place[0] - half, place[1] - 0.95 * font_size, place[0] + half, place[1] + 0.95 * font_size)


def _ends(subject: Box, object_: Box) -> tuple[Place, Place]:
    """Where an arrow leaves the one and meets the other; two opposite arrows keep apart."""
    first, second = (((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in (subject, object_))
    length = math.dist(first, second) or 1.0
    aside = (second[1] - first[1]) / length, (first[0] - second[0]) / length
    shift = 0.3 * (subject[3] - subject[1])
    first, second = ((x + shift * aside[0], y + shift * aside[1]) for x, y in (first, second))
    return _edge(first, second, subject), _edge(second, first, object_)


def _edge(inside: Place, outside: Place, box: Box) -> Place:
    """Where the line from a place inside of a box to one outside crosses its border."""
    dx, dy = outside[0] - inside[0], outside[1] - inside[1]
    shares = [1.0]
    if dx:
        shares.append(((box[2] if dx > 0 else box[0]) - inside[0]) / dx)
    if dy:
        shares.append(((box[3] if dy > 0 else box[1]) - inside[1]) / dy)
    share = max(0.0, min(shares))
    return inside[0] + share * dx, inside[1] + share * dy


def _draw_arrow(pen: ImageDraw.ImageDraw, subject: Box, object_: Box, font_size: float) -> None:
    start, end = _ends(subject, object_)
    pen.line([start, end], fill=_LINE, width=max(1, round(font_size / 9)))
    angle = math.atan2(end[1] - start[1], end[0] - start[0])
    size = 0.6 * font_size
    wings = [(end[0] - size * math.cos(angle + turn), end[1] - size * math.sin(angle + turn)) for turn in (0.4, -0.4)]
    pen.polygon([end, *wings], fill=_LINE)


def _write_predicates(pen: ImageDraw.ImageDraw, edges: Sequence[Edge], boxes: Sequence[Box], font_size: float) -> None:
    """The names of the arrows, each at the place along its arrow that hides the least of what is written already."""
    font = ImageFont.load_default(0.85 * font_size)
    taken = list(boxes)
    for subject, object_, name in edges:
        (x1, y1), (x2, y2) = _ends(boxes[subject], boxes[object_])
        half = font.getlength(name) / 2 + 0.25 * font_size, 0.6 * font_size
        spots = [(x1 + t * (x2 - x1), y1 + t * (y2 - y1)) for t in (0.45, 0.35, 0.55, 0.25, 0.65, 0.15, 0.75)]
        around = [(x - half[0], y - half[1], x + half[0], y + half[1]) for x, y in spots]
        best = min(range(len(spots)), key=lambda place: sum(_shared(around[place], other) for other in taken))
        taken.append(around[best])
        rounded_box(pen, around[best], radius=0.3 * font_size, fill=STRIP)
        pen.text(spots[best], name, font=font, fill=_INK, anchor="mm")


def _shared(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _colours(found: GraphPrediction) -> list[Colour]:
    """The colours that the objects have on the image."""
    seen: Counter[int] = Counter()
    colours = []
    for label in found.labels.tolist():
        colours.append(category_colour(label, seen[label]))
        seen[label] += 1
    return colours
