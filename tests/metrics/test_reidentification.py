"""Re-identification against a plain loop over queries and ranks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visus.metrics import reidentification as module
from visus.metrics.reidentification import ReidentificationMetric, Sighting, reidentification
from visus.types import Batch, ClassTarget, EmbeddingPrediction, ImageBatch

IMAGES = st.lists(
    st.tuples(st.integers(-4, 4), st.integers(0, 3), st.integers(0, 2), st.booleans()), min_size=2, max_size=24
)


def sighting(rows: list[tuple[int, int, int, bool]]) -> Sighting:
    """Points on a circle, of which many are equal."""
    place, label, camera, asks = zip(*rows, strict=True)
    angle = torch.tensor(place, dtype=torch.float64)
    return Sighting(torch.stack([angle.cos(), angle.sin()], dim=1), *map(torch.tensor, (label, camera, asks)))


def by_loops(images: Sighting, ks: tuple[int, ...], camera_rule: bool, without_match: str) -> dict[str, float] | None:
    every: list[list[float]] = []
    gallery = [i for i in range(len(images.labels)) if not images.is_query[i]]
    for query in (i for i in range(len(images.labels)) if images.is_query[i]):
        kept = [
            i
            for i in gallery
            if not (
                camera_rule and images.labels[i] == images.labels[query] and images.cameras[i] == images.cameras[query]
            )
        ]
        kept.sort(key=lambda i: -round(float(images.vectors[i] @ images.vectors[query]) * 2**36))
        ranks = [rank for rank, i in enumerate(kept, 1) if images.labels[i] == images.labels[query]]
        if not ranks:
            if without_match == "zero":
                every.append([0.0] * (len(ks) + 2))
            continue
        precision = sum(number / rank for number, rank in enumerate(ranks, 1)) / len(ranks)
        every.append([*(float(ranks[0] <= k) for k in ks), precision, len(ranks) / ranks[-1]])
    if not every:
        return None
    means = [sum(column) / len(every) for column in zip(*every, strict=True)]
    return {**dict(zip([*(f"CMC-{k}" for k in ks), "mAP", "mINP"], means, strict=True)), "queries": len(every)}


@given(IMAGES, st.booleans(), st.sampled_from(["skip", "zero"]))
@settings(max_examples=40, deadline=None)
def test_equals_a_plain_loop(rows: list[tuple[int, int, int, bool]], camera_rule: bool, without_match: Any) -> None:
    images = sighting(rows)
    call = {"ks": (1, 3, 50), "camera_rule": camera_rule, "without_match": without_match}
    expected = None if len({row[3] for row in rows}) == 1 else by_loops(images, **call)
    if expected is None:
        with pytest.raises(ValueError, match=r"queries and a gallery|skipped"):
            reidentification(images, **call)
    else:
        assert reidentification(images, **call) == pytest.approx(expected)


def test_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(i % 7, i % 3, i % 2, i % 4 == 0) for i in range(40)]
    whole = reidentification(sighting(rows))
    monkeypatch.setattr(module, "ROWS", 3)
    assert reidentification(sighting(rows)) == pytest.approx(whole)


def test_the_camera_rule_by_hand() -> None:
    """The nearest image of the query's person is by its own camera; the next right one comes third."""
    rows = [(0, 5, 1, True), (0, 5, 1, False), (1, 6, 2, False), (2, 5, 2, False), (3, 5, 3, False)]
    assert reidentification(sighting(rows), ks=(1, 2)) == pytest.approx(
        {"CMC-1": 0, "CMC-2": 1, "mAP": (1 / 2 + 2 / 3) / 2, "mINP": 2 / 3, "queries": 1}
    )
    flattering = reidentification(sighting(rows), ks=(1, 2), camera_rule=False)
    assert flattering == pytest.approx(
        {"CMC-1": 1, "CMC-2": 1, "mAP": (1 + 2 / 3 + 3 / 4) / 3, "mINP": 3 / 4, "queries": 1}
    )


def test_without_queries_each_image_looks_among_the_others() -> None:
    """As if each image were the query once, and the gallery all others."""
    rows = [(i % 5, i % 3, i % 2, False) for i in range(9)]
    images = sighting(rows)
    each = []
    for query in range(9):
        asks = torch.tensor([i == query for i in range(9)])
        each.append(reidentification(replace(images, is_query=asks), without_match="zero"))
    found = reidentification(replace(images, is_query=None), without_match="zero")
    for name in ("CMC-1", "mAP", "mINP"):
        assert found[name] == pytest.approx(sum(one[name] for one in each) / 9)


def batch(rows: list[tuple[int, int, int | None, bool | None]]) -> tuple[list[EmbeddingPrediction], Batch]:
    size = (8, 8)
    predictions = [EmbeddingPrediction(torch.tensor([float(place), 1.0]), size) for place, *_ in rows]
    targets = [
        ClassTarget(torch.tensor(label), size, number, is_query=asks, camera=camera)
        for number, (_, label, camera, asks) in enumerate(rows)
    ]
    inputs = ImageBatch(torch.zeros(len(rows), 3, 8, 8, dtype=torch.uint8), torch.tensor([[8, 8]] * len(rows)))
    return predictions, Batch(inputs, targets)


def test_the_metric_says_its_choices() -> None:
    metric = ReidentificationMetric(without_match="zero")
    metric.update(*batch([(0, 5, 1, True), (0, 5, 1, False), (1, 5, 2, False), (9, 6, 2, True), (4, 7, 2, False)]))
    numbers = metric.compute()
    assert numbers["queries (other cameras, unmatched 0)"] == 2
    assert numbers["CMC-1 (other cameras, unmatched 0)"] == 0.5
    assert list(numbers) == list(metric.measures)
    assert "mAP (all cameras, unmatched skipped)" in ReidentificationMetric(camera_rule=False).measures


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(0, 1, None, True), (1, 1, 2, False)], "camera_rule=False"),
        ([(0, 1, 1, None), (1, 1, 2, True)], "1 of 2 images say whether"),
        ([(0, 1, 1, True), (1, 1, 2, True)], "2 of 2 images are queries"),
        ([(0, 1, 1, True), (1, 1, 1, False)], "no query has anything to find"),
    ],
)
def test_data_that_does_not_fit_is_refused(rows: list[tuple[int, int, int | None, bool | None]], words: str) -> None:
    metric = ReidentificationMetric()
    metric.update(*batch(rows))
    with pytest.raises(ValueError, match=words):
        metric.compute()
