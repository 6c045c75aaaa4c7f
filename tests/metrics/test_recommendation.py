"""Measures of recommendations, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from visus.metrics.recommendation import coverage, hit_rate, intra_list_diversity, leave_one_out, ndcg

LISTS = [[4, 2, 7], [1, 0, 3], [5, 6, 2]]


def test_leave_one_out() -> None:
    assert leave_one_out([[1, 2, 3], [4], [], [5, 6]]) == [([1, 2], 3), ([5], 6)]


def test_hits_and_gain() -> None:
    """Ranks 2, 1 and none."""
    hidden = [2, 1, 9]
    assert hit_rate(LISTS, hidden, k=1) == pytest.approx(1 / 3)
    assert hit_rate(LISTS, hidden, k=3) == pytest.approx(2 / 3)
    assert ndcg(LISTS, hidden, k=3) == pytest.approx((1 / math.log2(3) + 1) / 3)
    assert ndcg(LISTS, hidden, k=1) == pytest.approx(1 / 3)


def test_coverage() -> None:
    assert coverage(LISTS, 10, k=2) == pytest.approx(6 / 10)
    assert coverage(LISTS, 10, k=3) == pytest.approx(8 / 10)


def test_diversity() -> None:
    """Right angles, and opposite directions."""
    items = torch.tensor([[1.0, 0], [0, 2], [-3, 0]])
    assert intra_list_diversity([[0, 1]], items, k=2) == pytest.approx(1)
    assert intra_list_diversity([[0, 1, 2], [0]], items, k=3) == pytest.approx((1 + 2 + 1) / 3)
    with pytest.raises(ValueError, match="two items"):
        intra_list_diversity([[0, 1]], items, k=1)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="3 lists, 2 hidden"):
        hit_rate(LISTS, [1, 2], k=1)
    with pytest.raises(ValueError, match="no items"):
        coverage(LISTS, 0, k=1)
