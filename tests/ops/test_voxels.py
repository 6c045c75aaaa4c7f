"""Occupied cells of clouds and meshes."""

from __future__ import annotations

import torch

from visus.ops.voxels import voxelise, voxelise_mesh


def test_cells_are_those_of_a_loop() -> None:
    points = torch.rand(2, 50, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 0.5, 0.7])
    grids = voxelise(points, size=12, fit=8)
    for one, grid in zip(points, grids, strict=True):
        low, high = one.amin(0), one.amax(0)
        span = float((high - low).max())
        wanted = {
            tuple(int((x - (a + b) / 2) / span * 7 + 6 + 1e-4) for x, a, b in zip(p, low, high, strict=True))
            for p in one
        }
        assert {tuple(cell) for cell in grid.nonzero().tolist()} == wanted


def test_the_centres_of_cells_give_the_cells_again() -> None:
    grid = torch.rand(24, 24, 24, generator=torch.Generator().manual_seed(1)) < 0.1
    grid[0, 0, 0] = grid[-1, -1, -1] = True
    cells = grid.nonzero().float()
    found = voxelise((0.037 * cells - 0.4)[None], size=32, fit=24)[0]
    assert torch.equal(found[4:28, 4:28, 4:28], grid)
    assert int(found.sum()) == int(grid.sum())


def test_a_mesh_of_a_square_fills_its_plane_without_holes() -> None:
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    grid = voxelise_mesh(vertices, torch.tensor([[0, 1, 2], [0, 2, 3]]), size=20, fit=16)
    assert int(grid.sum()) == 16 * 16
    assert bool(grid.any(dim=0).any(dim=0).sum() == 1), "one layer"
