"""Accuracy over tasks with its interval, against the formula, and the protocol beside it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from contracts.fakes import as_batch
from visus.metrics.episodes import EpisodeMetric
from visus.types import EpisodePrediction, EpisodeTarget


def task(right: int, number: int, queries: int = 10) -> tuple[EpisodePrediction, EpisodeTarget]:
    labels = torch.zeros(queries, dtype=torch.int64)
    scores = torch.tensor([[0.9, 0.1]] * right + [[0.1, 0.9]] * (queries - right))
    target = EpisodeTarget(labels, torch.tensor([4, 2]), (40, 60), image_id=number, k_shot=3)
    return EpisodePrediction(scores, (40, 60), transductive=True), target


def test_mean_and_interval() -> None:
    metric = EpisodeMetric()
    rights = [10, 8, 9, 3]
    pairs = [task(right, number) for number, right in enumerate(rights)]
    metric.update([one for one, _ in pairs[:2]], as_batch([target for _, target in pairs[:2]]))
    metric.update([one for one, _ in pairs[2:]], as_batch([target for _, target in pairs[2:]]))
    shares = torch.tensor(rights).double() / 10
    numbers = metric.compute()
    assert numbers["accuracy"] == pytest.approx(float(shares.mean()))
    assert numbers["95 % interval"] == pytest.approx(1.96 * float(shares.std()) / math.sqrt(4))
    protocol = {"tasks": 4, "n_way": 2, "k_shot": 3, "queries": 10, "transductive": 1}
    assert {name: numbers[name] for name in protocol} == protocol


def test_what_does_not_fit_is_refused() -> None:
    prediction, target = task(5, 0)
    fewer = replace(target, labels=target.labels[:3])
    for wrong, message in ((fewer, "10 predictions for 3 queries"), (replace(target, size=(1, 1)), "in pixels of")):
        with pytest.raises(ValueError, match=message):
            EpisodeMetric().update([prediction], as_batch([wrong]))
