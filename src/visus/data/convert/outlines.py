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


def simple_polygons_of(mask: Bool[Tensor, "h w"], *, tolerance: float = 1.0) -> list[list[float]]:
    """The outlines of the parts of a mask with few corners, for people to move; holes are filled.

    Ramer, "An iterative procedure for the polygonal approximation of plane curves", 1972; Douglas and Peucker, 1973.

    Args:
        mask: of one object.
        tolerance: pixels by which a corner that is left out may be off the line that replaces it.

    Returns:
        Polygons as flat lists of x and y in turn, the largest first; parts that no three corners describe are left out.
    """
    found: list[tuple[float, list[float]]] = []
    for flat in polygons_of(mask):
        points = np.asarray(flat).reshape(-1, 2)
        x, y = points.T
        area = float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)
        if area > 0:  # a hole is walked the other way round
            far = int(((points - points[0]) ** 2).sum(1).argmax())
            first, second = (
                _fewer(points[: far + 1], tolerance),
                _fewer(np.vstack((points[far:], points[:1])), tolerance),
            )
            corners = np.vstack((first[:-1], second[:-1]))
            if len(corners) > 2:
                found.append((area, [float(value) for value in corners.reshape(-1)]))
    return [polygon for _, polygon in sorted(found, key=lambda one: -one[0])]


def _fewer(points: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """The points of a line that keep all others within the tolerance; its ends stay."""
    kept = np.zeros(len(points), bool)
    kept[[0, -1]] = True
    waiting = [(0, len(points) - 1)]
    while waiting:
        begin, end = waiting.pop()
        if end - begin < 2:
            continue
        along, between = points[end] - points[begin], points[begin + 1 : end] - points[begin]
        length = float(np.hypot(*along))
        away = np.abs(along[0] * between[:, 1] - along[1] * between[:, 0]) / length if length else np.hypot(*between.T)
        worst = int(away.argmax())
        if away[worst] > tolerance:
            kept[middle := begin + 1 + worst] = True
            waiting += [(begin, middle), (middle, end)]
    return points[kept]


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
