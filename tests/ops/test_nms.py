"""Suppression against the plain greedy loop, for both ways it is computed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from visus.ops import batched_nms, box_iou, nms
from visus.ops.nms import best_survivors

module = importlib.import_module("visus.ops.nms")


def plain(boxes: Tensor, scores: Tensor, threshold: float, groups: Tensor | None = None) -> list[int]:
    """The greedy loop, with the overlap in the boxes' own float32 and the comparison in float64."""
    order = sorted(range(len(boxes)), key=lambda i: -scores[i].item())
    iou = box_iou(boxes, boxes).double()
    kept: list[int] = []
    for i in order:
        rivals = [j for j in kept if groups is None or groups[i] == groups[j]]
        if not any(iou[j, i] > threshold for j in rivals):
            kept.append(i)
    return kept


def clustered(count: int, seed: int, whole: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes around a few objects, their scores (some equal), and groups."""
    generator = torch.Generator().manual_seed(seed)
    objects = torch.rand(max(1, count // 8), 4, generator=generator) * 100
    boxes = objects[torch.randint(len(objects), (count,), generator=generator)]
    boxes = boxes + torch.randn(count, 4, generator=generator) * 3
    boxes = torch.cat((boxes[:, :2], boxes[:, :2] + boxes[:, 2:].abs()), dim=1)
    scores = (torch.rand(count, generator=generator) * 50).round() / 50
    return boxes.round() if whole else boxes, scores, torch.randint(0, 4, (count,), generator=generator)


@pytest.fixture(params=["cpu", "device"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Small blocks, so that few boxes cross many; and the way of other devices, run on the CPU."""
    monkeypatch.setattr(module, "BLOCK", 8)
    monkeypatch.setattr(module, "DEVICE_BLOCK", 16)
    if request.param == "device":

        def visit(boxes: Tensor, groups: Tensor | None, iou_threshold: float) -> Tensor:
            return module._stays_on_device(boxes.float(), groups, module._not_above(iou_threshold, torch.float32))

        monkeypatch.setattr(module, "_visit", visit)
    return request.param


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("whole", [False, True])
def test_equals_the_plain_loop(way: str, threshold: float, whole: bool) -> None:
    for seed in range(3):
        boxes, scores, groups = clustered(120, seed, whole)
        assert nms(boxes, scores, threshold).tolist() == plain(boxes, scores, threshold)
        assert batched_nms(boxes, scores, groups, threshold).tolist() == plain(boxes, scores, threshold, groups)


@given(seed=st.integers(0, 10_000), count=st.integers(0, 60), threshold=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_what_holds_for_any_boxes(seed: int, count: int, threshold: float) -> None:
    boxes, scores, groups = clustered(count, seed)
    kept = nms(boxes, scores, threshold)
    assert kept.tolist() == plain(boxes, scores, threshold)
    assert torch.equal(kept[nms(boxes[kept], scores[kept], threshold)], kept)  # nothing more to drop
    apart = batched_nms(boxes, scores, groups, threshold)
    for group in range(4):
        own = (groups == group).nonzero().flatten()
        expected = own[nms(boxes[own], scores[own], threshold)]
        assert torch.equal(apart[groups[apart] == group], expected)


def test_large_counts_cross_real_blocks() -> None:
    boxes, scores, groups = clustered(700, 5)
    assert nms(boxes, scores, 0.6).tolist() == plain(boxes, scores, 0.6)
    assert batched_nms(boxes, scores, groups, 0.6).tolist() == plain(boxes, scores, 0.6, groups)


@pytest.mark.parametrize("count", [1, 3, 20, 400])
def test_the_best_survivors_are_the_first_of_all(count: int) -> None:
    """Also with many equal scores, and where most boxes are dropped, so that further ones have to be visited."""
    for seed in range(3):
        boxes, scores, groups = clustered(300, seed)
        for equal in (scores, (scores * 4).round() / 4, torch.ones_like(scores)):
            for threshold in (0.0, 0.5):
                expected = batched_nms(boxes, equal, groups, threshold)[:count]
                assert torch.equal(best_survivors(boxes, equal, groups, threshold, count), expected)


def test_the_best_survivors_visit_few(monkeypatch: pytest.MonkeyPatch) -> None:
    visited: list[int] = []
    plain_visit = module.batched_nms

    def counting(boxes: torch.Tensor, *rest: Any) -> torch.Tensor:
        visited.append(len(boxes))
        return plain_visit(boxes, *rest)

    monkeypatch.setattr(module, "batched_nms", counting)
    left = torch.arange(1000.0) * 20
    boxes = torch.stack((left, torch.zeros(1000), left + 10, torch.full((1000,), 10.0)), dim=1)
    best_survivors(boxes, torch.rand(1000), torch.zeros(1000, dtype=torch.int64), 0.5, 10)
    assert visited == [20]


def test_only_more_than_the_threshold_suppresses(way: str) -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 3]])  # they overlap by 3 / 10
    scores = torch.tensor([0.9, 0.8])
    exact = (np.float32(30) / np.float32(100)).item()  # a little more than 0.3, as float32 has it
    assert exact > 0.3
    assert nms(boxes, scores, 0.3).tolist() == [0]
    assert nms(boxes, scores, exact).tolist() == [0, 1]
    half = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5]])
    assert nms(half, scores, 0.5).tolist() == [0, 1]


