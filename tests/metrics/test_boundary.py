"""Boundary F1 against a plain loop over points, and by hand."""

from __future__ import annotations

import math

import pytest
import torch

from visus.metrics.boundary import boundary_f1, class_borders
from visus.types import VOID


def plain(prediction: torch.Tensor, target: torch.Tensor, num_classes: int, tolerance: float) -> list[float]:
    """The definition, point by point."""
    radius = tolerance * math.hypot(*target.shape)
    found = torch.where(target == VOID, VOID, prediction)

    def points(labels: torch.Tensor, label: int) -> list[tuple[int, int]]:
        height, width = labels.shape
        some = []
        for y in range(height):
            for x in range(width):
                around = [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
                values = [int(labels[a, b]) for a, b in around if 0 <= a < height and 0 <= b < width]
                if labels[y, x] == label and any(v not in (label, VOID) for v in values):
                    some.append((y, x))
        return some

    scores = []
    for label in range(num_classes):
        ours, theirs = points(found, label), points(target, label)
        near = [
            sum(any(math.dist(p, q) <= radius for q in others) for p in some) / len(some) if some else 0.0
            for some, others in ((ours, theirs), (theirs, ours))
        ]
        scores.append(math.nan if not ours and not theirs else 2 * near[0] * near[1] / max(sum(near), 1e-12))
    return scores


@pytest.mark.parametrize("tolerance", [0.0, 0.03, 0.1])
def test_equals_the_plain_loop(tolerance: float) -> None:
    torch.manual_seed(0)
    coarse = torch.randint(0, 4, (1, 1, 5, 6)).float()
    target = torch.nn.functional.interpolate(coarse, (25, 30)).byte()[0, 0]
    target[:6, 20:] = VOID
    prediction = target.roll((2, 1), (0, 1))
    prediction[prediction == VOID] = 1
    prediction[14:17, 3:9] = 3
    score = boundary_f1(prediction, target, 5, tolerance=tolerance)
    expected = torch.tensor(plain(prediction, target, 5, tolerance), dtype=torch.float64)
    assert torch.allclose(score, expected, equal_nan=True)
    assert score[4].isnan()
    assert 0.05 < score[:4].mean() < 0.99


def test_a_border_off_by_one_pixel() -> None:
    target = torch.zeros(20, 20, dtype=torch.uint8)
    target[:, 10:] = 1
    prediction = torch.zeros_like(target)
    prediction[:, 11:] = 1
    assert boundary_f1(prediction, target, 2, tolerance=0.9 / math.hypot(20, 20)).tolist() == [0, 0]
    assert boundary_f1(prediction, target, 2, tolerance=1.1 / math.hypot(20, 20)).tolist() == [1, 1]


def test_a_class_in_only_one_of_the_two_scores_0_and_one_without_border_nan() -> None:
    target = torch.zeros(9, 9, dtype=torch.uint8)
    prediction = target.clone()
    assert boundary_f1(prediction, target, 2).isnan().all()
    prediction[4, 4] = 1
    assert boundary_f1(prediction, target, 2).tolist() == [0, 0]


def test_void_makes_no_border() -> None:
    target = torch.zeros(6, 6, dtype=torch.uint8)
    target[:, 3] = VOID
    target[:, 4:] = 1
    assert (class_borders(target) == VOID).all()
    prediction = torch.zeros_like(target)
    prediction[:, 3] = 1  # a border that lies in the void
    prediction[:, 4:] = 1
    assert boundary_f1(prediction, target, 2).isnan().all()
