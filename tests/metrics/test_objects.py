"""F1, the threshold it suggests and the confusion of objects, against loops that follow the definitions."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from visus.metrics import ObjectMetric
from visus.metrics.object_confusion import object_confusion
from visus.metrics.object_matches import match_objects
from visus.metrics.score_curves import RECALLS, THRESHOLDS, score_curves, suggested_threshold
from visus.types import Batch, InstancePrediction, InstanceTarget, Schema

CATEGORIES = 3
SCHEMA = Schema(("cat", "dog", "owl"), (1, 2, 3))


def scene(seed: int) -> tuple[InstancePrediction, InstanceTarget]:
    """Up to 8 objects, some crowds, and up to 14 detections: near an object, of any label, or anywhere."""
    rng = np.random.default_rng(seed)
    count, found = int(rng.integers(0, 9)), int(rng.integers(0, 15))
    corners = rng.uniform(0, 70, (count, 2))
    boxes = np.concatenate((corners, corners + rng.uniform(8, 30, (count, 2))), axis=1)
    labels = rng.integers(0, CATEGORIES, count)
    near = boxes[rng.integers(0, count, found)] if count else np.tile([10.0, 10, 30, 30], (found, 1))
    shifted = near + rng.normal(0, 3, (found, 4))
    shifted[:, 2:] = np.maximum(shifted[:, 2:], shifted[:, :2] + 1)
    target = InstanceTarget(
        boxes_xyxy=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(labels, dtype=torch.int64),
        areas=torch.ones(count),
        is_crowd=torch.tensor(rng.random(count) < 0.2, dtype=torch.bool),
        size=(100, 100),
    )
    prediction = InstancePrediction(
        boxes_xyxy=torch.tensor(shifted, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(rng.integers(0, CATEGORIES, found), dtype=torch.int64),
        scores=torch.tensor(np.round(rng.random(found), 2), dtype=torch.float32),
        size=(100, 100),
    )
    return prediction, target


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def shared(a, b):
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)


def iou(a, b):
    return shared(a, b) / (area(a) + area(b) - shared(a, b))


def judged(prediction, target, threshold):
    """By the definition, with detections of at least ``threshold``: (label, verdict) of each, and what each object is.

    A verdict is the label of the object that a detection stands for, -1 for none and None for one that does not count.
    """
    boxes, things = prediction.boxes_xyxy.tolist(), target.boxes_xyxy.tolist()
    order = sorted(range(len(boxes)), key=lambda i: -float(prediction.scores[i]))
    order = [i for i in order if float(prediction.scores[i]) >= threshold - 1e-6]
    real = [j for j in range(len(things)) if not target.is_crowd[j]]
    verdict, taken = {}, {}
    for i in order:
        rivals = [j for j in real if j not in taken and target.labels[j] == prediction.labels[i]]
        best = max(rivals, key=lambda j: iou(boxes[i], things[j]), default=None)
        if best is not None and iou(boxes[i], things[best]) >= 0.5:
            taken[best], verdict[i] = i, int(target.labels[best])
    for i in order:
        on = [
            j
            for j in range(len(things))
            if target.is_crowd[j]
            and target.labels[j] == prediction.labels[i]
            and shared(boxes[i], things[j]) >= 0.5 * area(boxes[i])
        ]
        if i not in verdict and on:
            verdict[i] = None
    pairs = [(iou(boxes[i], things[j]), i, j) for i in order for j in real]
    for overlap, i, j in sorted(pairs, key=lambda pair: -pair[0]):
        if overlap >= 0.5 and i not in verdict and j not in taken and target.labels[j] != prediction.labels[i]:
            taken[j], verdict[i] = i, int(target.labels[j])
    found = [(int(prediction.labels[i]), verdict.get(i, -1)) for i in order]
    objects = [(int(target.labels[j]), int(prediction.labels[taken[j]]) if j in taken else -1) for j in real]
    return found, objects


SCENES = [[scene(100 * block + number) for number in range(5)] for block in range(12)]


@pytest.mark.parametrize("scenes", SCENES)
def test_curves_are_those_of_the_definition(scenes) -> None:
    curves = score_curves([match_objects(*one) for one in scenes], SCHEMA.categories)
    for threshold in (0.0, 0.29, 0.5, 0.87, 1.0):
        found, objects = map(sum, zip(*(judged(*one, threshold) for one in scenes), strict=True), ([], []))
        values = curves.at(threshold)
        for label in range(CATEGORIES):
            owed = sum(true == label for true, _ in objects)
            own = [verdict for named, verdict in found if named == label and verdict is not None]
            right = sum(verdict == label for verdict in own)
            if not owed:
                assert all(math.isnan(value[label]) for value in values.values())
                continue
            assert values["recall"][label] == pytest.approx(right / owed)
            assert values["F1"][label] == pytest.approx(2 * right / (owed + len(own)))
            assert values["precision"][label] == pytest.approx(right / len(own) if own else math.nan, nan_ok=True)


@pytest.mark.parametrize("scenes", SCENES)
def test_the_envelope_is_the_best_precision_at_a_recall_or_beyond(scenes) -> None:
    matches = [match_objects(*one) for one in scenes]
    curves = score_curves(matches, SCHEMA.categories)
    for label in range(CATEGORIES):
        rows = sorted(
            (
                (-score, bool(thing >= 0))
                for one in matches
                for score, named, thing, off in zip(one.scores, one.labels, one.found, one.ignored, strict=True)
                if named == label and not off
            ),
            key=lambda row: row[0],
        )
        owed = int(curves.objects[label])
        points, right = [], 0
        for count, (_, is_right) in enumerate(rows, 1):
            right += is_right
            points.append((right, right / count))
        for place, recall in enumerate(RECALLS if owed else []):
            best = max((precision for hits, precision in points if hits >= recall * owed - 1e-9), default=0.0)
            assert curves.envelope[label, place] == pytest.approx(best)


@pytest.mark.parametrize("scenes", SCENES)
@pytest.mark.parametrize("threshold", [0.0, 0.4, 0.8])
def test_confusion_is_that_of_the_definition(scenes, threshold: float) -> None:
    counts = object_confusion([match_objects(*one) for one in scenes], CATEGORIES, threshold=threshold).counts
    expected = torch.zeros(CATEGORIES + 1, CATEGORIES + 1, dtype=torch.int64)
    for one in scenes:
        found, objects = judged(*one, threshold)
        for true, named in objects:
            expected[true, named] += 1
        for named, verdict in found:
            if verdict == -1:
                expected[-1, named] += 1
    assert torch.equal(counts, expected)


def test_the_threshold_is_the_middle_of_the_best_scores() -> None:
    f1 = np.zeros(101)
    f1[30:41] = 0.7
    f1[80] = 0.7
    assert suggested_threshold(f1) == 0.35
    assert math.isnan(suggested_threshold(np.zeros(101)))
    assert suggested_threshold(np.ones(101)) == 0.5
    assert len(THRESHOLDS) == 101


def one_image(
    scores: list[float], labels: list[int], boxes: list[list[float]], truth: list[tuple[int, list[float]]]
) -> tuple[InstancePrediction, InstanceTarget]:
    prediction = InstancePrediction(
        torch.tensor(boxes).reshape(-1, 4), torch.tensor(labels, dtype=torch.int64), torch.tensor(scores), (50, 50)
    )
    n = len(truth)
    target = InstanceTarget(
        torch.tensor([box for _, box in truth]).reshape(-1, 4),
        torch.tensor([label for label, _ in truth], dtype=torch.int64),
        torch.ones(n),
        torch.zeros(n, dtype=torch.bool),
        (50, 50),
    )
    return prediction, target


A, B, C = [0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 30.0, 30.0], [40.0, 40.0, 50.0, 50.0]


def test_numbers_threshold_and_confusion_of_a_scene_that_can_be_counted_by_hand() -> None:
    """A is found (.9), B is taken for an owl (.6), something is seen where nothing is (.2); C is missed."""
    prediction, target = one_image([0.9, 0.6, 0.2], [0, 2, 0], [A, B, [0, 40, 10, 50]], [(0, A), (1, B), (2, C)])
    metric = ObjectMetric(SCHEMA)
    metric.update([prediction], Batch(None, [target]))
    numbers = metric.compute()
    # Above .2 and up to .6, as above .6 and up to .9: the cat's F1 is 1, the dog's 0; the owl's is 0.
    assert numbers == pytest.approx({"F1": 1 / 3, "precision": 0.5, "recall": 1 / 3, "score threshold": 0.55})
    curves, confusion = metric.details()
    assert confusion.counts.tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert confusion.threshold == curves.threshold == 0.55
    assert metric.qualities(0.55) == [pytest.approx(1 / (1 + 0.5 * 1 + 0.5 * 2))]
    assert metric.qualities(0.1) == [pytest.approx(1 / (1 + 0.5 * 2 + 0.5 * 2))]


def test_a_threshold_that_was_chosen_before_is_kept() -> None:
    prediction, target = one_image([0.9, 0.6], [0, 0], [A, C], [(0, A)])
    metric = ObjectMetric(SCHEMA, threshold=0.3)
    metric.update([prediction], Batch(None, [target]))
    assert metric.compute() == pytest.approx({"F1": 2 / 3, "precision": 0.5, "recall": 1.0, "score threshold": 0.3})


def test_where_nothing_is_found_no_threshold_is_suggested() -> None:
    prediction, target = one_image([0.9], [1], [A], [(0, A)])
    metric = ObjectMetric(SCHEMA)
    metric.update([prediction], Batch(None, [target]))
    assert metric.compute() == pytest.approx(
        {"F1": 0.0, "precision": -1.0, "recall": 0.0, "score threshold": math.nan}, nan_ok=True
    )
    assert metric.details()[1].counts.tolist() == [[0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def triangles() -> torch.Tensor:
    """The upper right and the lower left half of A, in an image of 50 x 50: their boxes are nearly one."""
    square = torch.zeros(50, 50, dtype=torch.bool)
    square[:10, :10] = True
    upper = torch.ones(50, 50, dtype=torch.bool).triu()
    return torch.stack((square & upper, square & ~upper))


def outlined(labels: list[int]) -> tuple[InstancePrediction, InstanceTarget]:
    """A cat in the upper and a dog in the lower triangle of A; both are detected, as what ``labels`` says."""
    prediction, target = one_image([0.9, 0.8], labels, [A, A], [(0, A), (1, A)])
    return replace(prediction, masks=triangles()), replace(target, masks=triangles())


def test_objects_with_masks_are_told_apart_by_them() -> None:
    """The detections have each other's labels: their boxes are right, their masks are not."""
    prediction, target = outlined([1, 0])
    for found, outline, expected in (
        (prediction, "masks", [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]),
        (replace(prediction, masks=None), "boxes", [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]),
    ):
        metric = ObjectMetric(SCHEMA, threshold=0.3)
        metric.update([found], Batch(None, [target]))
        numbers = metric.compute()
        curves, confusion = metric.details()
        assert confusion.counts.tolist() == expected
        assert curves.outline == outline
        assert numbers["F1"] == pytest.approx(float(outline == "boxes"))


