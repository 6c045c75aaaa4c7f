"""Operators on point clouds against loops over points, closed forms and a second library."""

from __future__ import annotations

import fpsample
import numpy as np
import pytest
import torch
from torch import Tensor

from visus.ops.errors import PointsError
from visus.ops.points import (
    ball_query,
    estimated_normals,
    farthest_points,
    gathered,
    nearest_points,
    sample_surface,
    unit_sphere,
)


def cloud(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


SQUARES = torch.tensor([[-1.0, -1], [-1, 1], [1, 1], [1, -1], [-2, -2], [-2, 2], [2, 2], [2, -2]])


def test_farthest_points_of_the_corners_of_squares() -> None:
    """Two squares as two clouds, and as one."""
    assert farthest_points(SQUARES.view(2, 4, 2), 2).tolist() == [[0, 2], [0, 2]]
    assert sorted(farthest_points(SQUARES[None], 4)[0].tolist()) == [0, 5, 6, 7]


def farthest_by_loops(points: Tensor, count: int, start: int) -> list[int]:
    chosen = [start]
    while len(chosen) < count:
        nearest = [min(float(((p - points[c]) ** 2).sum()) for c in chosen) for p in points]
        chosen.append(max(range(len(points)), key=lambda i: (nearest[i], -i)))
    return chosen


@pytest.mark.parametrize("start", [0, 7])
def test_farthest_points_are_those_of_a_loop(start: int) -> None:
    points = cloud(2, 40, 3)
    assert farthest_points(points, 12, start=start).tolist() == [farthest_by_loops(one, 12, start) for one in points]


def test_farthest_points_are_those_of_fpsample() -> None:
    points = cloud(3, 500, 3, seed=1)
    found = farthest_points(points, 60)
    for one, index in zip(points, found, strict=True):
        assert np.array_equal(fpsample.fps_sampling(one.numpy(), 60, start_idx=0), index.numpy())


def test_farthest_points_repeat_and_are_all_different() -> None:
    points = cloud(1, 64, 3)
    assert torch.equal(farthest_points(points, 64), farthest_points(points, 64))
    assert sorted(farthest_points(points, 64)[0].tolist()) == list(range(64))
    with pytest.raises(PointsError, match="65 farthest points of 64"):
        farthest_points(points, 65)


def test_a_ball_has_its_first_points_in_their_order_and_repeats_the_first() -> None:
    points, centres = cloud(2, 60, 3), cloud(2, 9, 3, seed=1)
    found = ball_query(points, centres, 0.3, 8)
    for b in range(2):
        for m in range(9):
            distances = ((points[b] - centres[b, m]) ** 2).sum(1)
            inside = (distances < 0.09).nonzero()[:, 0].tolist()[:8] or [int(distances.argmin())]
            assert found[b, m].tolist() == inside + [inside[0]] * (8 - len(inside))


@pytest.mark.parametrize(("length", "axes"), [(50, 3), (3000, 3), (700, 16)])
def test_nearest_points_are_those_of_a_full_sort(length: int, axes: int) -> None:
    points = cloud(2, length, axes)
    centres = points[:, :20]
    found = nearest_points(points, centres, 7)
    exact = torch.cdist(centres.double(), points.double()).argsort(dim=2)[..., :7]
    assert torch.equal(found[..., 0], torch.arange(20).expand(2, 20)), "a point is nearest to itself"
    assert float((found == exact).double().mean()) > 0.99
    with pytest.raises(PointsError, match="nearest points of"):
        nearest_points(points, centres, length + 1)


def test_gathering_takes_neighbours_of_each_cloud() -> None:
    values, index = cloud(2, 10, 4), torch.randint(0, 10, (2, 5, 3))
    found = gathered(values, index)
    for b in range(2):
        assert torch.equal(found[b], values[b][index[b]])


def test_the_unit_does_not_matter() -> None:
    points = cloud(30, 3)
    once, again = unit_sphere(points), unit_sphere(1000 * points + 5)
    torch.testing.assert_close(once, again, rtol=0, atol=1e-4)
    assert float(once.norm(dim=1).max()) == pytest.approx(1)
    assert float(once.mean(0).norm()) < 1e-6


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (torch.zeros(0, 3), "without a point"),
        (torch.ones(5, 3), "in one place"),
        (torch.tensor([[0.0, 0, float("nan")], [1, 1, 1]]), "1 points that are not finite"),
    ],
)
def test_what_has_no_shape_is_refused(points: Tensor, message: str) -> None:
    with pytest.raises(PointsError, match=message):
        unit_sphere(points)


def test_a_surface_is_sampled_evenly_by_area() -> None:
    """A triangle three times as large as another gets three quarters of the points, which lie inside of it."""
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [3, 0, 1], [0, 1, 1]])
    faces = torch.tensor([[0, 1, 2], [3, 4, 5]])
    points, normals, owners = sample_surface(vertices, faces, 4000, torch.Generator().manual_seed(0))
    assert float((owners == 1).double().mean()) == pytest.approx(0.75, abs=0.02)
    assert torch.equal(normals, torch.tensor([[0.0, 0, 1]]).expand(4000, 3))
    assert torch.equal(points[:, 2], owners.float())
    small = points[owners == 0]
    assert bool((small[:, :2].sum(1) <= 1 + 1e-6).all())
    assert small.mean(0).tolist() == pytest.approx([1 / 3, 1 / 3, 0], abs=0.03)
    again, _, _ = sample_surface(vertices, faces, 4000, torch.Generator().manual_seed(0))
    assert torch.equal(points, again)
    with pytest.raises(PointsError, match="no area"):
        sample_surface(vertices, torch.tensor([[0, 0, 1]]), 10, torch.Generator())


def test_normals_of_a_ball_point_outwards_or_inwards() -> None:
    points = torch.nn.functional.normalize(torch.randn(600, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    along = (estimated_normals(points) * points).sum(1).abs()
    assert float(along.mean()) > 0.97
