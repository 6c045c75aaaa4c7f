"""The losses of segmentation against closed forms and hand-made cases."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from visus.names import build
from visus.systems.segmentation.losses import (
    SegmentationCriterion,
    class_counts,
    cross_entropy_loss,
    dice_loss,
    focal_loss,
    labels_in_frame,
    median_frequency_weights,
    resize_labels,
)
from visus.systems.segmentation.outputs import SegmentationOutputs
from visus.types import VOID, SemanticTarget


def some_labels(*size: int, classes: int = 3, void: float = 0.2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, classes, size, generator=generator, dtype=torch.uint8)
    labels[torch.rand(size, generator=generator) < void] = VOID
    return labels


def some_logits(*size: int, classes: int = 3) -> torch.Tensor:
    logits = torch.randn(size[0], classes, *size[1:], generator=torch.Generator().manual_seed(1))
    return logits.requires_grad_()


def outputs_of(logits: torch.Tensor, sizes: list[tuple[int, int]], frame: tuple[int, int]) -> SegmentationOutputs:
    return SegmentationOutputs(logits, None, torch.tensor(sizes), frame)


def target_of(labels: torch.Tensor, image_id: int = 0) -> SemanticTarget:
    return SemanticTarget(labels, (labels.shape[0], labels.shape[1]), image_id)


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 5.0, 0.5])])
def test_cross_entropy_is_the_weighted_mean_over_labelled_pixels(weights: torch.Tensor | None) -> None:
    logits, labels = some_logits(2, 4, 5), some_labels(2, 4, 5)
    expected = F.cross_entropy(logits, labels.long(), weights, ignore_index=VOID)
    torch.testing.assert_close(cross_entropy_loss(logits, labels, weights), expected)


def test_focal_loss_is_cross_entropy_at_gamma_zero_and_follows_its_formula() -> None:
    logits, labels = some_logits(2, 4, 5), some_labels(2, 4, 5, void=0.0)
    weights = torch.tensor([1.0, 5.0, 0.5])
    plain = cross_entropy_loss(logits, labels, weights)
    torch.testing.assert_close(focal_loss(logits, labels, weights, gamma=0.0), plain)
    p = logits.softmax(1).gather(1, labels.long()[:, None])[:, 0]
    torch.testing.assert_close(focal_loss(logits, labels, gamma=2.0), ((1 - p) ** 2 * -p.log()).mean())


def test_focal_loss_has_finite_gradients_where_the_network_is_sure() -> None:
    logits = torch.tensor([60.0, -60.0]).view(1, 2, 1, 1).requires_grad_()
    focal_loss(logits, torch.zeros(1, 1, 1, dtype=torch.uint8), gamma=0.5).backward()
    assert torch.isfinite(logits.grad).all()


def test_dice_is_zero_for_the_truth_and_counts_occurring_classes_only() -> None:
    labels = torch.tensor([[[0, 0, 1, 1]]], dtype=torch.uint8)
    sure = 60 * F.one_hot(labels.long(), 3).permute(0, 3, 1, 2).float()
    assert float(dice_loss(sure, labels)) == pytest.approx(0, abs=1e-6)
    # All is called class 0: its overlap is (2 * 2 + 1) / (4 + 2 + 1), that of class 1 is 1 / (2 + 1).
    wrong = torch.tensor([60.0, 0, 0]).view(1, 3, 1, 1).expand(1, 3, 1, 4)
    assert float(dice_loss(wrong, labels)) == pytest.approx(1 - (5 / 7 + 1 / 3) / 2, abs=1e-5)


@pytest.mark.parametrize("options", [{}, {"pixel_loss": "focal"}, {"dice": 1.0}, {"balance": 1.0}])
def test_nothing_labelled_costs_nothing_and_has_a_gradient(options: dict) -> None:
    logits = some_logits(1, 4, 4)
    target = target_of(torch.full((8, 8), VOID, dtype=torch.uint8))
    losses = SegmentationCriterion(**options)(outputs_of(logits, [(8, 8)], (8, 8)), [target])
    total = torch.stack(list(losses.values())).sum()
    total.backward()
    assert float(total.detach()) == 0
    assert (logits.grad == 0).all()


def test_void_pixels_have_no_gradient() -> None:
    logits, labels = some_logits(1, 4, 4), some_labels(1, 4, 4)
    (cross_entropy_loss(logits, labels) + focal_loss(logits, labels) + dice_loss(logits, labels)).backward()
    moved = logits.grad.abs().sum(1) > 0
    assert torch.equal(moved, labels != VOID)


def test_a_label_without_a_class_is_named() -> None:
    labels = torch.zeros(4, 4, dtype=torch.uint8)
    labels[1, 1] = 7
    outputs = outputs_of(some_logits(2, 4, 4), [(4, 4), (4, 4)], (4, 4))
    with pytest.raises(ValueError, match=r"image 12 has pixels labelled \[7\].*3 classes"):
        labels_in_frame([target_of(labels * 0), target_of(labels, 12)], outputs, 3)


def test_padding_is_void_and_labels_follow_the_image() -> None:
    labels = some_labels(6, 4)
    doubled = labels.repeat_interleave(2, 0).repeat_interleave(2, 1)
    outputs = outputs_of(some_logits(2, 2, 2), [(6, 4), (6, 4)], (8, 8))
    same, again = labels_in_frame([target_of(labels), target_of(doubled)], outputs, 3)
    assert torch.equal(same[:6, :4], labels)
    assert torch.equal(same, again)
    assert (same[6:] == VOID).all()
    assert (same[:, 4:] == VOID).all()


def test_labels_resize_to_those_at_the_centres() -> None:
    labels = torch.arange(6, dtype=torch.uint8).view(1, 6)
    assert resize_labels(labels, (1, 3)).tolist() == [[1, 3, 5]]
    assert resize_labels(labels, (1, 2)).tolist() == [[1, 4]]


def test_median_frequency_weights_of_a_hand_made_data_set() -> None:
    # Two images of ten pixels: class 0 has 8 and 4 of them, class 1 has 2 and 0, class 2 has 0 and 6.
    images = [torch.tensor([[8, 2, 0]]), torch.tensor([[4, 0, 6]])]
    pixels = sum(images)[0]
    of_images = sum((counts > 0) * counts.sum() for counts in images)[0]
    # Their frequencies are 12 / 20, 2 / 10 and 6 / 10, and the median is 0.6.
    torch.testing.assert_close(median_frequency_weights(pixels, of_images), torch.tensor([1.0, 3.0, 1.0]))
    absent = median_frequency_weights(torch.tensor([5, 0]), torch.tensor([10, 0]))
    assert absent.tolist() == [1.0, 1.0]


def test_balance_counts_training_batches_only() -> None:
    labels = torch.tensor([[0, 0, 0, 1]], dtype=torch.uint8)
    outputs = outputs_of(torch.zeros(1, 2, 1, 4), [(1, 4)], (1, 4))
    criterion = SegmentationCriterion(balance=1.0)
    criterion(outputs, [target_of(labels)])
    criterion.eval()(outputs, [target_of(labels)])
    assert class_counts(labels, 2).tolist() == criterion.class_counts[:2].tolist() == [3, 1]
    # The median of 3/4 and 1/4 is 1/2: a pixel of class 0 weighs 2/3, one of class 1 weighs 2.
    tilted = torch.tensor([1.0, 0]).view(1, 2, 1, 1).expand(1, 2, 1, 4)
    found = criterion(outputs_of(tilted, [(1, 4)], (1, 4)), [target_of(labels)])["pixels"]
    zero, one = math.log(1 + math.exp(-1)), math.log(1 + math.e)
    assert float(found) == pytest.approx((3 * 2 / 3 * zero + 2 * one) / 4)


def test_a_second_head_counts_half() -> None:
    logits, labels = some_logits(1, 4, 4), some_labels(4, 4)
    outputs = SegmentationOutputs(logits, logits, torch.tensor([[4, 4]]), (4, 4))
    losses = SegmentationCriterion()(outputs, [target_of(labels)])
    assert losses["aux"].item() == pytest.approx(losses["pixels"].item() / 2)
    losses = SegmentationCriterion(aux_weight=0.25)(outputs, [target_of(labels)])
    assert losses["aux"].item() == pytest.approx(losses["pixels"].item() / 4)
    with pytest.raises(ValueError, match="aux_weight is read for networks with a second head"):
        SegmentationCriterion(aux_weight=0.5)(replace(outputs, aux_logits=None), [target_of(labels)])


def test_options_that_contradict_are_refused() -> None:
    with pytest.raises(ValueError, match="leave class_weights out"):
        SegmentationCriterion(balance=1.0, class_weights=(1.0,))
    with pytest.raises(ValueError, match="'hinge'"):
        build(SegmentationCriterion, {"pixel_loss": "hinge"}, what="the loss segmentation")
    with pytest.raises(ValueError, match='gamma is read by pixel_loss "focal" alone'):
        SegmentationCriterion(gamma=2.0)
    criterion = SegmentationCriterion(class_weights=(1.0, 2.0))
    with pytest.raises(ValueError, match="2 class_weights do not fit 3 classes"):
        criterion(outputs_of(some_logits(1, 4, 4), [(4, 4)], (4, 4)), [target_of(some_labels(4, 4))])
