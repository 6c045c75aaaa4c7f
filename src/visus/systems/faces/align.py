"""A face cut out of its image, turned upright and brought to one size by its five points.

The points of a mean face, in shares of a square, are where the points of the face go, by the similarity that brings
them nearest. A face much larger than the square is first halved with a smoothing of 5 x 5 pixels, as often as it takes,
so that the bilinear interpolation skips no pixels. These are the steps of dlib's ``get_face_chip``, which the embedding
learned from.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from visus.systems.faces.landmarks import similarity

SIDE: Final = 150
"""Pixels of a side of what the embedding looks at."""

PADDING: Final = 0.25
"""Of the face around its mean points, as a share of their square."""

MEAN_FACE: Final = (
    (0.8595674595992, 0.2134981538014),
    (0.6460604764104, 0.2289674387677),
    (0.1205750620789, 0.2137274526848),
    (0.3340850613712, 0.2290642403242),
    (0.4901123135679, 0.6277975316475),
)
KERNEL: Final = (1, 4, 6, 4, 1)
"""Of the smoothing, along one side, in 16ths."""


def align_faces(
    image: Shaped[Tensor, "3 h w"], points: Float[Tensor, "n 5 2"], *, side: int = SIDE, padding: float = PADDING
) -> UInt8[Tensor, "n 3 side side"]:
    """Cuts the faces out of an image. What lies outside of the image is black.

    Args:
        image: uint8 in 0..255 or float in 0..1.
        points: x and y of the five points of each face, in the order of `visus.systems.faces.landmarks.NAMES`.
        side: of the squares, in pixels.
        padding: around the mean face, as a share of its square.

    Raises:
        ValueError: the five points of a face are one.
    """
    pixels = image if image.dtype == torch.uint8 else (image * 255).round().to(torch.uint8)
    mean = (torch.tensor(MEAN_FACE, dtype=torch.float64, device=points.device) + padding) / (2 * padding + 1) * side
    maps = similarity(mean.expand(len(points), -1, -1), points.double())
    faces = [_face(pixels, one, side) for one in maps]
    return torch.stack(faces) if faces else pixels.new_zeros((0, 3, side, side))


def _face(image: Tensor, to_image: Float[Tensor, "2 3"], side: int) -> UInt8[Tensor, "3 side side"]:
    """One face; ``to_image`` brings a place in the square to its place in the image."""
    scale = math.hypot(float(to_image[0, 0]), float(to_image[1, 0]))
    if scale == 0:
        raise ValueError("the five points of a face are one and the same")
    # The square as a box around its middle, whose outermost pixels are its corners, and the turn around that middle.
    middle = to_image @ to_image.new_tensor([side // 2, side // 2, 1])
    half, turn = (side * scale - 1) / 2, to_image[:, :2] / scale
    corner, far = middle - half, middle + half
    halvings = 0
    while _area(_down(corner, halvings + 1), _down(far, halvings + 1)) > side * side:
        halvings += 1
    image, crop = _surroundings(image, middle, half, turn, halvings)
    corner, far = _down(corner - crop, halvings), _down(far - crop, halvings)
    for _ in range(halvings):
        image = _halved(image)
    steps = torch.arange(side, dtype=torch.float64, device=image.device) / (side - 1) * 2 - 1
    way = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1) * (far - corner) / 2  # [side, side, 2]
    return _interpolated(image, way @ turn.T + (corner + far) / 2)


def _area(corner: Tensor, far: Tensor) -> float:
    return float((far - corner + 1).prod())


def _down(place: Float[Tensor, " 2"], times: int) -> Float[Tensor, " 2"]:
    """Where a place of an image lies once the image is halved so many times."""
    for _ in range(times):
        place = place / 2 - place.new_tensor([1.25, 0.75])
    return place


def _surroundings(
    image: Tensor, middle: Tensor, half: float, turn: Tensor, halvings: int
) -> tuple[Tensor, Float[Tensor, " 2"]]:
    """What of the image is needed, with a margin that no smoothing reaches across, and its corner."""
    margin = 2.0
    for _ in range(halvings):
        margin = 2 * margin + 2
    signs = turn.new_tensor([[-1, -1], [1, -1], [-1, 1], [1, 1]])
    corners = signs * half @ turn.T + middle
    edges = torch.tensor([image.shape[2] - 1, image.shape[1] - 1], dtype=torch.float64, device=image.device)
    low = (corners.amin(dim=0) - margin).clamp_min(0).minimum(edges)
    high = (corners.amax(dim=0) + margin).clamp_min(0).minimum(edges)
    left, top, right, bottom = (math.floor(float(value) + 0.5) for value in (*low, *high))
    return image[:, top : bottom + 1, left : right + 1], low.new_tensor([left, top])


def _halved(image: UInt8[Tensor, "3 _ _"]) -> UInt8[Tensor, "3 _ _"]:
    """Every other pixel of the smoothed image, without the two at its edges."""
    if min(image.shape[1:]) <= 8:
        return image[:, :0, :0]
    height, width = ((side - 3) // 2 for side in image.shape[1:])
    whole = image.int()
    rows = torch.stack([factor * whole[:, :, i : i + 2 * width : 2] for i, factor in enumerate(KERNEL)]).sum(dim=0)
    smooth = torch.stack([factor * rows[:, i : i + 2 * height : 2] for i, factor in enumerate(KERNEL)]).sum(dim=0)
    return (smooth // 256).to(torch.uint8)


def _interpolated(image: UInt8[Tensor, "3 h w"], places: Float[Tensor, "side side 2"]) -> UInt8[Tensor, "3 side side"]:
    """The pixels at x and y, bilinear; black where one of the four around is missing."""
    _, height, width = image.shape
    low = places.floor()
    x, y = low.long().unbind(-1)
    inside = (x >= 0) & (y >= 0) & (x + 1 < width) & (y + 1 < height)
    if min(height, width) < 2:
        return image.new_zeros((3, *places.shape[:2]))
    x, y = x.clamp(0, width - 2), y.clamp(0, height - 2)
    right, lower = (places - low).unbind(-1)
    above = image[:, y, x] * (1 - right) + image[:, y, x + 1] * right
    below = image[:, y + 1, x] * (1 - right) + image[:, y + 1, x + 1] * right
    return ((above * (1 - lower) + below * lower) * inside).to(torch.uint8)
