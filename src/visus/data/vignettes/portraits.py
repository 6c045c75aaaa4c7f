"""Portraits: the part of a drawn scene around one individual, which is seen well and owns most of the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import torch

from visus.data.augment.warp import Span, Warp, warp_image
from visus.data.augment.warp_targets import warp_target
from visus.data.vignettes.canvas import FIRST_STUFF, Canvas, Pen
from visus.data.vignettes.drawing import Drawing, draw_scene
from visus.data.vignettes.kinds import KINDS
from visus.data.vignettes.scene import REFERENCE, Cast, Placement
from visus.types import ClassTarget, Sample

MARGINS = (1.3, 2.2)
ATTEMPTS = 12
WINDOWS = 6
_LEAST_SEEN = 0.7  # of the pixels that it has when nothing hides it
_MOST_OF_ANOTHER = 0.6  # of its own pixels: what another object may own of the window
_SIDES = (160, 288)  # of a scene: smaller ones are crowded, larger ones slow


@dataclass(frozen=True)
class _Window:
    """A square [left, right) x [top, bottom) of a drawing, and how plainly it is a picture of one object."""

    left: int
    top: int
    side: int
    clarity: float


def draw_portrait(stream: Callable[[int], str], cast: Cast, size: int, target: ClassTarget, path: str) -> Sample:
    """A picture of the lead of ``cast``, drawn again from a derived stream while it is hidden or outshone.

    The object is whole as far as it is seen, somewhere in a square window whose side is 1.3 to 2.2 times its own longer
    one. The scene is drawn so large that the window hardly needs resizing.

    Args:
        stream: the key of the random numbers of each attempt.
        cast: who may appear, and the lead.
        size: pixels of the picture's side.
        target: what is said of the picture; its size and box are filled in.
        path: its name in messages.

    Raises:
        ValueError: the cast has no lead.
        RuntimeError: no attempt shows the lead at all.
    """
    if cast.lead is None:
        raise ValueError("a portrait needs a cast with a lead")
    side = _scene_side(cast.lead[0], size)
    best: tuple[_Window, Drawing, int] | None = None
    for attempt in range(ATTEMPTS):
        rng = Random(stream(attempt))
        drawing = draw_scene(rng, (side, side), cast)
        place = _place_of(drawing, cast.lead)
        if place is None:
            continue
        window = _choose_window(rng, drawing, place)
        if best is None or window.clarity > best[0].clarity:
            best = window, drawing, place
        if window.clarity >= 1:
            break
    if best is None:
        raise RuntimeError(f"{path}: no scene of {ATTEMPTS} shows {cast.lead[0]} {cast.lead[1]}")
    return _cut_out(*best, size, target, path)


def _scene_side(category: str, size: int) -> int:
    """The side of a scene in which a usual object of the category fills a usual share of a window of ``size``."""
    kind = KINDS[category]
    extent = kind.extents[kind.poses()[0]]
    longer = sum(kind.sizes) / 2 * max(2 * extent.half, extent.up + extent.down)
    wanted = REFERENCE * size / (longer * sum(MARGINS) / 2)
    return min(max(round(wanted / 32) * 32, _SIDES[0]), _SIDES[1])


def _place_of(drawing: Drawing, lead: tuple[str, int]) -> int | None:
    """Where the lead stands in the drawing's list, None where it was hidden and left out."""
    places = [place for place, item in enumerate(drawing.items) if (item.category, item.number) == lead]
    return max(places, key=lambda place: drawing.areas[place], default=None)


def _choose_window(rng: Random, drawing: Drawing, place: int) -> _Window:
    """The first of some random windows around an object that is plainly a picture of it, or else the plainest."""
    seen = drawing.areas[place] / _whole_area(drawing.items[place]) / _LEAST_SEEN
    left, top, right, bottom = _box(drawing, place)
    height, width = drawing.owners.shape
    windows: list[_Window] = []
    while not windows or (seen >= 1 > windows[-1].clarity and len(windows) < WINDOWS):
        side = min(round(max(right - left, bottom - top) * rng.uniform(*MARGINS)), height, width)
        x, y = _start(rng, left, right, side, width), _start(rng, top, bottom, side, height)
        owned = np.bincount(drawing.owners[y : y + side, x : x + side].ravel(), minlength=len(drawing.items)).tolist()
        largest = max((owned[i] for i in range(len(drawing.items)) if i != place), default=0)
        windows.append(_Window(x, y, side, min(seen, _MOST_OF_ANOTHER * owned[place] / max(largest, 1))))
    return max(windows, key=lambda window: window.clarity)


def _box(drawing: Drawing, place: int) -> tuple[int, int, int, int]:
    """The xyxy bounds of what is seen of an object."""
    mask = drawing.owners == place
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _start(rng: Random, low: int, high: int, side: int, limit: int) -> int:
    """Where a window of ``side`` begins that holds [low, high) and lies inside [0, limit)."""
    return rng.randint(max(high - side, 0), min(low, limit - side))


def _whole_area(item: Placement) -> int:
    """The pixels that an object has when nothing hides it and no edge cuts it."""
    left, top, right, bottom = item.box()
    rim = 0.25 * item.unit  # boxes of plans are rough
    canvas = Canvas((round(bottom - top + 2 * rim), round(right - left + 2 * rim)))
    canvas.ink(FIRST_STUFF, (0, 0, 0))  # part 0 is what stays blank
    pen = Pen(canvas, 0, (item.x - left + rim, item.y - top + rim), item.unit, item.mirror)
    KINDS[item.category].draw(pen, item.look, item.pose, Random(item.seed))
    return sum(canvas.part_map().histogram()[1:])


def _cut_out(window: _Window, drawing: Drawing, place: int, size: int, target: ClassTarget, path: str) -> Sample:
    """The window, resized, and the target with the object's box in it."""
    rows, columns = (Span((start, start + window.side), (0, size)) for start in (window.top, window.left))
    warp = Warp(rows=rows, columns=columns, canvas=(size, size))
    box = torch.tensor(_box(drawing, place), dtype=torch.float32)
    image = warp_image(torch.from_numpy(drawing.image), warp)
    height, width = drawing.owners.shape
    return Sample(image, warp_target(replace(target, size=(height, width), box_xyxy=box), warp), path)
