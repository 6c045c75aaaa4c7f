"""The renderer: what hides what, and from where."""

from __future__ import annotations

import math

import pytest
import torch

from visus.ops.views import cameras, shaded, visible_points


def test_cameras_are_turned_evenly_and_have_right_angles() -> None:
    axes = cameras(12)
    assert torch.allclose(axes @ axes.transpose(1, 2), torch.eye(3).expand(12, 3, 3), atol=1e-6)
    assert torch.linalg.det(axes).tolist() == pytest.approx([1] * 12, abs=1e-5)
    towards = axes[:, 2]
    assert towards[:, 2].tolist() == pytest.approx([math.sin(math.radians(30))] * 12, abs=1e-6)
    assert float(axes[:, 0, 2].abs().max()) < 1e-6, "the horizon is level"
    angles = torch.rad2deg(torch.atan2(towards[:, 1], towards[:, 0]))
    assert torch.equal((angles.round() - 30) % 360, 30.0 * torch.arange(12))


def test_the_nearest_point_is_seen_and_the_order_does_not_matter() -> None:
    axes = cameras(1, elevation=0, first=0)  # looks along -x
    points = torch.tensor([[-0.5, 0, 0], [0.5, 0, 0], [0, 0.5, 0.5]])
    index, nearness = visible_points(points, axes, size=32, radius=0)
    assert sorted(index.unique().tolist()) == [-1, 1, 2]
    row, column = (index[0] == 2).nonzero()[0].tolist()
    assert row < 16 < column, "z is up, y is to the right"
    assert float(nearness[0][index[0] == 1].max()) > float(nearness[0][index[0] == 2].max()) > 0
    turned = visible_points(points.flip(0), axes, size=32, radius=0)
    assert torch.equal(turned[1], nearness)


def test_depths_are_those_of_a_loop() -> None:
    points = torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    axes = cameras(3)
    index, _ = visible_points(points, axes, size=16, radius=1)
    for view in range(3):
        best: dict[tuple[int, int], tuple[float, int]] = {}
        for number, (x, y, z) in enumerate((points @ axes[view].t()).tolist()):
            column, row = math.floor(x * 7.6 + 8), math.floor(8 - y * 7.6)
            for dx, dy in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
                place = (row + dy, column + dx)
                best[place] = min(best.get(place, (9.0, 0)), (1 - z, number))
        wanted = {place: number for place, (_, number) in best.items() if min(place) >= 0 and max(place) < 16}
        found = {(r, c): int(index[view, r, c]) for r, c in (index[view] >= 0).nonzero().tolist()}
        assert found.keys() == wanted.keys()
        assert sum(found[place] == wanted[place] for place in found) >= 0.99 * len(found)


def test_light_falls_on_what_faces_it() -> None:
    axes = cameras(1)
    index = torch.tensor([[[0, 1, -1]]])
    light = torch.tensor([-0.35, 0.55, 0.76]) @ axes[0]
    across = torch.linalg.cross(light, torch.tensor([0.0, 0, 1]))
    bright = shaded(index, torch.stack((light / light.norm(), across / across.norm())), axes)[0, 0]
    assert bright.tolist() == pytest.approx([1.0, 0.25, 0.0], abs=0.01)
