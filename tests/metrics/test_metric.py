"""What metrics say of their numbers: unit, direction, which of them to look at first, how they are shown."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from visus.metrics import (
    ClassificationMetric,
    CocoMetric,
    ConfusionMatrix,
    Measure,
    Metric,
    PerCategory,
    RetrievalMetric,
    SemanticMetric,
    VocMetric,
)
from visus.metrics.metric import LOSS, headlines
from visus.metrics.retrieval import Embedded
from visus.types import (
    Batch,
    ClassPrediction,
    ClassTarget,
    EmbeddingPrediction,
    InstancePrediction,
    InstanceTarget,
    Keypoints,
    Schema,
    SemanticPrediction,
    SemanticTarget,
)

SIZE = (12, 16)
KEYPOINTS = Keypoints(names=("nose",), flip_pairs=(), sigmas=(0.1,))
SCHEMA = Schema(categories=("cat", "dog"), category_ids=(1, 2), has_masks=True, keypoints=KEYPOINTS)


class TestMeasure:
    def test_of_a_distance_less_is_better(self) -> None:
        distance = Measure(unit="number", smaller_is_better=True)
        assert distance.merit(12) > distance.merit(35)
        assert max((35.0, 12.0, 80.0), key=distance.merit) == 12

    def test_of_a_share_more_is_better(self) -> None:
        assert Measure().merit(0.8) > Measure().merit(0.5)
        assert Measure(smaller_is_better=True).merit(0.1) > Measure(smaller_is_better=True).merit(0.2)

    def test_what_could_not_be_measured_is_worst_either_way(self) -> None:
        for measure in (Measure(), Measure(smaller_is_better=True)):
            assert measure.merit(-1.0) == -math.inf
            assert measure.merit(math.nan) == -math.inf
        distance = Measure(unit="number", smaller_is_better=True)
        assert distance.merit(math.nan) == -math.inf < distance.merit(1e9)

    def test_shares_are_shown_in_hundredths_and_numbers_as_they_are(self) -> None:
        assert Measure().text(0.8) == "80.0"
        assert Measure(unit="number").text(0.8) == "0.8"
        assert Measure(unit="number").text(35.0) == "35"
        assert Measure(unit="number").text(12345.678) == "1.235e+04"
        assert Measure().text(0.0) == "0.0"

    def test_a_dash_where_there_was_nothing_to_measure(self) -> None:
        for value in (-1.0, math.nan, None):
            assert Measure().text(value) == "–"
            assert not Measure().known(value)
        assert Measure(unit="number").text(math.nan) == "–"

    def test_a_number_may_be_below_zero(self) -> None:
        score = Measure(unit="number")
        assert score.known(-1.0)
        assert score.text(-1.0) == "-1"
        assert score.merit(-1.0) > score.merit(-2.0)

    def test_losses_fall(self) -> None:
        assert LOSS.merit(0.5) > LOSS.merit(0.8)
        assert LOSS.text(0.8) == "0.8"


def test_headlines_are_those_that_are_marked_else_the_first() -> None:
    marked = {"loss": LOSS, "AP": Measure(headline=True), "AP50": Measure(), "AR": Measure(headline=True)}
    assert headlines(marked) == ["AP", "AR"]
    assert headlines({"FID": Measure(unit="number"), "IS": Measure()}) == ["FID"]
    assert headlines({}) == []


def test_a_metric_without_measures_says_so() -> None:
    class Silent(Metric):
        pass

    with pytest.raises(NotImplementedError, match="Silent must say what its numbers mean"):
        _ = Silent().measures


def objects() -> tuple[list[InstancePrediction], Batch]:
    boxes, labels = torch.tensor([[1.0, 1.0, 9.0, 9.0]]), torch.tensor([1])
    masks = torch.zeros(1, *SIZE, dtype=torch.bool)
    masks[0, 1:9, 1:9] = True
    points = torch.tensor([[[4.0, 4.0, 2.0]]])
    target = InstanceTarget(boxes, labels, torch.tensor([64.0]), torch.tensor([False]), SIZE, 3, masks, points)
    prediction = InstancePrediction(boxes, labels, torch.tensor([0.9]), SIZE, masks, points)
    return [prediction], Batch(None, [target])


def pixels() -> tuple[list[SemanticPrediction], Batch]:
    labels = torch.zeros(SIZE, dtype=torch.uint8)
    labels[4:] = 1
    return [SemanticPrediction(labels, torch.ones(SIZE), SIZE)], Batch(None, [SemanticTarget(labels, SIZE, 3)])


def classes() -> tuple[list[ClassPrediction], Batch]:
    box = torch.tensor([1.0, 1.0, 9.0, 9.0])
    prediction = ClassPrediction(torch.tensor([1, 0]), torch.tensor([0.9, 0.1]), SIZE, box)
    return [prediction], Batch(None, [ClassTarget(torch.tensor(1), SIZE, 3, box)])


def embeddings() -> tuple[list[EmbeddingPrediction], Batch]:
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    targets = [ClassTarget(torch.tensor(i // 2), SIZE, i) for i in range(4)]
    return [EmbeddingPrediction(vector, SIZE) for vector in vectors], Batch(None, targets)


CASES: dict[str, tuple[Callable[[], Metric], Callable[[], tuple[list, Batch]], list[str]]] = {
    "coco": (lambda: CocoMetric(schema=SCHEMA), objects, ["box AP", "mask AP", "keypoint AP"]),
    "coco boxes": (lambda: CocoMetric(schema=SCHEMA, kinds=["box"]), objects, ["box AP"]),
    "voc": (lambda: VocMetric(SCHEMA), objects, ["VOC AP50"]),
    "semantic": (
        lambda: SemanticMetric(SCHEMA, boundary=True),
        pixels,
        ["mIoU", "pixel accuracy", "mean class accuracy", "boundary F1"],
    ),
    "without borders": (
        lambda: SemanticMetric(SCHEMA, boundary=False),
        pixels,
        ["mIoU", "pixel accuracy", "mean class accuracy"],
    ),
    "classification": (
        lambda: ClassificationMetric(schema=SCHEMA),
        classes,
        ["top-1", "top-5", "mean class accuracy"],
    ),
    "localisation": (
        lambda: ClassificationMetric(schema=SCHEMA, boxes=True),
        classes,
        ["top-1", "top-5", "mean class accuracy", "localisation", "localisation error"],
    ),
    "retrieval": (lambda: RetrievalMetric(ks=(1, 2)), embeddings, ["R@1", "R@2"]),
    "all of retrieval": (
        lambda: RetrievalMetric(ks=(1, 2, 3), precision=True, clusters=True),
        embeddings,
        ["R@1", "R@2", "R@3", "MAP@R", "R-precision", "NMI"],
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("all_of_it", [False, True])
def test_measures_name_exactly_what_is_computed(case: str, all_of_it: bool) -> None:
    build, images, _ = CASES[case]
    metric = build()
    if all_of_it:
        metric.measure_all(inputs=4, num_classes=2)
    metric.update(*images())
    numbers = metric.compute()
    assert list(numbers) == list(metric.measures)
    assert all(metric.measures[name].known(numbers[name]) for name in headlines(metric.measures))


@pytest.mark.parametrize("case", CASES)
def test_the_first_headline_is_what_picks_the_best_weights(case: str) -> None:
    build, _, expected = CASES[case]
    assert headlines(build().measures) == expected


@pytest.mark.parametrize("case", CASES)
def test_all_shares_and_only_errors_get_better_as_they_fall(case: str) -> None:
    for name, measure in CASES[case][0]().measures.items():
        assert measure.unit == "share"
        assert measure.smaller_is_better == (name == "localisation error")


def test_coco_has_a_table_of_a_row_for_each_kind() -> None:
    measures = CocoMetric(schema=SCHEMA).measures
    assert list(dict.fromkeys(measure.row for measure in measures.values())) == ["box", "mask", "keypoint"]
    assert all(name == f"{measure.row} {measure.column}" for name, measure in measures.items())
    curves = [name for name, measure in measures.items() if measure.curve and measure.row == "box"]
    assert curves == ["box AP", "box AP50"]


def test_what_is_known_beyond_numbers() -> None:
    expected = {
        "coco": [PerCategory],
        "voc": [PerCategory],
        "semantic": [PerCategory, ConfusionMatrix],
        "classification": [PerCategory, ConfusionMatrix],
        "retrieval": [Embedded],
    }
    for case, kinds in expected.items():
        build, images, _ = CASES[case]
        metric = build()
        metric.update(*images())
        metric.compute()
        assert [type(detail) for detail in metric.details()] == kinds


def test_measuring_all_of_retrieval_leaves_out_clusters_that_take_minutes() -> None:
    metric = RetrievalMetric(ks=(1,))
    metric.measure_all(inputs=60_000, num_classes=11_000)
    assert list(metric.measures) == ["R@1", "MAP@R", "R-precision"]
    metric.measure_all(inputs=700, num_classes=20)
    assert list(metric.measures) == ["R@1", "MAP@R", "R-precision", "NMI"]
