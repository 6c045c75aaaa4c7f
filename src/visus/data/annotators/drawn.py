"""An image as a program for annotating shows it: objects with what is drawn of each, and the classes of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor

from visus.data.formats.coco_segments import draw_segments, segmentation_of
from visus.data.formats.coco_values import Record
from visus.ops.masks import masks_to_boxes

_HIDDEN = 1.0  # COCO's visibility of a keypoint that is labelled and cannot be seen


@dataclass(frozen=True)
class Point:
    """A keypoint that is labelled, in pixels."""

    name: str
    x: float
    y: float
    hidden: bool


@dataclass(frozen=True)
class Drawn:
    """An object: polygons or a mask where there is an outline, else its box.

    Args:
        name: of its category.
        label: of its category, from 0.
        box_xyxy: its box.
        polygons: the parts of its outline, as flat lists of x and y.
        mask: its pixels, where the outline is no polygon.
        points: its keypoints.
        score: how sure a model is; None where a person drew it.
    """

    name: str
    label: int
    box_xyxy: tuple[float, float, float, float]
    polygons: tuple[list[float], ...] = ()
    mask: Bool[Tensor, "h w"] | None = None
    points: tuple[Point, ...] = ()
    score: float | None = None


@dataclass(frozen=True)
class DrawnImage:
    """An image and what is drawn on it.

    Args:
        name: what the program is to call it.
        size: (h, w) of the upright image.
        objects: on it.
        classes: names of classes of the whole image, with their scores.
    """

    name: str
    size: tuple[int, int]
    objects: tuple[Drawn, ...]
    classes: tuple[tuple[str, float], ...] = ()


def drawn_object(thing: Record, categories: Sequence[Record], size: tuple[int, int]) -> Drawn:
    """An object of COCO's format, whose ``category_id`` counts ``categories`` from 0.

    Args:
        thing: with ``bbox``; perhaps ``segmentation``, ``keypoints`` and ``score``.
        categories: with ``name`` and perhaps ``keypoints``, the names of these.
        size: (h, w) of the image, for run lengths.
    """
    category = categories[thing["category_id"]]
    left, top, wide, high = thing["bbox"]
    outline = segmentation_of(thing)
    mask = draw_segments([outline], size)[0] if isinstance(outline, dict) else None
    flat = thing.get("keypoints") or []
    places = zip(category.get("keypoints") or [], flat[::3], flat[1::3], flat[2::3], strict=False)
    return Drawn(
        name=category["name"],
        label=thing["category_id"],
        box_xyxy=(left, top, left + wide, top + high),
        polygons=tuple(outline) if isinstance(outline, list) else (),
        mask=mask if mask is not None and bool(mask.any()) else None,
        points=tuple(Point(name, float(x), float(y), v == _HIDDEN) for name, x, y, v in places if v > 0),
        score=thing.get("score"),
    )


def cropped(mask: Bool[Tensor, "h w"]) -> tuple[int, int, Bool[Tensor, "h w"]]:
    """The left and upper edge of a mask with pixels, and the part of it that has them."""
    left, top, right, bottom = (int(edge) for edge in masks_to_boxes(mask[None])[0].tolist())
    return left, top, mask[top:bottom, left:right]


def rounded(values: Sequence[float], digits: int = 3) -> list[float]:
    """Coordinates with as many digits as anybody draws."""
    return [round(float(value), digits) for value in values]


def pairs(flat: Sequence[float]) -> list[list[float]]:
    """A flat list of x and y as points."""
    return [[x, y] for x, y in zip(flat[::2], flat[1::2], strict=True)]
