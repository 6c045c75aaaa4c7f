"""VocMetric against a plain loop over sorted detections, and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from two_processes import in_two_processes
from visus.metrics.voc import VocMetric, average_precision
from visus.types import Batch, InstancePrediction, InstanceTarget, Schema

SCHEMA = Schema(("cat", "dog", "cow"), (0, 1, 2))
Pair = tuple[InstancePrediction, InstanceTarget]


def target_of(boxes: torch.Tensor, labels: torch.Tensor, difficult: torch.Tensor, image_id: int) -> InstanceTarget:
    return InstanceTarget(boxes, labels, torch.ones(len(labels)), difficult, (100, 100), image_id)


def image(image_id: int, objects: int) -> Pair:
    """Cats and dogs, some difficult; detections near them, some of them twice, some at random places."""
    generator = torch.Generator().manual_seed(image_id)
    corner = torch.rand(objects, 2, generator=generator) * 60
    boxes = torch.cat((corner, corner + 10 + torch.rand(objects, 2, generator=generator) * 25), dim=1)
    labels = torch.randint(0, 2, (objects,), generator=generator)
    near = boxes.repeat(2, 1) + torch.randn(2 * objects, 4, generator=generator) * 3
    lost = torch.tensor([[1.0, 1.0, 9.0, 9.0], [50.0, 50.0, 80.0, 80.0]])
    found = torch.cat((near, lost))
    classes = torch.cat((labels, labels, torch.tensor([0, 1])))
    scores = torch.rand(len(found), generator=generator).mul(20).round().div(20)
    difficult = torch.rand(objects, generator=generator) < 0.25
    return InstancePrediction(found, classes, scores, (100, 100)), target_of(boxes, labels, difficult, image_id)


PAIRS = [image(31, 4), image(7, 0), image(12, 6), image(4, 3), image(90, 6)]


def metric_of(pairs: list[Pair], *, rule: str = "10+", inclusive: bool = False) -> VocMetric:
    metric = VocMetric(SCHEMA, rule=rule, inclusive=inclusive)
    metric.update([], Batch(None, []))
    for prediction, target in pairs:
        metric.update([prediction], Batch(None, [target]))
    return metric


def plain(pairs: list[Pair], label: int, rule: str, extra: float) -> float:
    """The development kit's loop, written out."""
    truth = {
        t.image_id: [
            [b, d, False] for b, n, d in zip(t.boxes_xyxy.tolist(), t.labels, t.is_crowd, strict=True) if n == label
        ]
        for _, t in pairs
    }
    owed = sum(not difficult for objects in truth.values() for _, difficult, _ in objects)
    detections = sorted(
        (-float(s), t.image_id, i, p.boxes_xyxy[i].tolist())
        for p, t in pairs
        for i, (s, n) in enumerate(zip(p.scores, p.labels, strict=True))
        if n == label
    )
    right, wrong, curve = 0, 0, []
    for _, image_id, _, box in detections:
        best, chosen = -1.0, None
        for record in truth[image_id]:
            other = record[0]
            width = min(box[2], other[2]) - max(box[0], other[0]) + extra
            height = min(box[3], other[3]) - max(box[1], other[1]) + extra
            if width > 0 and height > 0:
                areas = [(b[2] - b[0] + extra) * (b[3] - b[1] + extra) for b in (box, other)]
                iou = width * height / (sum(areas) - width * height)
                if iou > best:
                    best, chosen = iou, record
        if chosen is not None and best >= 0.5:
            if chosen[1]:
                continue
            if chosen[2]:
                wrong += 1
            else:
                right += 1
                chosen[2] = True
        else:
            wrong += 1
        curve.append((right / owed, right / (right + wrong)))
    if rule == "07":
        return sum(max((p for r, p in curve if r >= t / 10 - 1e-12), default=0.0) for t in range(11)) / 11
    area, before = 0.0, 0.0
    for recall, _ in curve:
        area += (recall - before) * max(p for r, p in curve if r >= recall)
        before = recall
    return area


@pytest.mark.parametrize("rule", ["07", "10+"])
@pytest.mark.parametrize("inclusive", [False, True])
def test_equals_the_plain_loop(rule: str, inclusive: bool) -> None:
    metric = metric_of(PAIRS, rule=rule, inclusive=inclusive)
    numbers = metric.compute()
    expected = [plain(PAIRS, label, rule, float(inclusive)) for label in (0, 1)]
    assert metric.per_category() == {"VOC AP50": pytest.approx({"cat": expected[0], "dog": expected[1], "cow": -1})}
    assert numbers == {"VOC AP50": pytest.approx(sum(expected) / 2)}
    assert all(0.2 < value < 0.95 for value in expected)


def test_the_rules_by_hand() -> None:
    verdicts = np.array([1, 0, 1, 0, 0])  # precision 1 at recall 1/4, 2/3 at recall 1/2
    assert average_precision(verdicts, 4, "10+") == pytest.approx((1 + 2 / 3) / 4)
    assert average_precision(verdicts, 4, "07") == pytest.approx((3 * 1 + 3 * 2 / 3) / 11)
    assert average_precision(np.array([-1, 1]), 1, "10+") == 1
    assert average_precision(verdicts, 0, "07") == -1
    assert average_precision(np.array([], dtype=np.int64), 3, "07") == 0


