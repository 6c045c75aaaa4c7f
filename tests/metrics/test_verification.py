"""Verification and identification, by hand and against plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from visus.metrics.verification import (
    k_fold_accuracy,
    open_set,
    pair_distances,
    roc,
    tar_at_far,
    threshold_at,
)

SHARES = st.lists(st.integers(0, 12).map(lambda value: value / 4), min_size=1, max_size=25)


def numbers(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_pairs_by_hand() -> None:
    """Four points on a line; pairs are counted once, and in blocks as at once."""
    genuine, impostors = pair_distances(torch.tensor([[0.0], [1], [3], [7]]), torch.tensor([5, 5, 6, 6]))
    assert genuine.tolist() == [1, 4]
    assert impostors.tolist() == [3, 7, 2, 6]
    with pytest.raises(ValueError, match="NaN or infinite"):
        pair_distances(torch.tensor([[math.nan]]), torch.tensor([0]))


def test_a_threshold_by_hand() -> None:
    """Of ten impostor pairs, .3 are three; of three equal ones at the boundary none passes."""
    impostors = numbers([0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.5, 0.6, 0.7, 0.8])
    at = threshold_at(impostors, far=0.3)
    assert (at.threshold, at.far, at.pairs) == (0.4, 0.3, 10)
    at = threshold_at(impostors, far=0.5)
    assert (at.threshold, at.far) == (0.4, 0.3)
    assert threshold_at(impostors, far=0.0).threshold == 0.1
    assert threshold_at(impostors, far=1.0).threshold == math.inf
    (found,) = tar_at_far(numbers([0.05, 0.39, 0.4, 0.9]), impostors, (0.3,))
    assert (found.tar, found.far, found.genuine, found.impostors) == (0.5, 0.3, 4, 10)


@given(genuine=SHARES, impostors=SHARES, far=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]))
@settings(max_examples=25, deadline=None)
def test_no_larger_threshold_keeps_the_rate(genuine: list[float], impostors: list[float], far: float) -> None:
    """Against trying every threshold there is."""
    (found,) = tar_at_far(numbers(genuine), numbers(impostors), (far,))
    best = 0.0
    for threshold in [*genuine, *impostors, math.inf]:
        if sum(value < threshold for value in impostors) <= far * len(impostors) + 1e-9:
            best = max(best, sum(value < threshold for value in genuine) / len(genuine))
    assert found.tar == pytest.approx(best)
    assert found.far <= far + 1e-9


@given(genuine=SHARES, impostors=SHARES)
@settings(max_examples=25, deadline=None)
def test_roc_by_loops(genuine: list[float], impostors: list[float]) -> None:
    """Every rate, and the area as the share of pairs of pairs in the right order."""
    curve = roc(numbers(genuine), numbers(impostors))
    for threshold, far, tar in zip(curve.thresholds.tolist(), curve.far.tolist(), curve.tar.tolist(), strict=True):
        assert far == sum(value < threshold for value in impostors) / len(impostors)
        assert tar == sum(value < threshold for value in genuine) / len(genuine)
    right = sum((a < b) + 0.5 * (a == b) for a in genuine for b in impostors)
    assert curve.area == pytest.approx(right / len(genuine) / len(impostors))


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=6, max_size=30), st.integers(2, 3))
@settings(max_examples=25, deadline=None)
def test_folds_by_loops(pairs: list[tuple[int, bool]], folds: int) -> None:
    distances, same = numbers([float(d) for d, _ in pairs]), torch.tensor([s for _, s in pairs])
    found = k_fold_accuracy(distances, same, folds=folds)
    fold = [i * folds // len(pairs) for i in range(len(pairs))]
    for name in range(folds):
        others = [pair for pair, number in zip(pairs, fold, strict=True) if number != name]
        own = [pair for pair, number in zip(pairs, fold, strict=True) if number == name]

        def right(threshold: float, of: list[tuple[int, bool]]) -> float:
            return sum((d < threshold) == s for d, s in of) / len(of)

        threshold = found.thresholds[name]
        assert right(threshold, others) == max(right(t / 2, others) for t in range(-1, 19))
        assert found.folds[name] == pytest.approx(right(threshold, own))
    assert found.mean == pytest.approx(sum(found.folds) / folds)


def test_folds_by_hand() -> None:
    """Two folds of two: the threshold of one is halfway between the distances of the other."""
    found = k_fold_accuracy(numbers([1, 3, 2, 8]), torch.tensor([True, False, True, False]), folds=2)
    assert found.thresholds == (5.0, 2.0)
    assert found.folds == (0.5, 0.5)
    assert (found.mean, found.standard_error) == (0.5, 0.0)
    with pytest.raises(ValueError, match="2 pairs do not fill 10 folds"):
        k_fold_accuracy(numbers([1, 3]), torch.tensor([True, False]))


def test_an_open_set_needs_the_right_person_and_the_threshold() -> None:
    """People 0 and 1 are enrolled. Of four searches for them one finds the other person, one is too far.

    Counting what is under the threshold whoever it is would give 3 of 4, the nearest alone 3 of 4; both give 2.
    """
    distances = torch.tensor([[0.1, 0.9], [0.2, 0.3], [0.8, 0.7], [0.9, 0.1], [0.5, 0.6], [0.9, 0.95]])
    people, searched = torch.tensor([0, 1]), torch.tensor([0, 1, 1, 1, 7, 8])
    (found,) = open_set(distances, people, searched, fpirs=(0.0,))
    assert (found.tpir, found.fpir, found.threshold) == (0.5, 0.0, pytest.approx(0.5))
    assert (found.mated, found.non_mated) == (4, 2)
    (found,) = open_set(distances, people, searched, fpirs=(0.5,))
    assert (found.tpir, found.fpir) == (0.75, 0.5)
    with pytest.raises(ValueError, match="who are not"):
        open_set(distances[:4], people, searched[:4])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: threshold_at(numbers([])), "there are none"),
        (lambda: threshold_at(numbers([1.0]), far=2.0), "between 0 and 1"),
        (lambda: tar_at_far(numbers([]), numbers([1.0])), "there are none"),
        (lambda: roc(numbers([]), numbers([1.0])), "both kinds"),
    ],
)
def test_bad_input_is_refused(call: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()  # type: ignore[operator]
