"""From a plan to pixels: a scene is drawn, and drawn again without the objects that others hide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from visus.data.vignettes.backgrounds import Ground, draw_landscape, draw_room
from visus.data.vignettes.canvas import Canvas, Landmark, Pen, mapped
from visus.data.vignettes.kinds import KINDS
from visus.data.vignettes.light import choose_light, develop
from visus.data.vignettes.scene import Cast, Placement, plan_scene
from visus.data.vignettes.skeleton import FLIP_PAIRS

MIN_AREA = 0.004  # of the picture: less than this of an object is not enough to know it by
MIN_SHARE = 0.12  # of its box


@dataclass(frozen=True)
class Drawing:
    """A finished scene.

    Args:
        image: [3, h, w].
        parts: the part number of each pixel, [h, w].
        owners: the object of each pixel, or stuff from `FIRST_STUFF` on, [h, w].
        areas: how many pixels are seen of each object.
        items: the objects, those farther away first.
        landmarks: the keypoints of each object.
        indoor: whether it is a room.
    """

    image: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    owners: NDArray[np.uint8]
    areas: list[int]
    items: list[Placement]
    landmarks: list[dict[int, Landmark]]
    indoor: bool


def draw_scene(rng: Random, size: tuple[int, int], cast: Cast) -> Drawing:
    """A scene in which enough is seen of each object.

    Args:
        rng: where all chance comes from.
        size: rows and columns of the picture.
        cast: who may appear.
    """
    light, indoor, backdrop = choose_light(rng), rng.random() < 0.5, rng.getrandbits(60)
    canvas, ground = _backdrop(size, indoor, backdrop)
    items = plan_scene(rng, size, ground, cast)
    while True:
        landmarks = [_draw_object(canvas, item, owner) for owner, item in enumerate(items)]
        parts = canvas.part_map()
        owners = mapped(parts, canvas.owner_table())
        areas = owners.histogram()[: len(items)]
        kept = _enough_seen(items, areas, size)
        if len(kept) == len(items):
            break
        items = _only(items, kept) or plan_scene(rng, size, ground, cast)
        canvas, ground = _backdrop(size, indoor, backdrop)
    image = develop(canvas, light, parts, [item.box() for item in items])
    return Drawing(image, np.asarray(parts), np.asarray(owners), areas, items, landmarks, indoor)


def _backdrop(size: tuple[int, int], indoor: bool, seed: int) -> tuple[Canvas, Ground]:
    canvas = Canvas(size)
    draw = draw_room if indoor else draw_landscape
    return canvas, draw(canvas, Random(seed))


def _draw_object(canvas: Canvas, item: Placement, owner: int) -> dict[int, Landmark]:
    """Draws one object and its shadow; returns its keypoints."""
    if item.support < 0:
        half = KINDS[item.category].extents[item.pose].half * item.unit
        canvas.shadow((item.x, item.floor), half * 0.95, half * 0.16, 1.0 if item.y == item.floor else 0.6)
    pen = Pen(canvas, owner, (item.x, item.y), item.unit, item.mirror)
    KINDS[item.category].draw(pen, item.look, item.pose, Random(item.seed))
    return _mirrored(pen.landmarks) if item.mirror else pen.landmarks


def _mirrored(landmarks: dict[int, Landmark]) -> dict[int, Landmark]:
    """The keypoints of a figure that is drawn as in a mirror: what was its left hand is its right one."""
    partner = {a: b for pair in FLIP_PAIRS for a, b in (pair, pair[::-1])}
    return {partner.get(index, index): landmark for index, landmark in landmarks.items()}


def _enough_seen(items: Sequence[Placement], areas: Sequence[int], size: tuple[int, int]) -> list[int]:
    """The places of the objects of which enough is seen, and whose supports are."""
    least = MIN_AREA * size[0] * size[1]
    seen = []
    for place, item in enumerate(items):
        left, top, right, bottom = item.box()
        if areas[place] >= max(least, MIN_SHARE * (right - left) * (bottom - top)):
            seen.append(place)
    return [place for place in seen if items[place].support < 0 or items[place].support in seen]


def _only(items: Sequence[Placement], kept: Sequence[int]) -> list[Placement]:
    """The objects at the places ``kept``, their supports renumbered."""
    renumbered = {-1: -1, **{old: new for new, old in enumerate(kept)}}
    return [replace(items[place], support=renumbered[items[place].support]) for place in kept]