def test_a_second_detection_of_an_object_is_wrong() -> None:
    box = torch.tensor([[10.0, 10.0, 40.0, 40.0], [50.0, 50.0, 80.0, 80.0]])
    target = target_of(box, torch.tensor([0, 0]), torch.tensor([False, False]), 1)
    found = InstancePrediction(
        box[[0, 0, 1]], torch.zeros(3, dtype=torch.int64), torch.tensor([0.9, 0.8, 0.7]), (100, 100)
    )
    assert metric_of([(found, target)]).compute()["VOC AP50"] == pytest.approx(0.5 + 0.5 * 2 / 3)
    difficult = target_of(box, torch.tensor([0, 0]), torch.tensor([True, False]), 1)
    assert metric_of([(found, difficult)]).compute()["VOC AP50"] == 1  # finding the difficult one twice harms nobody


def test_an_iou_of_exactly_one_half_is_right_and_pixels_may_be_inclusive() -> None:
    target = target_of(torch.tensor([[0.0, 0.0, 10.0, 10.0]]), torch.tensor([1]), torch.tensor([False]), 1)
    half = InstancePrediction(torch.tensor([[0.0, 0.0, 10.0, 5.0]]), torch.tensor([1]), torch.ones(1), (100, 100))
    assert metric_of([(half, target)]).compute()["VOC AP50"] == 1
    less = InstancePrediction(torch.tensor([[0.0, 0.0, 10.0, 4.9]]), torch.tensor([1]), torch.ones(1), (100, 100))
    assert metric_of([(less, target)]).compute()["VOC AP50"] == 0
    assert metric_of([(less, target)], inclusive=True).compute()["VOC AP50"] == 1  # 5.9 of 11 rows


def test_neither_order_nor_repeats_matter() -> None:
    assert metric_of([*PAIRS[::-1], PAIRS[2]]).compute() == metric_of(PAIRS).compute()


def test_nothing_to_measure() -> None:
    assert metric_of([]).compute() == {"VOC AP50": -1}
    assert metric_of([image(7, 0)]).compute() == {"VOC AP50": -1}
    metric = metric_of(PAIRS)
    with pytest.raises(RuntimeError, match=r"call compute\(\) first"):
        metric.per_category()


class TestRefusals:
    def test_an_unknown_rule(self) -> None:
        with pytest.raises(ValueError, match="rule is '12'; it must be one of 07, 10"):
            VocMetric(SCHEMA, rule="12")

    def test_other_sizes_and_numbers_that_are_not_finite(self) -> None:
        prediction, target = image(5, 2)
        other = InstancePrediction(**(vars(prediction) | {"size": (30, 40)}))
        with pytest.raises(ValueError, match=r"image 5: .*\(30, 40\), the target in those of \(100, 100\)"):
            VocMetric(SCHEMA).update([other], Batch(None, [target]))
        other = InstancePrediction(**(vars(prediction) | {"scores": prediction.scores * float("nan")}))
        with pytest.raises(ValueError, match=r"image 5: .* not finite"):
            VocMetric(SCHEMA).update([other], Batch(None, [target]))

    def test_labels_that_the_schema_lacks(self) -> None:
        prediction, target = image(5, 2)
        for label in (-1, len(SCHEMA.categories)):
            labels = torch.full_like(prediction.labels, label)
            other = InstancePrediction(**(vars(prediction) | {"labels": labels}))
            with pytest.raises(ValueError, match=f"image 5: the prediction holds label {label}, but there are"):
                VocMetric(SCHEMA).update([other], Batch(None, [target]))
            annotated = InstanceTarget(**(vars(target) | {"labels": torch.full_like(target.labels, label)}))
            with pytest.raises(ValueError, match=f"image 5: the target holds label {label}, but there are"):
                VocMetric(SCHEMA).update([prediction], Batch(None, [annotated]))

    def test_two_images_of_one_identifier(self) -> None:
        prediction, target = image(5, 2)
        with pytest.raises(ValueError, match="two different images have image_id 31"):
            metric_of(PAIRS).update([prediction], Batch(None, [InstanceTarget(**(vars(target) | {"image_id": 31}))]))


def _measure(rank: int, folder: Path) -> None:
    metric = metric_of(([PAIRS[0], PAIRS[2], PAIRS[4]], [PAIRS[1], PAIRS[3], PAIRS[0]])[rank])
    torch.save((metric.compute(), metric.per_category()), folder / f"{rank}.pt")


def test_two_processes_measure_what_one_does(tmp_path: Path) -> None:
    in_two_processes(_measure, tmp_path)
    alone = metric_of(PAIRS)
    numbers = alone.compute()
    for rank in range(2):
        assert torch.load(tmp_path / f"{rank}.pt", weights_only=True) == (numbers, alone.per_category())
