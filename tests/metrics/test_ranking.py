from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from visus.metrics.ranking import image_quality, instance_quality
from visus.types import (
    VOID,
    ClassPrediction,
    ClassTarget,
    EmbeddingPrediction,
    InstancePrediction,
    InstanceTarget,
    NoRowError,
    SemanticPrediction,
    SemanticTarget,
)

BOXES = torch.tensor([[0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 30.0, 30.0]])
TARGET = InstanceTarget(BOXES, torch.tensor([0, 1]), torch.full((2,), 100.0), torch.tensor([False, False]), (40, 40))
EXACT = InstancePrediction(BOXES, torch.tensor([0, 1]), torch.tensor([0.9, 0.8]), (40, 40))
EMPTY = torch.tensor([], dtype=torch.int64)


def test_exact_is_1_and_nothing_found_is_0() -> None:
    assert image_quality(EXACT, TARGET) == pytest.approx(1)
    assert image_quality(EXACT[EMPTY], TARGET) == 0
    assert image_quality(EXACT, TARGET[EMPTY]) == 0
    assert image_quality(EXACT[EMPTY], TARGET[EMPTY]) == 1


def test_is_the_f1_score_times_the_mean_iou() -> None:
    shifted = replace(EXACT, boxes_xyxy=BOXES + torch.tensor([[2.0, 0.0, 2.0, 0.0], [15.0, 0.0, 15.0, 0.0]]))
    # The first overlaps by 8 of 12 columns; the second misses: one match, one false alarm, one miss.
    assert image_quality(shifted, TARGET) == pytest.approx((8 / 12) / (1 + 0.5 + 0.5))


def test_a_wrong_label_or_a_low_score_finds_nothing() -> None:
    assert image_quality(replace(EXACT, labels=torch.tensor([1, 0])), TARGET) == 0
    assert image_quality(replace(EXACT, scores=torch.tensor([0.9, 0.4])), TARGET) == pytest.approx(1 / 1.5)
    assert instance_quality(replace(EXACT, scores=torch.tensor([0.9, 0.4])), TARGET, min_score=0.3) == pytest.approx(1)


def test_the_second_prediction_of_an_object_is_a_false_alarm() -> None:
    double = EXACT[torch.tensor([0, 0, 1])]
    assert image_quality(double, TARGET) == pytest.approx(2 / 2.5)


def test_the_best_score_comes_first_whatever_the_order() -> None:
    loose = BOXES[:1] + torch.tensor([[0.0, 0.0, 4.0, 0.0]])
    prediction = InstancePrediction(
        torch.cat((loose, BOXES[:1])), torch.tensor([0, 0]), torch.tensor([0.6, 0.9]), (40, 40)
    )
    assert image_quality(prediction, TARGET[torch.tensor([0])]) == pytest.approx(1 / 1.5)


def test_crowds_are_neither_missed_nor_false() -> None:
    crowd = replace(TARGET, is_crowd=torch.tensor([False, True]))
    assert image_quality(EXACT[torch.tensor([0])], crowd) == pytest.approx(1)
    inside = replace(EXACT, boxes_xyxy=torch.tensor([[0.0, 0.0, 10.0, 10.0], [21.0, 21.0, 24.0, 24.0]]))
    assert image_quality(inside, crowd) == pytest.approx(1)
    assert image_quality(replace(inside, labels=torch.tensor([0, 0])), crowd) == pytest.approx(1 / 1.5)


def test_masks_count_where_both_have_them() -> None:
    masks = torch.zeros(2, 40, 40, dtype=torch.bool)
    masks[0, :10, :10] = True
    masks[1, 20:30, 20:30] = True
    target = replace(TARGET, masks=masks)
    half = masks.clone()
    half[0, :, 6:] = False  # 60 of 100 pixels
    assert image_quality(replace(EXACT, masks=half.float()), target) == pytest.approx((0.6 + 1) / 2)
    assert image_quality(EXACT, target) == pytest.approx(1)  # without masks: the boxes
    crowd = replace(target, is_crowd=torch.tensor([True, False]))
    assert image_quality(replace(EXACT, masks=half), crowd) == pytest.approx(1)


def test_pixels_by_the_mean_iou_of_the_image() -> None:
    target = SemanticTarget(torch.tensor([[0, 0, 2, 2, VOID]], dtype=torch.uint8), (1, 5))
    labels = torch.tensor([[0, 2, 2, 2, 1]], dtype=torch.uint8)
    prediction = SemanticPrediction(labels, torch.ones(1, 5), (1, 5))
    assert image_quality(prediction, target) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert image_quality(prediction, replace(target, labels=torch.full((1, 5), VOID, dtype=torch.uint8))) == 1


def test_a_class_by_the_probability_of_the_right_one_where_its_box_is_found() -> None:
    prediction = ClassPrediction(torch.tensor([3, 1]), torch.tensor([0.7, 0.2]), (40, 40), BOXES[0])
    target = ClassTarget(torch.tensor(1), (40, 40), box_xyxy=BOXES[0] + torch.tensor([2.0, 0.0, 2.0, 0.0]))
    assert image_quality(prediction, target) == pytest.approx(0.2)
    assert image_quality(prediction, replace(target, label=torch.tensor(2))) == 0
    assert image_quality(prediction, replace(target, box_xyxy=BOXES[1])) == 0
    assert image_quality(prediction, replace(target, box_xyxy=None)) == pytest.approx(0.2)


def test_an_embedding_alone_says_nothing() -> None:
    target = ClassTarget(torch.tensor(1), (40, 40))
    assert image_quality(EmbeddingPrediction(torch.ones(4), (40, 40)), target) is None


def test_an_unknown_kind_of_prediction_is_named() -> None:
    with pytest.raises(NoRowError, match=r"the quality of one image knows no InstanceTarget; it knows InstancePred"):
        image_quality(TARGET, TARGET)
