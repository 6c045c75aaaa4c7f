"""A small renderer of point clouds: what is seen of a shape from around it, by a z-buffer that is one scatter.

Orthographic, with a light beside the camera. The nearest point of each pixel is found by the minimum of (depth, index)
as one whole number, which does not depend on the order in which a device works.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

_DEPTHS = 1 << 20  # steps in which depth is told apart
_MARGIN = 0.95  # of the picture that the unit sphere takes
_AMBIENT = 0.25


def cameras(count: int, *, elevation: float = 30.0, first: float = 30.0) -> Float[Tensor, "count 3 3"]:
    """The axes (right, up, towards the camera) of cameras around a shape whose up is z, in equal steps.

    MVCNN's first arrangement (arXiv 1505.00880, section 3.1): 12 of them every 30 degrees, 30 degrees above the ground.

    Args:
        count: of cameras.
        elevation: above the ground, in degrees.
        first: the azimuth of the first, in degrees.
    """
    turn = torch.deg2rad(first + torch.arange(count, dtype=torch.float64) * 360 / count)
    height = math.radians(elevation)
    zero = torch.zeros_like(turn)
    towards = torch.stack((turn.cos() * math.cos(height), turn.sin() * math.cos(height), zero + math.sin(height)), 1)
    right = torch.stack((-turn.sin(), turn.cos(), zero), dim=1)
    up = torch.linalg.cross(towards, right)
    return torch.stack((right, up, towards), dim=1).float()


@torch.no_grad()
def visible_points(
    points: Float[Tensor, "n 3"], axes: Float[Tensor, "v 3 3"], *, size: int, radius: float
) -> tuple[Int64[Tensor, "v size size"], Float[Tensor, "v size size"]]:
    """Which point is seen in each pixel of each view, -1 for none, and how near it is (1 nearest, 0 for none).

    Args:
        points: inside of the unit sphere.
        axes: of the cameras, see `cameras`.
        size: rows and columns of a view.
        radius: of the disc that is drawn of each point, in pixels.
    """
    seen = torch.einsum("vkd,nd->vkn", axes, points)  # right, up, towards the camera
    half = size / 2
    columns, rows = seen[:, 0] * (_MARGIN * half) + half, half - seen[:, 1] * (_MARGIN * half)
    depths = ((1 - seen[:, 2]).clamp(0, 2) * ((_DEPTHS - 1) / 2)).long()
    keys = depths * len(points) + torch.arange(len(points), device=points.device)
    shifts = _disc(radius).to(points.device)
    x = columns.floor().long()[..., None] + shifts[:, 0]  # [v, n, s]
    y = rows.floor().long()[..., None] + shifts[:, 1]
    inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
    places = torch.where(inside, y * size + x, size * size).flatten(1)
    empty = _DEPTHS * len(points)
    buffer = torch.full((len(axes), size * size + 1), empty, dtype=torch.int64, device=points.device)
    buffer.scatter_reduce_(1, places, keys[..., None].expand(-1, -1, len(shifts)).flatten(1), "amin")
    buffer = buffer[:, :-1].view(-1, size, size)
    index = torch.where(buffer < empty, buffer % len(points), -1)
    nearness = 1 - (buffer // len(points)).float() / _DEPTHS
    return index, nearness.clamp(min=0)


@torch.no_grad()
def shaded(
    index: Int64[Tensor, "v h w"], normals: Float[Tensor, "n 3"], axes: Float[Tensor, "v 3 3"]
) -> Float[Tensor, "v h w"]:
    """How bright each pixel is, from 0 to 1, where nothing is 0; both sides of a surface are lit.

    Args:
        index: the point in each pixel, -1 for none.
        normals: of the points.
        axes: of the cameras.
    """
    light = axes.new_tensor([-0.35, 0.55, 0.76]) @ axes  # [v, 3]: above the left shoulder
    facing = torch.einsum("vd,nd->vn", light, normals).abs()
    bright = _AMBIENT + (1 - _AMBIENT) * facing
    found = bright.gather(1, index.clamp(min=0).flatten(1)).view(index.shape)
    return torch.where(index >= 0, found, 0.0)


def _disc(radius: float) -> Tensor:
    """Whole steps (x, y) of at most ``radius``."""
    reach = torch.arange(-math.floor(radius), math.floor(radius) + 1)
    steps = torch.cartesian_prod(reach, reach).view(-1, 2)
    return steps[steps.square().sum(dim=1) <= radius**2]