def test_a_dropped_box_drops_nobody(way: str) -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]])  # each overlaps its neighbour by 7 / 13
    assert nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 2]


def test_a_long_chain(way: str) -> None:
    left = torch.arange(50.0) * 3
    boxes = torch.stack((left, torch.zeros(50), left + 10, torch.full((50,), 10.0)), dim=1)
    assert nms(boxes, torch.arange(50, 0, -1.0), 0.5).tolist() == list(range(0, 50, 2))


def test_equal_scores_keep_the_lower_index(way: str) -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10]]).repeat(20, 1)
    assert nms(boxes, torch.ones(20), 0.5).tolist() == [0]
    groups = torch.arange(20) % 2
    assert batched_nms(boxes, torch.ones(20), groups, 0.5).tolist() == [0, 1]


def test_boxes_without_area_stay(way: str) -> None:
    boxes = torch.zeros(3, 4)
    assert nms(boxes, torch.tensor([0.1, 0.3, 0.2]), 0.5).tolist() == [1, 2, 0]


def test_no_boxes(way: str) -> None:
    none = torch.zeros(0, 4)
    assert nms(none, torch.zeros(0), 0.5).tolist() == []
    assert batched_nms(none, torch.zeros(0), torch.zeros(0, dtype=torch.int64), 0.5).dtype == torch.int64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(way: str, dtype: torch.dtype) -> None:
    boxes, scores, groups = clustered(60, 3)
    boxes, scores = (boxes * 20).to(dtype), scores.to(dtype)
    assert nms(boxes, scores, 0.5).tolist() == plain(boxes.float(), scores.float(), 0.5)
    many = groups * 1000  # shifting boxes apart by 1000 images would overflow float16
    assert batched_nms(boxes, scores, many, 0.5).tolist() == plain(boxes.float(), scores.float(), 0.5, groups)


def test_large_coordinates_in_float64() -> None:
    boxes, scores, groups = clustered(60, 4)
    far = boxes.double() + 1e9
    assert nms(far, scores, 0.5).tolist() == plain(boxes, scores, 0.5)
    assert batched_nms(far, scores, groups, 0.5).tolist() == plain(boxes, scores, 0.5, groups)


def test_boxes_with_a_gradient() -> None:
    boxes, scores, _ = clustered(20, 6)
    assert nms(boxes.requires_grad_(), scores.requires_grad_(), 0.5).tolist() == plain(boxes, scores, 0.5)


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_a_wrong_threshold_is_named(threshold: float) -> None:
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        nms(torch.zeros(1, 4), torch.zeros(1), threshold)


@pytest.mark.usefixtures("without_shape_checks")
def test_compiles_whole() -> None:
    boxes, scores, groups = clustered(50, 7)
    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        compiled = torch.compile(batched_nms, fullgraph=True, backend="eager")
        assert torch.equal(compiled(boxes, scores, groups, 0.5), batched_nms(boxes, scores, groups, 0.5))
