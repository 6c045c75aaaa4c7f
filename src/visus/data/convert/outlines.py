"""The outline of a mask as polygons, so that run lengths survive in formats that have only polygons."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from torch import Tensor

Corner = tuple[int, int]


def polygons_of(mask: Bool[Tensor, "h w"]) -> list[list[float]]:
    """The closed lines between the pixels of a mask and those around it: one for each part, and one for each hole.

    They follow the edges of the pixels, so that what they enclose is the mask, pixel by pixel.

    Args:
        mask: of one object.

    Returns:
        Polygons as flat lists of x and y in turn; none of an empty mask.
    """
    pixels = np.pad(mask.numpy(), 1)
    down = np.argwhere(pixels[:, 1:] != pixels[:, :-1])  # vertical edges: row, and the pixel to their left
    across = np.argwhere(pixels[1:, :] != pixels[:-1, :])  # horizontal edges: the pixel above them, and column
    steps: dict[Corner, list[Corner]] = {}

    def step(start: Corner, end: Corner) -> None:
        steps.setdefault(start, []).append(end)

    # Walked so that the mask is always on the right hand. Corners are (x, y) of the padded frame less one.
    for row, column in down.tolist():
        top, bottom = (column, row - 1), (column, row)
        step(*((bottom, top) if pixels[row, column + 1] else (top, bottom)))
    for row, column in across.tolist():
        left, right = (column - 1, row), (column, row)
        step(*((left, right) if pixels[row + 1, column] else (right, left)))
    return [[float(value) for corner in loop for value in corner] for loop in _loops(steps)]


def _loops(steps: dict[Corner, list[Corner]]) -> list[list[Corner]]:
    """The steps joined to closed lines, without corners that do not turn."""
    found = []
    while steps:
        start = place = next(iter(steps))
        loop, heading = [start], (0, 0)
        while True:
            ends = steps[place]
            # Where two parts of a mask touch in a corner, turning right keeps them apart.
            chosen = min(ends, key=lambda end: _turn(heading, (end[0] - place[0], end[1] - place[1])))
            ends.remove(chosen)
            if not ends:
                del steps[place]
            heading = (chosen[0] - place[0], chosen[1] - place[1])
            place = chosen
            if place == start:
                break
            loop.append(place)
        found.append(_turning(loop))
    return found


def _turn(before: Corner, after: Corner) -> int:
    """-1 for a turn to the right in an image, whose y points down, 0 for none, 1 for one to the left."""
    return -(before[0] * after[1] - before[1] * after[0])


def _turning(loop: list[Corner]) -> list[Corner]:
    points: NDArray[np.int64] = np.asarray(loop)
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return [corner for corner, turns_here in zip(loop, turns.tolist(), strict=True) if turns_here]
