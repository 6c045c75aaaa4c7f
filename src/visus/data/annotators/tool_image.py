"""An image as a program for annotating wrote it down: objects with all that was drawn of each, and what was left out.

Each program's format makes `ToolImage` of its files; `visus.data.annotators.tool_folder` makes data sets of those.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jaxtyping import Bool
from torch import Tensor

from visus.data.errors import AnnotationError
from visus.data.formats.coco_segments import draw_segments, polygon_area
from visus.data.formats.coco_values import Record
from visus.ops.masks import masks_to_boxes, rle_encode

Finding = tuple[str, Literal["error", "warning"], str]
"""What is wrong: its kind, how bad it is, and which shape it is about."""

Paste = Callable[[Bool[Tensor, "h w"]], None]
"""Adds a mask to the pixels of an object; raises a ValueError where it cannot be read."""

GAP = 0.1
"""Pixels between an ellipse and the polygon that stands for it."""
MOST = 1000
"""Corners of a quarter of an ellipse, at most: enough for any image."""


@dataclass
class ToolObject:
    """An object: its shapes, and its keypoints (x, y, visibility) by name.

    Args:
        label: of all its shapes.
        number: of its first shape in its image, from 1.
        group: what its shapes have in common.
        polygons: the corners of each shape but masks, x and y in turn.
        masks: the number of each mask, and what adds it.
        outlined: whether it is more than rectangles.
        shapes: each shape as text, to find those that occur twice.
        points: keypoints in pixels.
    """

    label: str
    number: int
    group: Hashable = None
    polygons: list[list[float]] = field(default_factory=list)
    masks: list[tuple[int, Paste]] = field(default_factory=list)
    outlined: bool = False
    shapes: list[str] = field(default_factory=list)
    points: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    def add(self, other: ToolObject) -> None:
        """Adds the shapes of another object, which is a part of this one."""
        self.polygons += other.polygons
        self.masks += other.masks
        self.outlined |= other.outlined
        self.shapes += other.shapes


@dataclass(frozen=True)
class ToolImage:
    """What a file says of an image.

    Args:
        source: the file.
        image: of the image; the same file where the image is only inside.
        size: the (h, w) of the image, None where the file does not say it.
        objects: in the order of their first shapes.
        findings: what is wrong with it.
        split: which it belongs to, empty where nothing says it.
        listed: what a list of a split calls it: its path seen from the folder, without ending.
        about: which image of its file it is, for messages; empty where there is only one.
    """

    source: Path
    image: Path
    size: tuple[int, int] | None
    objects: tuple[ToolObject, ...]
    findings: tuple[Finding, ...]
    split: str
    listed: Path
    about: str = ""


def coco_object(image: ToolImage, thing: ToolObject, size_of: Callable[[Path], tuple[int, int]]) -> Record:
    """The box, the area and, where it is more than rectangles, the outline of an object, as in COCO's format.

    Args:
        image: that it is on.
        thing: the object; without a shape, its box is that of its keypoints, a pixel wider on each side.
        size_of: gives the (h, w) of an image file, which a mask needs.

    Raises:
        AnnotationError: a mask that cannot be read.
        ImageError: a mask needs the size of an image that cannot be read.
    """
    if thing.masks:
        size = image.size or size_of(image.image)
        drawn = draw_segments([[polygon] for polygon in thing.polygons], size).any(dim=0)
        for number, paste in thing.masks:
            try:
                paste(drawn)
            except ValueError as error:
                where = f"{image.source}: {image.about}shape {number}"
                raise AnnotationError(f"{where} has an unusable mask ({error})") from error
        left, top, right, bottom = masks_to_boxes(drawn[None])[0].tolist()
        return {"bbox": [left, top, right - left, bottom - top], "segmentation": dict(rle_encode(drawn))}
    around = 0 if thing.polygons else 1
    polygons = thing.polygons or [[value for x, y, _ in thing.points.values() for value in (x, y)]]
    across = [x for polygon in polygons for x in polygon[::2]]
    down = [y for polygon in polygons for y in polygon[1::2]]
    left, top = min(across) - around, min(down) - around
    box = [left, top, max(across) + around - left, max(down) + around - top]
    if not thing.outlined:
        return {"bbox": box, "area": box[2] * box[3]}
    # The pixels of several polygons, which may overlap, are counted later.
    area = {"area": polygon_area(polygons[0])} if len(polygons) == 1 else {}
    return {"bbox": box, "segmentation": polygons, **area}


def rectangle(left: float, top: float, right: float, bottom: float) -> list[float]:
    """The corners of a rectangle, x and y in turn."""
    return [left, top, right, top, right, bottom, left, bottom]


def ellipse(x: float, y: float, radius_x: float, radius_y: float) -> list[float]:
    """The corners of a polygon that stands for an ellipse around (x, y)."""
    radius = max(radius_x, radius_y)
    fitting = math.pi / 4 / math.acos(max(1 - GAP / max(radius, GAP), 0))
    quarter = min(max(4, math.ceil(fitting)), MOST)
    angles = [math.tau * turn / (4 * quarter) for turn in range(4 * quarter)]  # four of them touch the box
    return [value for angle in angles for value in (x + radius_x * math.cos(angle), y + radius_y * math.sin(angle))]


def turned(polygon: list[float], x: float, y: float, degrees: float) -> list[float]:
    """A polygon turned clockwise around (x, y)."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    away = [(one - x, other - y) for one, other in zip(polygon[::2], polygon[1::2], strict=True)]
    return [value for a, b in away for value in (x + cosine * a - sine * b, y + sine * a + cosine * b)]


def paste_part(drawn: Bool[Tensor, "h w"], part: Bool[Tensor, "a b"], left: int, top: int) -> None:
    """Adds a part of an image whose first pixel is at (left, top); what lies outside is cut off."""
    part = part[max(-top, 0) :, max(-left, 0) :]
    window = drawn[max(top, 0) :, max(left, 0) :][: part.shape[0], : part.shape[1]]
    window |= part[: window.shape[0], : window.shape[1]]