def test_masks_that_are_probabilities_count_from_a_half_on() -> None:
    prediction, target = outlined([0, 1])
    assert prediction.masks is not None
    soft = replace(prediction, masks=0.2 + 0.5 * prediction.masks.float())
    matches = match_objects(soft, target)
    assert matches.found.tolist() == [0, 1]
    assert matches.ious.tolist() == [1.0, 1.0]


def test_a_mask_that_lies_on_a_crowd_by_half_is_left_out() -> None:
    """The crowd is the upper triangle: the detection there is neither right nor wrong, the other one is wrong."""
    prediction, target = outlined([0, 0])
    crowd = replace(target, labels=torch.tensor([0, 0]), is_crowd=torch.tensor([True, True]))[torch.tensor([0])]
    assert match_objects(prediction, crowd).ignored.tolist() == [True, False]
    assert match_objects(replace(prediction, masks=None), crowd).ignored.tolist() == [True, True]


def test_other_masks_of_one_image_are_another_image() -> None:
    prediction, target = outlined([0, 1])
    assert target.masks is not None
    other = replace(target, masks=target.masks & (torch.arange(50) > 2))
    metric = ObjectMetric(SCHEMA)
    metric.update([prediction], Batch(None, [replace(target, image_id=1)]))
    with pytest.raises(ValueError, match="two different images"):
        metric.update([prediction], Batch(None, [replace(other, image_id=1)]))
