"""Accuracy and localisation of classifiers, against counts by hand and scikit-learn."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, top_k_accuracy_score

from visus.metrics.classification import ClassificationMetric
from visus.types import Batch, ClassPrediction, ClassTarget, Schema


def schema(count: int) -> Schema:
    return Schema(tuple(f"class {i}" for i in range(count)), tuple(range(count)))


def prediction(labels: list[int], box: list[float] | None = None, size: tuple[int, int] = (10, 10)) -> ClassPrediction:
    scores = torch.linspace(0.9, 0.1, len(labels))
    return ClassPrediction(torch.tensor(labels), scores, size, None if box is None else torch.tensor(box))


def target(label: int, image_id: int, box: list[float] | None = None) -> ClassTarget:
    return ClassTarget(torch.tensor(label), (10, 10), image_id, None if box is None else torch.tensor(box))


def test_accuracies_agree_with_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(60, 8, generator=generator)
    labels = torch.randint(0, 8, (60,), generator=generator)
    metric = ClassificationMetric(schema=schema(8))
    named = logits.argsort(1, descending=True)[:, :5].tolist()
    for start in range(0, 60, 25):
        ids = range(start, min(start + 25, 60))
        metric.update([prediction(named[i]) for i in ids], Batch(None, [target(int(labels[i]), i) for i in ids]))
    found = metric.compute()
    first = [row[0] for row in named]
    assert list(found) == ["top-1", "top-5", "mean class accuracy"]
    assert found["top-1"] == pytest.approx(top_k_accuracy_score(labels, logits, k=1))
    assert found["top-5"] == pytest.approx(top_k_accuracy_score(labels, logits, k=5))
    assert found["mean class accuracy"] == pytest.approx(balanced_accuracy_score(labels, first))
    counts = confusion_matrix(labels, first, labels=range(8))
    assert metric.confusion_matrix.tolist() == counts.tolist()
    shares = metric.per_category()["accuracy"]
    assert shares["class 3"] == pytest.approx(counts[3, 3] / counts[3].sum())


def test_localisation_counts_images_with_a_box_alone() -> None:
    metric = ClassificationMetric(schema=schema(2), boxes=True)
    box = [0.0, 0, 8, 8]
    metric.update(
        [
            prediction([0, 1], [0.0, 0, 8, 6]),  # right, IoU .75
            prediction([0, 1], [0.0, 0, 8, 4]),  # right, IoU .5 is not above a half
            prediction([1, 0], [0.0, 0, 8, 8]),  # well placed, wrongly named
            prediction([0, 1]),  # no box found
            prediction([0, 1], [0.0, 0, 1, 1]),  # none annotated
        ],
        Batch(None, [target(0, 1, box), target(0, 2, box), target(0, 3, box), target(0, 4, box), target(0, 5)]),
    )
    found = metric.compute()
    assert found["top-1"] == pytest.approx(0.8)
    assert found["top-5"] == 1
    assert found["localisation"] == pytest.approx(1 / 4)
    assert found["localisation error"] == pytest.approx(3 / 4)


def test_images_that_a_sampler_repeats_count_once() -> None:
    metric = ClassificationMetric(schema=schema(2))
    metric.update([prediction([0, 1]), prediction([1, 0])], Batch(None, [target(0, 1), target(0, 2)]))
    metric.update([prediction([0, 1])], Batch(None, [target(0, 1)]))
    assert metric.compute()["top-1"] == 0.5
    with pytest.raises(ValueError, match="image_id 1"):
        metric.update([prediction([0, 1])], Batch(None, [target(1, 1)]))


def test_nothing_to_measure_is_minus_one() -> None:
    metric = ClassificationMetric(schema=schema(3), boxes=True)
    assert set(metric.compute().values()) == {-1.0}
    metric.update([prediction([0, 1, 2])], Batch(None, [target(0, 1)]))
    found = metric.compute()
    assert found["localisation"] == found["localisation error"] == -1
    assert found["mean class accuracy"] == 1
    assert metric.per_category()["accuracy"] == {"class 0": 1, "class 1": -1, "class 2": -1}


def test_results_are_asked_for_after_compute() -> None:
    metric = ClassificationMetric(schema=schema(2))
    metric.update([prediction([0, 1])], Batch(None, [target(0, 1)]))
    with pytest.raises(RuntimeError, match="compute"):
        metric.per_category()
    metric.compute()
    metric.reset()
    with pytest.raises(RuntimeError, match="compute"):
        _ = metric.confusion_matrix


def test_wrong_frames_and_labels_are_named() -> None:
    metric = ClassificationMetric(schema=schema(2))
    with pytest.raises(ValueError, match=r"image 7.*\(5, 5\).*\(10, 10\)"):
        metric.update([prediction([0, 1], size=(5, 5))], Batch(None, [target(0, 7)]))
    with pytest.raises(ValueError, match="image 8: label 2"):
        metric.update([prediction([0, 1])], Batch(None, [target(2, 8)]))
    with pytest.raises(ValueError, match="image 9: the prediction names no class"):
        metric.update([prediction([])], Batch(None, [target(0, 9)]))
    for label in (-1, 2):
        with pytest.raises(ValueError, match=f"image 9: the prediction names label {label}, but there are 2"):
            metric.update([prediction([0, label])], Batch(None, [target(0, 9)]))
