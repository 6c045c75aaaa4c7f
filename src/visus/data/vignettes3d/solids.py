"""Boxes, balls, cylinders and cones as meshes; z is up."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from visus.clouds import Mesh

_ROUND = 14  # corners of what is round
Place = Sequence[float]


def box(size: Place, centre: Place) -> Mesh:
    """A box with sides of ``size`` along x, y and z."""
    corners = torch.cartesian_prod(*[torch.tensor([-0.5, 0.5])] * 3) * torch.tensor(size) + torch.tensor(centre)
    squares = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [triangle for a, b, c, d in squares for triangle in ((a, b, c), (a, c, d))]
    return Mesh(corners, torch.tensor(faces))


def ball(radii: Place, centre: Place) -> Mesh:
    """An ellipsoid with these radii along x, y and z."""
    rings = _ROUND // 2
    heights = torch.linspace(-1, 1, rings + 1) * math.pi / 2
    turns = torch.arange(_ROUND) * (math.tau / _ROUND)
    ring = torch.stack((turns.cos(), turns.sin()), dim=1)
    flat = heights.cos()[:, None, None] * ring
    up = heights.sin()[:, None, None].expand(-1, _ROUND, 1)
    points = torch.cat([flat, up], dim=2).view(-1, 3) * torch.tensor(radii) + torch.tensor(centre)
    return Mesh(points, _between_rings(rings))


def cone(bottom: float, top: float, height: float, centre: Place, *, axis: int = 2) -> Mesh:
    """A cylinder of two radii and its two ends along x (0), y (1) or z (2); a radius of 0 makes a point."""
    turns = torch.arange(_ROUND) * (math.tau / _ROUND)
    rings = [(0.0, -0.5), (bottom, -0.5), (top, 0.5), (0.0, 0.5)]
    points = torch.cat(
        [torch.stack((r * turns.cos(), r * turns.sin(), torch.full_like(turns, z * height)), 1) for r, z in rings]
    )
    return Mesh(points.roll(axis - 2, dims=1) + torch.tensor(centre), _between_rings(3))


def _between_rings(count: int) -> torch.Tensor:
    """The triangles between each of ``count`` + 1 rings of corners and the next."""
    lower = (torch.arange(count)[:, None] * _ROUND + torch.arange(_ROUND)).flatten()
    beside = (torch.arange(count)[:, None] * _ROUND + (torch.arange(_ROUND) + 1) % _ROUND).flatten()
    first = torch.stack((lower, beside, beside + _ROUND), dim=1)
    second = torch.stack((lower, beside + _ROUND, lower + _ROUND), dim=1)
    return torch.cat([first, second])
