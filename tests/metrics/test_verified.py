"""The metric of verification against loops over all pairs and over a list."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from visus.metrics.verification import k_fold_accuracy
from visus.metrics.verified import VerificationMetric
from visus.types import Batch, ClassTarget, EmbeddingPrediction, ImageBatch


def measured(metric: VerificationMetric, points: torch.Tensor, labels: list[int]) -> dict[str, float]:
    """What a metric says of images that come in two batches."""
    for start in range(0, len(points), 7):
        some = range(start, min(start + 7, len(points)))
        targets = [ClassTarget(label=torch.tensor(labels[one]), size=(4, 4), image_id=one) for one in some]
        images = ImageBatch(torch.zeros(len(some), 3, 4, 4), torch.full((len(some), 2), 4))
        metric.update(
            [EmbeddingPrediction(points[one], (4, 4)) for one in some], Batch(images, targets, [""] * len(some))
        )
    return metric.compute()


def some_points(count: int, seed: int) -> tuple[torch.Tensor, list[int]]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 6, (count,), generator=generator)
    centres = torch.randn(6, 5, generator=generator)
    return centres[labels] + 0.8 * torch.randn(count, 5, generator=generator), labels.tolist()


def test_all_pairs_by_loops() -> None:
    points, labels = some_points(40, 1)
    found = measured(VerificationMetric(fars=(0.1, 0.01, 1e-4)), points, labels)
    directions = F.normalize(points.double(), dim=1)
    pairs = [
        (math.dist(directions[i].tolist(), directions[j].tolist()), labels[i] == labels[j])
        for i in range(40)
        for j in range(i + 1, 40)
    ]
    genuine, impostors = ([one for one, same in pairs if same == wanted] for wanted in (True, False))
    assert found["genuine pairs (all pairs)"] == len(genuine)
    assert found["impostor pairs (all pairs)"] == len(impostors)
    for far in (0.1, 0.01):
        threshold = sorted(impostors)[math.floor(far * len(impostors))]
        tar = sum(one < threshold for one in genuine) / len(genuine)
        assert found[f"TAR@FAR={far:g} (all pairs)"] == pytest.approx(tar)
    assert found["TAR@FAR=0.0001 (all pairs)"] == -1  # of so few pairs nothing can be said
    nearer = sum((one < other) + 0.5 * (one == other) for one in genuine for other in impostors)
    assert found["ROC area (all pairs)"] == pytest.approx(nearer / len(genuine) / len(impostors))
    assert 0.5 < found["accuracy (10 folds) (all pairs)"] <= 1


def test_a_list_of_pairs_in_its_folds() -> None:
    points, labels = some_points(80, 2)
    found = measured(VerificationMetric(pairs="listed", folds=4, normalise=False), points, labels)
    distances = torch.tensor([math.dist(points[i].tolist(), points[i + 1].tolist()) for i in range(0, 80, 2)])
    same = torch.tensor([labels[i] == labels[i + 1] for i in range(0, 80, 2)])
    folded = k_fold_accuracy(distances.double(), same, folds=4)
    assert found["accuracy (4 folds) (listed pairs)"] == pytest.approx(folded.mean)
    assert found["standard error (listed pairs)"] == pytest.approx(folded.standard_error)
    assert found["genuine pairs (listed pairs)"] + found["impostor pairs (listed pairs)"] == 40


def test_bad_input_is_refused() -> None:
    points, labels = some_points(9, 3)
    with pytest.raises(ValueError, match="9 images do not make pairs"):
        measured(VerificationMetric(pairs="listed"), points, labels)
    with pytest.raises(ValueError, match="rates lie between 0 and 1"):
        VerificationMetric(fars=(0.0,))
    with pytest.raises(ValueError, match="two folds at least"):
        VerificationMetric(folds=1)
