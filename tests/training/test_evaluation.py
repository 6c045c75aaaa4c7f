"""Measuring without the engine."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from visus.metrics import ObjectMetric
from visus.training.evaluation import extremes, measure, predict_samples
from visus.types import InstancePrediction, InstanceTarget


def test_numbers_images_and_progress(squares: SimpleNamespace) -> None:
    torch.manual_seed(0)
    recipe = squares.recipe()
    _, loader = squares.loaders(recipe, val_length=20)
    model = squares.finder()
    seen: list[int] = []
    qualities: dict[int, float | None] = {}

    def quality(prediction: InstancePrediction, target: InstanceTarget) -> float:
        return float(prediction.scores[0]) * (1 if prediction.labels[0] == target.labels[0] else -1)

    metrics = measure(
        model, squares.metric(), loader, quality=quality, qualities=qualities, on_batch=seen.append, precision="bf16"
    )
    assert seen == [8, 8, 4]
    assert not model.training
    assert 0 < metrics["box AP"] < 1
    chosen = extremes(qualities, 2)
    assert len(chosen) == 4
    assert chosen[0].quality > 0 > chosen[-1].quality
    dataset = squares.dataset(20, seed=2)
    samples = [dataset[image.index] for image in chosen]
    for image, sample, prediction in zip(
        chosen, samples, predict_samples(model, samples, precision="bf16"), strict=True
    ):
        assert quality(prediction, sample.target) == pytest.approx(image.quality, abs=1e-3)


def test_further_metrics_see_the_same_and_never_replace_a_number(squares: SimpleNamespace) -> None:
    torch.manual_seed(0)
    _, loader = squares.loaders(squares.recipe(), val_length=6)
    model, alone = squares.finder(), squares.metric()
    numbers = measure(model, alone, loader)
    also = [ObjectMetric(squares.schema), squares.metric()]
    together = measure(model, squares.metric(), loader, also=also)
    assert list(together) == [*numbers, "F1", "precision", "recall", "score threshold"]
    assert {name: together[name] for name in numbers} == numbers
    assert measure(model, ObjectMetric(squares.schema), loader) == {
        name: together[name] for name in ("F1", "precision", "recall", "score threshold")
    }


def test_images_that_cannot_be_ranked_are_measured_and_not_chosen(squares: SimpleNamespace) -> None:
    torch.manual_seed(0)
    _, loader = squares.loaders(squares.recipe(), val_length=6)
    qualities: dict[int, float | None] = {}

    def quality(prediction: InstancePrediction, target: InstanceTarget) -> float | None:
        return None if target.image_id % 2 else float(target.image_id)

    assert "box AP" in measure(squares.finder(), squares.metric(), loader, quality=quality, qualities=qualities)
    assert [image.index for image in extremes(qualities, 2)] == [4, 2, 0]


@pytest.mark.parametrize("adapts", [False, True])
def test_only_models_that_adapt_have_gradients(squares: SimpleNamespace, adapts: bool) -> None:
    _, loader = squares.loaders(squares.recipe(), val_length=6)
    model, seen = squares.finder(), []
    model.adapts = adapts
    model.register_forward_pre_hook(lambda module, inputs: seen.append(torch.is_grad_enabled()))
    measure(model, squares.metric(), loader)
    assert seen == [adapts]
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("count", [0, 1, 3, 4, 9])
def test_extremes_are_the_best_and_the_worst_once_each(count: int) -> None:
    qualities = {index: (index * 7 % 9) / 9 for index in range(count)}
    ranked = sorted(range(count), key=lambda index: -qualities[index])
    expected = ranked if count <= 4 else ranked[:2] + ranked[-2:]
    assert [image.index for image in extremes(qualities, 2)] == expected
