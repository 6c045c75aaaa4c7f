"""Recalls of scene graphs: by hand, by an oracle, and equal to a slow literal reference on random cases."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
import torch

from visus.metrics import Protocol, SceneGraphMetric
from visus.metrics.scene_graph_matches import ranked
from visus.metrics.scene_graphs import average_precision
from visus.types import Batch, GraphPrediction, InstanceTarget, Schema

SCHEMA = Schema(
    categories=("man", "bench", "cat", "dog"),
    category_ids=(1, 2, 3, 4),
    attributes=("red", "sleeping"),
    predicates=("on", "under", "next to"),
)
SIZE = (50, 60)


def target_of(boxes: Any, labels: Any, relationships: Any, attributes: Any = None, image_id: int = 0) -> InstanceTarget:
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return InstanceTarget(
        boxes_xyxy=boxes,
        labels=torch.tensor(labels, dtype=torch.int64),
        areas=(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
        is_crowd=torch.zeros(len(boxes), dtype=torch.bool),
        size=SIZE,
        image_id=image_id,
        attributes=None if attributes is None else torch.tensor(attributes, dtype=torch.bool),
        relationships=torch.tensor(relationships, dtype=torch.int64).reshape(-1, 3),
    )


def prediction_of(boxes: Any, labels: Any, relationships: Any, scores: Any, attributes: Any = None) -> GraphPrediction:
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    empty = torch.zeros(len(boxes), 2)
    return GraphPrediction(
        boxes_xyxy=boxes,
        labels=torch.tensor(labels, dtype=torch.int64),
        scores=torch.ones(len(boxes)),
        size=SIZE,
        attribute_scores=empty if attributes is None else torch.tensor(attributes),
        relationships=torch.tensor(relationships, dtype=torch.int64).reshape(-1, 3),
        relationship_scores=torch.tensor(scores, dtype=torch.float32),
    )


def measured(pairs: list[tuple[GraphPrediction, InstanceTarget]], **options: Any) -> dict[str, float]:
    metric = SceneGraphMetric(SCHEMA, **options)
    targets = [replace(target, image_id=number) for number, (_, target) in enumerate(pairs)]
    metric.update([prediction for prediction, _ in pairs], Batch(None, targets))
    numbers = metric.compute()
    assert list(numbers) == list(metric.measures)
    return numbers


# --- the reference: loops, no tensors, nothing shared with what it measures ---


def overlap(a: list[float], b: list[float], inclusive: bool) -> float:
    one = 1.0 if inclusive else 0.0
    width = min(a[2], b[2]) - max(a[0], b[0]) + one
    height = min(a[3], b[3]) - max(a[1], b[1]) + one
    both = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0] + one) * (box[3] - box[1] + one) for box in (a, b)]
    return both / (sum(areas) - both)


def around(a: list[float], b: list[float]) -> list[float]:
    return [min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])]


def is_hit(found: Any, wanted: Any, case: Any, protocol: Protocol) -> bool:
    prediction, target = case
    (i, predicate, j), (s, right, o) = found, wanted
    mine, theirs = prediction.labels.tolist(), target.labels.tolist()
    if (mine[i], predicate, mine[j]) != (theirs[s], right, theirs[o]):
        return False
    boxes, truth = prediction.boxes_xyxy.tolist(), target.boxes_xyxy.tolist()
    inclusive = protocol.pixels == "inclusive"
    if protocol.regions == "union":
        return overlap(around(boxes[i], boxes[j]), around(truth[s], truth[o]), inclusive) >= protocol.min_iou
    return all(overlap(boxes[a], truth[b], inclusive) >= protocol.min_iou for a, b in ((i, s), (j, o)))


def listed(case: Any, constrained: bool) -> list[list[int]]:
    prediction, _ = case
    scores = prediction.relationship_scores.tolist()
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    rows, taken = [], set()
    for place in order:
        i, predicate, j = prediction.relationships[place].tolist()
        if constrained and (i, j) in taken:
            continue
        taken.add((i, j))
        rows.append([i, predicate, j])
    return rows


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else -1.0


def reference(cases: list[Any], protocol: Protocol, seen: Any, mode: str) -> dict[str, float]:
    numbers = {}
    related = [case for case in cases if len(case[1].relationships)]
    if protocol.without_predictions == "left_out":
        related = [case for case in related if len(case[0].relationships)]
    for prefix, constrained in (("", True), ("ng ", False)):
        for k in protocol.ks:
            recalls, by_image, pooled, unseen, total = [], {}, {}, [], []
            unseen_total = []
            for case in related:
                labels, top = case[1].labels.tolist(), listed(case, constrained)[:k]
                hits, here, new = [], {}, []
                for wanted in case[1].relationships.tolist():
                    hit = float(any(is_hit(found, wanted, case, protocol) for found in top))
                    hits.append(hit)
                    here.setdefault(wanted[1], []).append(hit)
                    if not seen[labels[wanted[0]]][wanted[1]][labels[wanted[2]]]:
                        new.append(hit)
                recalls.append(mean(hits))
                total += hits
                for predicate, own in here.items():
                    by_image.setdefault(predicate, []).append(mean(own))
                    pooled.setdefault(predicate, []).extend(own)
                unseen += [mean(new)] if new else []
                unseen_total += new
            whole = protocol.mean == "relationships"
            numbers[f"{prefix}R@{k}"] = mean(total if whole else recalls)
            numbers[f"{prefix}mR@{k}"] = mean([mean(values) for values in by_image.values()])
            numbers[f"{prefix}pooled mR@{k}"] = mean([mean(values) for values in pooled.values()])
            numbers[f"{prefix}zR@{k}"] = mean(unseen_total if whole else unseen)
    if mode != "sgdet":
        for k in protocol.ks:
            hits = []
            for case in related:
                pairs = {(s, o) for s, _, o in case[1].relationships.tolist()}
                top = [found for found in listed(case, True) if (found[0], found[2]) in pairs][:k]
                hits += [float(any(is_hit(f, w, case, protocol) for f in top)) for w in case[1].relationships.tolist()]
            numbers[f"A@{k}"] = mean(hits)
    return numbers


def random_case(dice: random.Random, given: bool) -> tuple[GraphPrediction, InstanceTarget]:
    """A small graph, and a prediction of it: jittered boxes, wrong labels, ties of scores, sometimes nothing."""
    n = dice.randint(0, 4)
    boxes = [[x := dice.randint(0, 30), y := dice.randint(0, 30), x + dice.randint(4, 20), y + dice.randint(4, 20)]
             for _ in range(n)]  # fmt: skip
    labels = [dice.randrange(4) for _ in boxes]
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    truth = [(i, dice.randrange(3), j) for i, j in pairs if dice.random() < 0.5]
    attributes = [[dice.random() < 0.5 for _ in range(2)] for _ in boxes]
    target = target_of(boxes, labels, truth, torch.tensor(attributes).reshape(-1, 2).tolist() if n else None)
    if given:
        found, mine = boxes, [label if dice.random() < 0.9 else dice.randrange(4) for label in labels]
    else:
        found = [[edge + dice.randint(-2, 2) * (place > 1) for place, edge in enumerate(box)] for box in boxes]
        mine = list(labels)
        if n and dice.random() < 0.5:
            found, mine = [*found, found[0]], [*mine, mine[0]]
    pairs = [(i, j) for i in range(len(found)) for j in range(len(found)) if i != j]
    rows = [(i, p, j) for i, j in pairs for p in range(3) if dice.random() < 0.6]
    rows = [] if dice.random() < 0.1 else rows
    dice.shuffle(rows)
    return prediction_of(found, mine, rows, [dice.randint(0, 6) / 6 for _ in rows]), target


def test_numbers_are_those_of_the_literal_reference_on_a_thousand_random_cases() -> None:
    dice = random.Random(0)
    images = 0
    while images < 1000:
        mode = dice.choice(["predcls", "sgcls", "sgdet"])
        cases = [random_case(dice, mode != "sgdet") for _ in range(dice.randint(0, 6))]
        seen = torch.rand(4, 3, 4, generator=torch.Generator().manual_seed(images)) < 0.5
        protocol = Protocol(
            ks=dice.choice([(1, 3, 5), (2, 20)]),
            min_iou=dice.choice([0.5, 0.7]),
            pixels=dice.choice(["edges", "inclusive"]),
            regions=dice.choice(["both", "union"]),
            mean=dice.choice(["images", "relationships"]),
            without_predictions=dice.choice(["zero", "left_out"]),
        )
        found = measured(cases, mode=mode, seen=lambda seen=seen: seen, protocol=protocol)
        found.pop("attribute mAP", None)
        expected = reference(cases, protocol, seen.tolist(), mode)
        assert found == pytest.approx(expected, abs=1e-9), (protocol, mode)
        images += len(cases)


# --- oracle Q ---

BOXES, LABELS = [[0, 0, 20, 20], [25, 5, 50, 40], [5, 25, 22, 45]], [0, 1, 2]
TRUTH = target_of(BOXES, LABELS, [(0, 0, 1), (2, 1, 1)])


def test_perfect_predictions_have_recall_1() -> None:
    perfect = prediction_of(BOXES, LABELS, [(2, 1, 1), (0, 0, 1)], [0.9, 0.8])
    numbers = measured([(perfect, TRUTH)], mode="sgdet")
    assert set(numbers.values()) == {1.0}


def test_scores_that_put_the_right_ones_last_find_nothing_in_the_first() -> None:
    wrong_first = prediction_of(BOXES, LABELS, [(0, 0, 1), (2, 1, 1), (1, 2, 0), (1, 2, 2)], [0.1, 0.2, 0.8, 0.9])
    numbers = measured([(wrong_first, TRUTH)], protocol=Protocol(ks=(2, 3, 4)))
    assert [numbers[f"R@{k}"] for k in (2, 3, 4)] == [0.0, 0.5, 1.0]


def test_an_image_without_predictions_counts_0() -> None:
    perfect = prediction_of(BOXES, LABELS, [(2, 1, 1), (0, 0, 1)], [0.9, 0.8])
    nothing = prediction_of([], [], [], [])
    pairs = [(perfect, TRUTH), (nothing, TRUTH)]
    assert measured(pairs, mode="sgdet")["R@20"] == 0.5
    left_out = Protocol(without_predictions="left_out")
    assert measured(pairs, mode="sgdet", protocol=left_out)["R@20"] == 1.0


def test_the_graph_constraint_drops_the_second_predicate_of_a_pair() -> None:
    target = target_of(BOXES, LABELS, [(0, 0, 1), (0, 2, 1)])
    both = prediction_of(BOXES, LABELS, [(0, 0, 1), (0, 2, 1)], [0.9, 0.8])
    numbers = measured([(both, target)])
    assert (numbers["R@20"], numbers["ng R@20"]) == (0.5, 1.0)
    assert ranked(both, constrained=True).tolist() == [[0, 0, 1]]


# --- what A@K and attributes are, and what is refused ---


def test_accuracy_looks_at_annotated_pairs_alone() -> None:
    others_first = prediction_of(BOXES, LABELS, [(1, 2, 0), (1, 2, 2), (0, 0, 1), (2, 1, 1)], [0.9, 0.8, 0.2, 0.1])
    numbers = measured([(others_first, TRUTH)], protocol=Protocol(ks=(2,)))
    assert (numbers["R@2"], numbers["A@2"]) == (0.0, 1.0)


def test_average_precision_by_hand_with_ties() -> None:
    scores = torch.tensor([0.9, 0.5, 0.5, 0.1]).numpy()
    positive = torch.tensor([True, False, True, False]).numpy()
    assert average_precision(scores, positive) == pytest.approx((1 + 2 / 3) / 2)


def test_attributes_of_given_objects_are_measured() -> None:
    target = target_of(BOXES, LABELS, [], [[1, 0], [0, 0], [1, 0]])
    found = prediction_of(BOXES, LABELS, [], [], [[0.9, 0.0], [0.5, 0.0], [0.1, 0.0]])
    assert measured([(found, target)])["attribute mAP"] == pytest.approx((1 + 2 / 3) / 2)


def test_other_objects_than_the_given_ones_are_refused() -> None:
    with pytest.raises(ValueError, match="measure what a detector found in mode 'sgdet'"):
        measured([(prediction_of([], [], [], []), TRUTH)], mode="predcls")


def test_a_relationship_of_a_missing_object_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the 3 objects"):
        measured([(prediction_of(BOXES, LABELS, [(0, 0, 3)], [0.5]), TRUTH)])


@pytest.mark.parametrize("options", [{"ks": ()}, {"ks": (0,)}, {"min_iou": 0.0}])
def test_a_protocol_of_nothing_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Protocol(**options)


def test_the_conventions_stand_beside_the_numbers() -> None:
    metric = SceneGraphMetric(SCHEMA, mode="sgdet", protocol=Protocol(pixels="inclusive", mean="relationships"))
    metric.update([prediction_of(BOXES, LABELS, [(0, 0, 1)], [0.5])], Batch(None, [TRUTH]))
    metric.compute()
    conventions, by_predicate = metric.details()
    for words in ("sgdet", "given nothing", "+1", "over relationships", "without predictions count 0"):
        assert words in conventions.text
    assert by_predicate.values == {"R@100 of predicates": {"on": 1.0, "under": 0.0}}
