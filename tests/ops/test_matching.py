"""Matching on small tables worked out by hand, and what any draw must fulfil."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visus.ops import BACKGROUND, BETWEEN, match_boxes, sample_balanced


def test_thresholds() -> None:
    iou = torch.tensor([[0.9, 0.7, 0.5, 0.3, 0.29], [0.1, 0.75, 0.1, 0.2, 0.0]])
    assert match_boxes(iou, 0.7, 0.3).tolist() == [0, 1, BETWEEN, BETWEEN, BACKGROUND]


def test_low_quality_claims_every_tie_for_its_own_best_object() -> None:
    # Object 0 overlaps anchors 0 and 1 most, by 0.4; but anchor 1 overlaps object 1 even more.
    iou = torch.tensor([[0.4, 0.4, 0.2, 0.1], [0.0, 0.5, 0.6, 0.1]])
    assert match_boxes(iou, 0.7, 0.3).tolist() == [BETWEEN, BETWEEN, BETWEEN, BACKGROUND]
    assert match_boxes(iou, 0.7, 0.3, allow_low_quality=True).tolist() == [0, 1, 1, BACKGROUND]


def test_low_quality_reaches_below_the_low_threshold() -> None:
    iou = torch.tensor([[0.1, 0.05]])
    assert match_boxes(iou, 0.7, 0.3, allow_low_quality=True).tolist() == [0, BACKGROUND]


def test_an_object_without_any_overlap_claims_nothing() -> None:
    iou = torch.tensor([[0.0, 0.0, 0.0], [0.8, 0.1, 0.0]])
    assert match_boxes(iou, 0.7, 0.3, allow_low_quality=True).tolist() == [1, BACKGROUND, BACKGROUND]


@pytest.mark.parametrize("allow_low_quality", [False, True])
def test_nothing_to_match(allow_low_quality: bool) -> None:
    assert match_boxes(torch.zeros(0, 3), 0.7, 0.3, allow_low_quality).tolist() == [BACKGROUND] * 3
    assert match_boxes(torch.zeros(2, 0), 0.7, 0.3, allow_low_quality).tolist() == []


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    iou = torch.tensor([[0.75, 0.5, 0.25]], dtype=dtype)
    assert match_boxes(iou, 0.7, 0.3, True).tolist() == [0, BETWEEN, BACKGROUND]


def test_thresholds_in_the_wrong_order() -> None:
    with pytest.raises(ValueError, match=r"low=0\.7, high=0\.3"):
        match_boxes(torch.zeros(1, 1), 0.3, 0.7)


@given(
    positives=st.integers(0, 40),
    negatives=st.integers(0, 40),
    count=st.integers(0, 50),
    fraction=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_draws(positives: int, negatives: int, count: int, fraction: float, seed: int) -> None:
    kind = torch.zeros(positives + negatives + 5)
    kind[:positives], kind[positives : positives + negatives] = 1, -1
    kind = kind[torch.randperm(len(kind), generator=torch.Generator().manual_seed(seed))]
    generator = torch.Generator().manual_seed(seed)
    positive, negative = sample_balanced(kind == 1, kind == -1, count, fraction, generator)
    assert (kind[positive] == 1).all()
    assert (kind[negative] == -1).all()
    assert len(positive.unique()) == len(positive) == min(positives, int(count * fraction))
    assert len(negative.unique()) == len(negative) == min(negatives, count - len(positive))
    again = sample_balanced(kind == 1, kind == -1, count, fraction, torch.Generator().manual_seed(seed))
    assert torch.equal(positive, again[0])
    assert torch.equal(negative, again[1])


def test_every_candidate_is_drawn_equally_often() -> None:
    mask, generator, counts = torch.ones(8, dtype=torch.bool), torch.Generator().manual_seed(0), torch.zeros(8)
    for _ in range(2000):
        counts[sample_balanced(mask, ~mask, 2, 1.0, generator)[0]] += 1
    assert ((counts / 2000 - 0.25).abs() < 0.05).all()


@pytest.mark.usefixtures("without_shape_checks")
def test_matching_compiles_whole() -> None:
    iou = torch.rand(3, 50)
    compiled = torch.compile(match_boxes, fullgraph=True, backend="eager")
    assert torch.equal(compiled(iou, 0.7, 0.3, True), match_boxes(iou, 0.7, 0.3, True))
