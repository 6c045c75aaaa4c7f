"""Shapes as grids of occupied cells."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

_TIE = 1e-4
"""Points that lie on the border of two cells but for rounding belong to the upper one."""


def voxelise(points: Float[Tensor, "b n 3"], *, size: int = 32, fit: int = 24) -> Bool[Tensor, "b size size size"]:
    """Which cells of a cube hold a point of each cloud.

    As in VoxNet (Maturana and Scherer, IROS 2015, section III): the longest side of the bounding box takes ``fit``
    cells in the middle of ``size``. A cloud that is itself the centres of cells gives these cells again.

    Args:
        points: the clouds.
        size: cells along each side of the cube.
        fit: cells along the longest side of the shape.
    """
    low, high = points.amin(dim=1, keepdim=True), points.amax(dim=1, keepdim=True)
    span = (high - low).amax(dim=2, keepdim=True).clamp(min=1e-12)
    cells = (points - (low + high) / 2) / span * (fit - 1) + size / 2
    return _occupied((cells + _TIE).floor().long(), size)


def voxelise_mesh(
    vertices: Float[Tensor, "v 3"], faces: Int64[Tensor, "f 3"], *, size: int = 32, fit: int = 24
) -> Bool[Tensor, "size size size"]:
    """Which cells of a cube the surface of a mesh passes through; ``size`` and ``fit`` as for `voxelise`.

    Each face is divided until its parts are half a cell apart, so that no cell is missed but for its corners.
    """
    span = float((vertices.amax(dim=0) - vertices.amin(dim=0)).max().clamp(min=1e-12))
    corners = vertices[faces]  # [f, 3, 3]
    edges = (corners - corners.roll(1, dims=1)).norm(dim=2).amax(dim=1)
    steps = (edges * (2 * fit / span)).ceil().long().clamp(min=1)
    parts = [
        torch.einsum("pk,fkd->fpd", _lattice(count).to(vertices), corners[steps == count]).flatten(0, 1)
        for count in sorted({*steps.tolist()})
    ]
    return voxelise(torch.cat([corners.flatten(0, 1), *parts])[None], size=size, fit=fit)[0]


def _lattice(steps: int) -> Tensor:
    """Weights [p 3] of the corners of a triangle for points in equal steps."""
    first, second = torch.meshgrid(torch.arange(steps + 1), torch.arange(steps + 1), indexing="ij")
    inside = first + second <= steps
    a, b = first[inside], second[inside]
    return torch.stack((a, b, steps - a - b), dim=1) / steps


def _occupied(cells: Tensor, size: int) -> Tensor:
    """The grids in which the cells [b n 3] are set."""
    cells = cells.clamp(0, size - 1)
    grid = torch.zeros(len(cells), size**3, dtype=torch.bool, device=cells.device)
    grid.scatter_(1, (cells[..., 0] * size + cells[..., 1]) * size + cells[..., 2], True)
    return grid.view(-1, size, size, size)
