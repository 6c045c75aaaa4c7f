"""Distance-weighted sampling: what is drawn, how often, and what never."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from visus.systems.metric_learning.losses.distance_weighted import negative_log_weights, sample_negatives
from visus.systems.metric_learning.losses.distances import distances_of, unit_length


def row_of(distances: list[float], labels: list[int], dimensions: int, **limits: float) -> Tensor:
    """The weights of an anchor of class 0 at these distances from items of these labels."""
    squared = torch.zeros(len(distances) + 1, len(distances) + 1)
    squared[0, 1:] = squared[1:, 0] = torch.tensor(distances).square()
    return negative_log_weights(squared, torch.tensor([0, *labels]), dimensions, **limits)[0]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    dimensions=st.sampled_from([1, 2, 3, 4, 64, 128, 512]),
    classes=st.integers(1, 6),
    spread=st.sampled_from([0.0, 0.01, 0.3, 3.0]),
)
def test_only_negatives_are_drawn_and_weights_are_probabilities(
    seed: int, dimensions: int, classes: int, spread: float
) -> None:
    """Equal, opposite, near and far items alike."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (16,), generator=generator)
    points = torch.ones(16, dimensions) + spread * torch.randn(16, dimensions, generator=generator)
    points[::5] *= -1
    found = distances_of(unit_length(points))
    log_weights = negative_log_weights(found.squared, labels, dimensions)
    assert not log_weights.isnan().any()
    same = labels[:, None] == labels
    assert (log_weights[same] == -torch.inf).all()
    has = (~same).any(dim=1)
    torch.testing.assert_close(log_weights.exp().sum(dim=1), has.float())
    anchors = torch.arange(16).repeat_interleave(20)
    torch.manual_seed(seed)
    drawn = sample_negatives(log_weights, anchors)
    assert ((drawn == -1) == ~has[anchors]).all()
    assert (log_weights[anchors, drawn.clamp_min(0)][drawn >= 0] > -torch.inf).all()
    assert (labels[drawn] != labels[anchors])[drawn >= 0].all()


def test_far_negatives_are_drawn_only_where_there_are_no_others() -> None:
    near = row_of([0.2, 1.3, 1.45, 2.0], [1, 1, 1, 0], 8)
    assert near.isfinite().tolist() == [False, True, True, False, False]
    far = row_of([0.2, 1.45, 1.5, 2.0], [0, 1, 2, 1], 8)
    torch.testing.assert_close(far.exp(), torch.tensor([0, 0, 1 / 3, 1 / 3, 1 / 3]))


def test_distances_zero_and_two_are_finite() -> None:
    row = row_of([0.0, 0.5, 2.0], [1, 1, 1], 512, nonzero_loss_cutoff=3.0)
    assert row[1:3].isfinite().all()
    torch.testing.assert_close(row[1], row[2])  # both at the cutoff
    assert row[3] == 0 or row[3].isfinite()


def test_an_easy_row_is_not_silenced_by_a_hard_one() -> None:
    """In 512 dimensions weights at 0.5 and 1.35 differ by e^368: each row is normalised by itself."""
    squared = torch.full((4, 4), 1.35**2).fill_diagonal_(0)
    squared[0, 2] = squared[2, 0] = 0.25
    rows = negative_log_weights(squared, torch.tensor([0, 0, 1, 1]), 512).exp()
    torch.testing.assert_close(rows[1], torch.tensor([0, 0, 0.5, 0.5]))
    torch.testing.assert_close(rows[0], torch.tensor([0, 0, 1.0, 0]))


def test_draws_follow_the_weights() -> None:
    torch.manual_seed(0)
    row = torch.tensor([0.0, 0.1, 0.0, 0.6, 0.3])
    drawn = sample_negatives(row.log().expand(5, 5), torch.zeros(20_000, dtype=torch.int64))
    shares = torch.bincount(drawn, minlength=5) / 20_000
    torch.testing.assert_close(shares, row, atol=0.012, rtol=0)
    assert (shares[[0, 2]] == 0).all()


def test_distances_on_a_sphere_are_drawn_evenly() -> None:
    """Monte Carlo: the weights undo the crowding of random distances."""
    dimensions, edges = 12, torch.linspace(0.8, 1.4, 7)
    generator = torch.Generator().manual_seed(1)
    points = unit_length(torch.randn(1500, dimensions, generator=generator, dtype=torch.float64))
    squared = distances_of(points).squared
    log_weights = negative_log_weights(squared, torch.arange(1500), dimensions)
    place = torch.bucketize(squared.sqrt().flatten(), edges.double())
    shares = torch.zeros(8, dtype=torch.float64).index_add_(0, place, log_weights.exp().flatten())[1:7]
    counts = torch.bincount(place, minlength=8)[1:7]
    assert counts.max() > 15 * counts.min()
    torch.testing.assert_close(shares / shares.mean(), torch.ones(6, dtype=torch.float64), atol=0.08, rtol=0)


def test_without_a_cutoff_equal_items_are_drawn_alike() -> None:
    for dtype in (torch.float32, torch.float64):
        points = unit_length(torch.randn(8, 512, generator=torch.Generator().manual_seed(0), dtype=dtype))
        points[1] = points[2] = points[0]
        chances = negative_log_weights(distances_of(points).squared, torch.arange(8), 512, cutoff=0.0).exp()
        assert chances[0].tolist() == pytest.approx([0, 0.5, 0.5, 0, 0, 0, 0, 0])
        assert chances.sum(1).tolist() == pytest.approx([1] * 8)
