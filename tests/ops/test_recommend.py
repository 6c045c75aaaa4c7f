"""Recommendations by hand and against plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from visus.ops.recommend import maximal_marginal_relevance, recommend, taste


def circle(*degrees: float) -> Tensor:
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def test_by_hand() -> None:
    """Liked 0; the nearest that is neither liked nor excluded, and why."""
    found = recommend(circle(0, 10, 20, 90, 180), liked=[0], k=3, exclude=[1])
    assert found.items.tolist() == [2, 3, 4]
    assert found.scores.tolist() == pytest.approx([math.cos(math.radians(20)), 0, -1], abs=1e-12)
    assert found.because.tolist() == [0, 0, 0]


def test_a_dislike_pushes_and_a_reason_is_the_nearest_like() -> None:
    items = circle(0, 90, 5, 85, 40, -20)
    found = recommend(items, liked=[0, 1], k=3)
    assert found.items[0] == 4
    assert dict(zip(found.items.tolist(), found.because.tolist(), strict=True)) == {4: 0, 2: 0, 3: 1}
    assert recommend(items, liked=[0], disliked=[1], k=1).items.tolist() == [5]


def test_a_history_fades() -> None:
    """Liked at 0 long ago and at 90 last: with decay the item near 90 wins."""
    items = circle(0, 90, 1, 80)
    assert recommend(items, liked=[0, 1], decay=0.1, k=1).items.tolist() == [3]
    assert recommend(items, liked=[1, 0], decay=0.1, k=1).items.tolist() == [2]


def test_copies_are_shown_once_and_never_of_what_was_liked() -> None:
    items = circle(0, 0, 30, 30, 60)
    assert recommend(items, liked=[0], k=5).items.tolist() == [2, 4]
    assert recommend(items, liked=[0], k=5, duplicate=math.cos(math.radians(31))).items.tolist() == [4]


def test_an_opposite_item_gains() -> None:
    """Relevance 1, .9, .8: the third is opposite to the first. A clamp at 0 would give it .16."""
    points, relevance = circle(0, 60, 180), torch.tensor([1.0, 0.9, 0.8], dtype=torch.float64)
    chosen, scores = maximal_marginal_relevance(points, relevance, k=2, diversity=0.8)
    assert chosen.tolist() == [0, 2]
    assert scores.tolist() == pytest.approx([0.2, 0.2 * 0.8 + 0.8])


@given(st.lists(st.integers(0, 359), min_size=1, max_size=12), st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_marginal_relevance_by_loops(degrees: list[int], diversity: float, k: int) -> None:
    points = circle(*degrees)
    relevance = (torch.arange(len(degrees)) % 5).double() / 5
    chosen, scores = maximal_marginal_relevance(points, relevance, k=k, diversity=diversity, duplicate=2.0)
    before: list[int] = []
    for item, score in zip(chosen.tolist(), scores.tolist(), strict=True):

        def value(other: int) -> float:
            near = max((float(points[other] @ points[one]) for one in before), default=0.0)
            return (1 - diversity) * float(relevance[other]) - (diversity * near if before else 0.0)

        others = [other for other in range(len(degrees)) if other not in before]
        assert score == pytest.approx(value(item))
        assert score >= max(map(value, others)) - 1e-9
        before.append(item)
    assert len(before) == min(k, len(degrees))


def test_taste_by_loops() -> None:
    points = F.normalize(torch.randn(9, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    found = taste(points, liked=[2, 5, 7], disliked=[1, 0], decay=0.5)
    for item in range(9):
        like = sum(w * float(points[item] @ points[j]) for w, j in ((0.25, 2), (0.5, 5), (1.0, 7))) / 1.75
        dislike = sum(float(points[item] @ points[j]) for j in (1, 0)) / 2
        assert float(found[item]) == pytest.approx(like - dislike, abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"liked": []}, "at least one liked"),
        ({"liked": [0], "disliked": [0]}, "liked and disliked"),
        ({"liked": [0], "exclude": [9]}, "no item 9 among 3"),
        ({"liked": [0], "k": 0}, "k is at least 1"),
        ({"liked": [0], "diversity": 2.0}, "lie in 0 to 1"),
    ],
)
def test_bad_input_is_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        recommend(circle(0, 1, 2), **settings)  # type: ignore[arg-type]
