"""The operators on boxes against plain arithmetic, their gradients, and what must hold for any boxes."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from visus import ops
from visus.ops.boxes import MAX_LOG_SCALE


def random_boxes(count: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner, sides = torch.rand(2, count, 2, generator=generator, dtype=torch.float64) * 100
    return torch.cat((corner, corner + sides + 1), dim=1).to(dtype)


def plain_iou(a: list[float], b: list[float]) -> tuple[float, float]:
    """The overlap of two boxes and its generalised form."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return width * height / union, width * height / union - (hull - union) / hull


def test_iou_and_giou_equal_plain_arithmetic() -> None:
    a, b = random_boxes(9, 0, torch.float64), random_boxes(11, 1, torch.float64)
    expected = torch.tensor([[plain_iou(x, y) for y in b.tolist()] for x in a.tolist()], dtype=torch.float64)
    torch.testing.assert_close(ops.box_iou(a, b), expected[..., 0])
    torch.testing.assert_close(ops.generalized_box_iou(a, b), expected[..., 1])


def test_known_values() -> None:
    a = torch.tensor([[0.0, 0, 10, 10]])
    b = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 0, 30, 10]])
    torch.testing.assert_close(ops.box_iou(a, b), torch.tensor([[1, 1 / 3, 0]]))
    torch.testing.assert_close(ops.generalized_box_iou(a, b), torch.tensor([[1, 1 / 3, -1 / 3]]))
    assert ops.box_area(b).tolist() == [100, 100, 100]


def test_empty_boxes_overlap_nothing() -> None:
    point = torch.tensor([[3.0, 3, 3, 3]], requires_grad=True)
    assert ops.box_iou(point, point).item() == 0
    value = ops.generalized_box_iou(point, point)
    value.backward()
    assert value.item() == 0
    assert point.grad is not None
    assert point.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    boxes = torch.tensor([[0.0, 0, 512, 512], [256, 0, 768, 512]], dtype=dtype)
    assert ops.box_area(boxes).tolist() == [512.0**2, 512.0**2]  # more than float16 holds
    torch.testing.assert_close(ops.box_iou(boxes, boxes)[0, 1], torch.tensor(1 / 3))
    assert ops.generalized_box_iou(boxes, boxes).isfinite().all()
    decoded = ops.decode_boxes(torch.zeros(2, 4, dtype=dtype), boxes)
    assert decoded.dtype == torch.float32
    assert torch.equal(decoded, boxes.float())


def test_no_boxes() -> None:
    none, some = torch.zeros(0, 4), random_boxes(3)
    assert ops.box_iou(none, some).shape == (0, 3)
    assert ops.generalized_box_iou(some, none).shape == (3, 0)
    assert ops.encode_boxes(none, none).shape == (0, 4)
    assert ops.decode_boxes(torch.zeros(0, 5, 4), none[:, None]).shape == (0, 5, 4)
    assert ops.clip_boxes(none, (5, 5)).shape == (0, 4)
    assert ops.large_boxes(none, 1).shape == (0,)


def test_code_of_a_known_box() -> None:
    anchor, target = torch.tensor([[0.0, 0, 10, 20]]), torch.tensor([[5.0, 10, 25, 20]])
    code = ops.encode_boxes(target, anchor, (10, 10, 5, 5))
    torch.testing.assert_close(code, torch.tensor([[10.0, 2.5, 5 * math.log(2), 5 * math.log(0.5)]]))


@given(seed=st.integers(0, 10_000), weight=st.floats(0.5, 20))
@settings(max_examples=30, deadline=None)
def test_decoding_undoes_encoding(seed: int, weight: float) -> None:
    target, anchor = random_boxes(8, seed, torch.float64), random_boxes(8, seed + 1, torch.float64)
    weights = (weight, weight, weight / 2, weight / 2)
    code = ops.encode_boxes(target, anchor, weights)
    growth = ops.xyxy_to_cxcywh(target)[:, 2:] / ops.xyxy_to_cxcywh(anchor)[:, 2:]
    followed = (growth.log() < MAX_LOG_SCALE).all(1)
    torch.testing.assert_close(ops.decode_boxes(code, anchor, weights)[followed], target[followed])


def test_decoding_cuts_the_growth_off() -> None:
    anchor = torch.tensor([[0.0, 0, 16, 16]])
    decoded = ops.decode_boxes(torch.tensor([[0.0, 0, 1e4, -1e4]]), anchor)
    torch.testing.assert_close(decoded, torch.tensor([[8 - 500.0, 8, 8 + 500, 8]]), atol=1e-3, rtol=0)


def test_anchors_broadcast_over_classes() -> None:
    anchors, deltas = random_boxes(5), torch.randn(5, 3, 4)
    decoded = ops.decode_boxes(deltas, anchors[:, None])
    for label in range(3):
        assert torch.equal(decoded[:, label], ops.decode_boxes(deltas[:, label], anchors))


def test_gradients() -> None:
    a = random_boxes(4, 3, torch.float64).requires_grad_()
    b = random_boxes(4, 4, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(ops.generalized_box_iou, (a, b))
    assert torch.autograd.gradcheck(ops.encode_boxes, (a, b))
    deltas = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(ops.decode_boxes, (deltas, b))


def test_clip_and_large() -> None:
    boxes = torch.tensor([[-5.0, -6, 3, 4], [8, 7, 100, 90], [2, 2, 3, 9]])
    clipped = ops.clip_boxes(boxes, (10, 20))
    assert clipped.tolist() == [[0, 0, 3, 4], [8, 7, 20, 10], [2, 2, 3, 9]]
    assert ops.large_boxes(clipped, 3).tolist() == [True, True, False]


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_conversions_undo_each_other(seed: int) -> None:
    boxes = random_boxes(6, seed)
    torch.testing.assert_close(ops.xywh_to_xyxy(ops.xyxy_to_xywh(boxes)), boxes)
    torch.testing.assert_close(ops.cxcywh_to_xyxy(ops.xyxy_to_cxcywh(boxes)), boxes)


def test_conversions_of_a_known_box() -> None:
    box = torch.tensor([1.0, 2, 5, 10])
    assert ops.xyxy_to_xywh(box).tolist() == [1, 2, 4, 8]
    assert ops.xyxy_to_cxcywh(box).tolist() == [3, 6, 4, 8]


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_overlaps_are_symmetric_and_bounded(seed: int) -> None:
    a, b = random_boxes(5, seed), random_boxes(7, seed + 1)
    iou, giou = ops.box_iou(a, b), ops.generalized_box_iou(a, b)
    torch.testing.assert_close(iou, ops.box_iou(b, a).T)
    assert ((iou >= 0) & (iou <= 1)).all()
    assert ((giou > -1) & (giou <= iou + 1e-6)).all()
    torch.testing.assert_close(ops.box_iou(a, a).diagonal(), torch.ones(5))


@pytest.mark.usefixtures("without_shape_checks")
def test_compiles_whole() -> None:
    a, b, weights = random_boxes(4), random_boxes(4, 1), (10.0, 10.0, 5.0, 5.0)

    def both(a: Tensor, b: Tensor) -> Tensor:
        return ops.decode_boxes(ops.encode_boxes(a, b, weights), b, weights) + ops.box_iou(a, b).sum()

    torch.testing.assert_close(torch.compile(both, fullgraph=True, backend="eager")(a, b), both(a, b))
