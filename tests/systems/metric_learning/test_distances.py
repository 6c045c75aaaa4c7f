"""Distances of a batch against torch's, and their gradients at 0."""

from __future__ import annotations

import pytest
import torch

from visus.systems.metric_learning.losses.distances import (
    distances_of,
    distances_of_pairs,
    loss_with_slopes,
    pairwise_distances,
    positive_pairs,
    safe_root,
    unit_length,
)

GENERATOR = torch.Generator().manual_seed(0)
POINTS = torch.randn(9, 4, generator=GENERATOR, dtype=torch.float64)


@pytest.mark.parametrize("squared", [False, True])
def test_all_distances(squared: bool) -> None:
    expected = torch.linalg.vector_norm(POINTS[:, None] - POINTS, dim=2)
    found = pairwise_distances(POINTS, squared=squared)
    torch.testing.assert_close(found, expected.square() if squared else expected)
    weights = torch.randn(9, 9, generator=GENERATOR, dtype=torch.float64)
    points = POINTS.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: (pairwise_distances(x, squared=squared) * weights).sum(), points)


@pytest.mark.parametrize("count", [3, 60])
def test_some_distances_few_or_many(count: int) -> None:
    """Few pairs take the sparse way, many the dense one; pairs may repeat and lie on the diagonal."""
    rows = torch.randint(9, (count,), generator=GENERATOR)
    columns = torch.randint(9, (count,), generator=GENERATOR)
    rows[0] = columns[0]
    weights = torch.randn(count, generator=GENERATOR, dtype=torch.float64)
    points = POINTS.clone().requires_grad_()

    def loss(x: torch.Tensor) -> torch.Tensor:
        return (safe_root(distances_of_pairs(distances_of(x), rows, columns)) * weights).sum()

    expected = (torch.linalg.vector_norm(POINTS[rows] - POINTS[columns], dim=1) * weights).sum()
    torch.testing.assert_close(loss(points).detach(), expected)
    assert torch.autograd.gradcheck(loss, points)


@pytest.mark.parametrize("symmetric", [False, True])
def test_known_slopes(symmetric: bool) -> None:
    slopes = torch.randn(9, 9, generator=GENERATOR, dtype=torch.float64)
    slopes = slopes + slopes.T if symmetric else slopes

    def loss(x: torch.Tensor) -> torch.Tensor:
        found = distances_of(x)
        return 3 * loss_with_slopes(found, (found.squared * slopes).sum().detach(), slopes, symmetric=symmetric)

    assert torch.autograd.gradcheck(loss, POINTS.clone().requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("length", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("dimensions", [3, 64, 515, 2048])
def test_equal_points_are_at_distance_zero_exactly(dtype: torch.dtype, length: float, dimensions: int) -> None:
    points = torch.randn(70, dimensions, generator=GENERATOR, dtype=torch.float64).to(dtype) * length
    points[35:] = points[:35].clone()
    points.requires_grad_()
    far = pairwise_distances(points)
    assert (far.diagonal() == 0).all()
    assert (far.diagonal(35) == 0).all()
    assert (far[:35, :35] + torch.eye(35) > 0).all()
    far.diagonal(35).sum().backward()
    assert points.grad is not None
    assert (points.grad == 0).all()


def test_points_far_from_the_origin_keep_their_digits() -> None:
    near = POINTS + 1000
    expected = torch.linalg.vector_norm(near[:, None] - near, dim=2)
    torch.testing.assert_close(pairwise_distances(near.float()).double(), expected, rtol=1e-3, atol=1e-3)


def test_unit_length() -> None:
    rows = torch.cat((POINTS, torch.zeros(1, 4)))
    found = unit_length(rows.requires_grad_())
    torch.testing.assert_close(found, torch.nn.functional.normalize(rows))
    found.sum().backward()
    assert rows.grad is not None
    assert (rows.grad[-1] == 0).all()
    assert torch.autograd.gradcheck(unit_length, POINTS.clone().requires_grad_())


def test_positive_pairs() -> None:
    labels = torch.tensor([5, 2, 5, 2, 5, 1])
    assert list(zip(*(x.tolist() for x in positive_pairs(labels, ordered=False)), strict=True)) == [
        (0, 2),
        (0, 4),
        (1, 3),
        (2, 4),
    ]
    rows, columns = positive_pairs(labels, ordered=True)
    assert len(rows) == 8
    assert (rows != columns).all()
    assert rows.equal(rows.sort().values)
