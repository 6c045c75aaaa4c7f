"""SSD's parts against hand-made cases."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from systems.one_image import assert_learned_by_heart
from visus.nn.square import SquareTransform
from visus.ops.boxes import box_iou, encode_boxes
from visus.systems.detection import PROBLEM
from visus.systems.detection.default_boxes import BoxLevel, box_levels, default_boxes
from visus.systems.detection.roi_heads import BOX_WEIGHTS
from visus.systems.detection.ssd import SSDLimits, SSDOutputs, detect
from visus.systems.detection.ssd_lite import lite_levels, ssd_lite0
from visus.systems.detection.ssd_losses import SSDCriterion, hard_negatives, match_default_boxes
from visus.training.recipe import Recipe, RecipeError
from visus.types import ImageBatch, InstanceTarget, Schema


def target(boxes: list[list[float]], labels: list[int], size: tuple[int, int] = (64, 64)) -> InstanceTarget:
    corners = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)
    return InstanceTarget(
        boxes_xyxy=corners,
        labels=torch.tensor(labels, dtype=torch.int64),
        areas=torch.ones(len(labels)),
        is_crowd=torch.zeros(len(labels), dtype=torch.bool),
        size=size,
    )


def outputs(logits: torch.Tensor, deltas: torch.Tensor, boxes: torch.Tensor, size: int = 64) -> SSDOutputs:
    return SSDOutputs(torch.full((len(logits), 2), size), logits, deltas, boxes)


THREE = torch.tensor([[0.0, 0, 16, 16], [20, 20, 40, 40], [40, 40, 64, 64]])


def test_default_boxes_of_a_cell_are_those_of_the_paper() -> None:
    level = BoxLevel(grid=2, step=50, scale=0.2, next_scale=0.45, aspect_ratios=(2,))
    boxes = default_boxes(100, [level])
    assert len(boxes) == 2 * 2 * level.boxes_per_cell == 16
    assert boxes[0].tolist() == [15, 15, 35, 35]
    assert boxes[1].tolist() == pytest.approx([10, 10, 40, 40])  # sqrt(0.2 * 0.45) = 0.3
    lying, standing = boxes[2], boxes[3]
    assert (lying[2] - lying[0]) / (lying[3] - lying[1]) == pytest.approx(2)
    assert (lying[2:] - lying[:2]).prod() == pytest.approx(400, rel=1e-5)
    torch.testing.assert_close(standing, lying[[1, 0, 3, 2]])
    assert boxes[4].tolist() == [65, 15, 85, 35]  # the next column
    assert boxes[8].tolist() == [15, 65, 35, 85]  # the next row


def test_default_boxes_are_no_larger_than_the_image() -> None:
    [box] = default_boxes(100, [BoxLevel(grid=1, step=100, scale=1.2, next_scale=1.3, aspect_ratios=())])[:1]
    assert box.tolist() == [0, 0, 100, 100]


def test_levels_that_do_not_agree_in_number_are_refused() -> None:
    with pytest.raises(ValueError, match="2 maps need"):
        box_levels(grids=[4, 2], steps=[8, 16], scales=[0.1, 0.2], aspect_ratios=[(2,), (2,)])


def test_matching_forces_the_best_box_and_keeps_the_threshold() -> None:
    objects = torch.tensor([[0.0, 0, 16, 15], [20, 20, 22, 22], [200, 200, 220, 220]])
    # The first is covered well, the second only by the best there is, the third by nothing at all.
    assert match_default_boxes(objects, THREE, 0.5).tolist() == [0, 1, -1]
    assert match_default_boxes(objects[:0], THREE, 0.5).tolist() == [-1, -1, -1]


def test_the_last_of_objects_with_the_same_best_box_gets_it() -> None:
    objects = torch.tensor([[20.0, 20, 40, 40], [21, 21, 39, 39]])
    assert match_default_boxes(objects, THREE, 0.5).tolist() == [-1, 1, -1]


def test_a_forced_box_belongs_to_its_object_even_if_it_overlaps_another_more() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8]])
    objects = torch.tensor([[0.0, 0, 10, 10], [0, 0, 4, 8]])
    assert box_iou(objects, boxes).argmax(dim=0).tolist() == [0, 0]
    assert match_default_boxes(objects, boxes, 0.5).tolist() == [0, 1]


def test_hard_negatives_are_the_worst_of_each_image() -> None:
    loss = torch.tensor([[5.0, 1, 4, 3, 2], [9, 9, 9, 9, 9], [1, 2, 3, 4, 5]])
    positive = torch.tensor([[True, False, False, False, False], [False] * 5, [False, False, False, False, True]])
    chosen = hard_negatives(loss, positive, torch.tensor([3.0, 0, 9]))
    assert chosen.tolist() == [[False, False, True, True, True], [False] * 5, [True, True, True, True, False]]


def test_losses_are_the_papers_by_hand() -> None:
    boxes = torch.cat([THREE, THREE + 0.5, THREE + 1])  # nine boxes
    truth = target([[20, 20, 40, 42]], [1])
    iou = box_iou(truth.boxes_xyxy, boxes)[0]
    positive = iou >= 0.5
    assert positive.sum() == 3
    logits = torch.randn(1, 9, 3, generator=torch.Generator().manual_seed(0))
    deltas = torch.zeros(1, 9, 4)
    losses = SSDCriterion(negatives=1)(outputs(logits, deltas, boxes), [truth])
    as_background = -logits[0].log_softmax(-1)[:, 0]
    as_object = -logits[0].log_softmax(-1)[:, 2]
    expected = as_object[positive].sum() + as_background[~positive].sort(descending=True).values[:3].sum()
    torch.testing.assert_close(losses["class"], expected / 3)
    moves = encode_boxes(truth.boxes_xyxy.expand(3, 4), boxes[positive], weights=BOX_WEIGHTS)
    torch.testing.assert_close(losses["box"], F.smooth_l1_loss(moves, torch.zeros(3, 4), reduction="sum") / 3)


def test_perfect_outputs_cost_nothing_whatever_the_frame_of_the_target() -> None:
    truth = target([[22, 20, 41, 40]], [0])
    logits = torch.tensor([[50.0, 0], [0, 50], [50, 0]])[None]
    deltas = torch.zeros(1, 3, 4)
    deltas[0, 1] = encode_boxes(truth.boxes_xyxy, THREE[1:2], weights=BOX_WEIGHTS)[0]
    wide = target([[44, 10, 82, 20]], [0], size=(32, 128))  # stretched to 64 by 64 it is the same
    for one in (truth, wide):
        losses = SSDCriterion()(outputs(logits, deltas, THREE), [one])
        assert {name: pytest.approx(float(loss), abs=1e-5) for name, loss in losses.items()} == {"class": 0, "box": 0}


def test_an_image_without_objects_counts_only_if_asked() -> None:
    found = outputs(torch.zeros(2, 3, 2, requires_grad=True), torch.zeros(2, 3, 4, requires_grad=True), THREE)
    nothing = [target([], []), target([], [])]
    published = SSDCriterion()(found, nothing)
    assert [loss.item() for loss in published.values()] == [0, 0]
    (published["class"] + published["box"]).backward()
    asked = SSDCriterion(least_negatives=2)(found, nothing)
    assert float(asked["class"].detach()) == pytest.approx(2 * 2 * 0.6931, abs=1e-3)


def test_detect_keeps_classes_and_images_apart_and_the_best_first() -> None:
    logits = torch.full((2, 3, 3), -9.0)
    logits[:, :, 0] = 0
    boxes = torch.tensor([[0.0, 0, 20, 20], [0, 0, 20, 19], [30, 30, 90, 60]])
    logits[0, 0, 1], logits[0, 1, 1], logits[0, 2, 2] = 2, 3, 1
    logits[1, 0, 1], logits[1, 1, 2] = 2, 1
    found = detect(outputs(logits, torch.zeros(2, 3, 4), boxes), (64, 64), SSDLimits())
    assert found.image_index.tolist() == [0, 0, 1, 1]
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert found.boxes_xyxy[0].tolist() == [0, 0, 20, 19]  # the better of two that overlap
    assert found.boxes_xyxy[1].tolist() == [30, 30, 64, 60]  # cut at the border
    assert (found.scores[:2].diff() <= 0).all()
    few = detect(outputs(logits, torch.zeros(2, 3, 4), boxes), (64, 64), SSDLimits(count=1, candidates=1))
    assert few.image_index.tolist() == [0, 1]
    assert len(detect(outputs(logits, torch.zeros(2, 3, 4), boxes), (64, 64), SSDLimits(score=0.99)).scores) == 0


def test_fixed_size_stretches_and_drops_the_padding() -> None:
    transform = SquareTransform(size=32, mean=(0, 0, 0), std=(1, 1, 1))
    wide = torch.ones(3, 16, 64)
    assert transform.batch([wide, torch.rand(3, 50, 10)]).pixels.shape == (2, 3, 32, 32)
    padded = ImageBatch(F.pad(wide, (0, 8, 0, 8))[None], torch.tensor([[16, 64]]))
    assert torch.equal(transform(padded), torch.ones(1, 3, 32, 32))
    small = ImageBatch(F.pad(torch.ones(1, 3, 32, 8), (0, 24)), torch.tensor([[32, 8]]))
    assert torch.equal(transform(small), torch.ones(1, 3, 32, 32))


@pytest.mark.parametrize("size", [64, 100, 129, 192, 320])
def test_lite_has_a_default_box_for_every_answer(size: int) -> None:
    model = ssd_lite0(num_classes=4, pretrained=False, size=size).eval()
    with torch.no_grad():
        found = model(model.transform.batch([torch.rand(3, 30, 70)]))
    assert found.class_logits.shape == (1, len(found.default_boxes), 5)
    assert found.box_deltas.shape == (1, len(found.default_boxes), 4)
    sides = found.default_boxes[:, 2:] - found.default_boxes[:, :2]
    assert sides.min() < 12
    assert sides.max() >= 0.9 * size - 1e-3


def test_lite_says_what_size_it_needs() -> None:
    with pytest.raises(ValueError, match="at least 64, not 48"):
        lite_levels(48)


def test_lite_begins_with_one_box_in_four_for_objects() -> None:
    torch.manual_seed(0)
    model = ssd_lite0(num_classes=7, pretrained=False, size=64).eval()
    scores = model(model.transform.batch([torch.rand(3, 64, 64)])).class_logits.softmax(-1)
    assert scores[..., 0].mean().item() == pytest.approx(0.75, abs=0.02)
    assert scores[..., 1:].std() < 0.02


@pytest.mark.parametrize("count", [0, 2])
def test_every_parameter_of_lite_has_a_gradient_with_objects_and_without(count: int) -> None:
    model = ssd_lite0(num_classes=3, pretrained=False, size=64).train()
    truth = target([[5, 5, 40, 40], [20, 30, 90, 60]][:count], [0, 2][:count], (64, 96))
    padded = ImageBatch(torch.rand(2, 3, 64, 96), torch.tensor([[64, 96], [64, 64]]))
    losses = SSDCriterion()(model(padded), [truth, target([], [])])
    sum(losses.values()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_frame_of_a_target_does_not_matter() -> None:
    model = ssd_lite0(num_classes=3, pretrained=False, size=64).eval()
    found = model(ImageBatch(torch.rand(1, 3, 64, 96), torch.tensor([[64, 96]])))
    small, large = (target([[5 * f, 5 * f, 40 * f, 30 * f]], [1], (64 * f, 96 * f)) for f in (1, 3))
    here, there = (SSDCriterion()(found, [one]) for one in (small, large))
    assert here["box"] > 0
    for name in ("class", "box"):
        torch.testing.assert_close(here[name], there[name], rtol=1e-4, atol=1e-5)


def test_crowds_do_not_train() -> None:
    model = ssd_lite0(num_classes=3, pretrained=False, size=64).eval()
    found = model(ImageBatch(torch.rand(1, 3, 64, 64), torch.tensor([[64, 64]])))
    both = target([[5, 5, 40, 40], [20, 30, 60, 60]], [0, 1])
    with_crowd = replace(both, is_crowd=torch.tensor([False, True]))
    alone, crowded = (SSDCriterion()(found, [one]) for one in (target([[5, 5, 40, 40]], [0]), with_crowd))
    assert torch.equal(alone["class"], crowded["class"])
    assert not torch.equal(SSDCriterion()(found, [both])["class"], crowded["class"])


def test_it_learns_by_its_own_losses() -> None:
    model, schema = ssd_lite0(num_classes=1, pretrained=False, size=64), Schema(("owl",), (1,))
    recipe = Recipe(name="trial", model="ssd_lite0")
    assert isinstance(PROBLEM.criterion(model, recipe, schema), SSDCriterion)
    assert isinstance(PROBLEM.criterion(model, replace(recipe, loss="ssd"), schema), SSDCriterion)
    with pytest.raises(RecipeError, match=r"no loss of ssd_lite0 called 'detection'.*ssd"):
        PROBLEM.criterion(model, replace(recipe, loss="detection"), schema)


def test_lite_learns_one_image_by_heart() -> None:
    torch.manual_seed(0)
    both = target([[10, 10, 40, 40], [30, 50, 80, 90]], [0, 1], (96, 96))
    assert_learned_by_heart(ssd_lite0(num_classes=2, size=96), SSDCriterion(), both, rounds=25)
