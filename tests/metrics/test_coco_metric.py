"""CocoMetric: the same numbers as the function on files, over batches and over processes."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from two_processes import in_two_processes
from visus.metrics.coco import CocoMetric, Kind, evaluate_coco
from visus.metrics.coco_format import prediction_to_coco, schema_to_categories, target_to_coco
from visus.types import Batch, InstancePrediction, InstanceTarget, Keypoints, Schema

SCHEMA = Schema(
    categories=("cat", "dog"),
    category_ids=(18, 17),
    has_masks=True,
    keypoints=Keypoints(names=("nose", "tail", "ear"), flip_pairs=(), sigmas=(0.1, 0.2, 0.05)),
)
Pair = tuple[InstancePrediction, InstanceTarget]


def drawn(boxes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    y, x = torch.arange(size[0])[:, None], torch.arange(size[1])
    x1, y1, x2, y2 = boxes[:, :, None, None].unbind(1)
    return (x >= x1) & (x < x2) & (y >= y1) & (y < y2)


def image(image_id: int, objects: int) -> Pair:
    """An image of ``objects`` objects, the first of them a crowd, and a prediction near each and one far from all."""
    generator = torch.Generator().manual_seed(image_id)
    size = (60, 80)
    corner = torch.rand(objects, 2, generator=generator) * 40
    boxes = torch.cat((corner, corner + 5 + torch.rand(objects, 2, generator=generator) * 30), dim=1)
    labels = torch.randint(0, 2, (objects,), generator=generator)
    keypoints = torch.rand(objects, 3, 3, generator=generator) * 60
    keypoints[..., 2] = torch.randint(0, 3, (objects, 3), generator=generator)
    target = InstanceTarget(
        boxes_xyxy=boxes,
        labels=labels,
        areas=drawn(boxes, size).flatten(1).sum(1).float(),
        is_crowd=torch.arange(objects) == 2,
        size=size,
        image_id=image_id,
        masks=drawn(boxes, size),
        keypoints_xyv=keypoints,
    )
    found = torch.cat((boxes + torch.randn(objects, 4, generator=generator) * 2, torch.tensor([[1.0, 1.0, 9.0, 9.0]])))
    near = keypoints + torch.randn(objects, 3, 3, generator=generator)
    prediction = InstancePrediction(
        boxes_xyxy=found,
        labels=torch.cat((labels, torch.tensor([0]))),
        scores=torch.rand(objects + 1, generator=generator).mul(10).round().div(10),
        size=size,
        masks=drawn(found, size).float(),
        keypoints_xyv=torch.cat((near, torch.ones(1, 3, 3))),
    )
    return prediction, target


PAIRS = [image(image_id, objects) for image_id, objects in ((31, 4), (7, 0), (12, 5), (4, 3), (90, 6))]


def metric_of(pairs: list[Pair], **options: Any) -> CocoMetric:
    metric = CocoMetric(schema=SCHEMA, **options)
    for prediction, target in pairs:
        metric.update([prediction], Batch(None, [target]))
    return metric


def test_equals_the_function_on_files() -> None:
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for prediction, target in sorted(PAIRS, key=lambda pair: pair[1].image_id):
        annotations += target_to_coco(target, SCHEMA, len(annotations) + 1)
        results += prediction_to_coco(prediction, target.image_id, SCHEMA)
    truth = {
        "images": [{"id": target.image_id, "height": 60, "width": 80} for _, target in PAIRS],
        "annotations": annotations,
        "categories": schema_to_categories(SCHEMA),
    }
    expected: dict[str, float] = {}
    kinds: tuple[Kind, ...] = ("box", "mask", "keypoint")
    for kind in kinds:
        stats = evaluate_coco(truth, results, kind, (0.1, 0.2, 0.05) if kind == "keypoint" else None).stats
        expected |= {f"{kind} {name}": value for name, value in stats.items()}
    assert metric_of(PAIRS).compute() == expected
    assert all(0 < expected[f"{kind} AP"] < 1 for kind in kinds)


def test_neither_batches_nor_their_order_matter() -> None:
    whole = CocoMetric(schema=SCHEMA)
    whole.update([prediction for prediction, _ in PAIRS], Batch(None, [target for _, target in PAIRS]))
    assert whole.compute() == metric_of(PAIRS[::-1]).compute()


def test_kinds_follow_the_schema() -> None:
    assert CocoMetric(schema=SCHEMA).kinds == ("box", "mask", "keypoint")
    assert CocoMetric(schema=Schema(("cat",), (1,))).kinds == ("box",)
    assert set(metric_of(PAIRS, kinds=["box"]).compute()) == {
        f"box {name}"
        for name in ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
    }


def test_a_perfect_prediction_scores_1() -> None:
    target = image(4, 6)[1]
    prediction = InstancePrediction(
        target.boxes_xyxy, target.labels, torch.ones(6), target.size, target.masks, target.keypoints_xyv
    )
    numbers = metric_of([(prediction, target)]).compute()
    assert [numbers[f"{kind} AP"] for kind in ("box", "mask", "keypoint")] == pytest.approx([1, 1, 1])


def test_per_category_needs_compute() -> None:
    metric = metric_of(PAIRS)
    with pytest.raises(RuntimeError, match=r"call compute\(\) first"):
        metric.per_category()
    numbers = metric.compute()
    per_category = metric.per_category()["mask AP"]
    assert list(per_category) == ["dog", "cat"]  # by the identifiers of the categories
    assert sum(per_category.values()) / 2 == pytest.approx(numbers["mask AP"])
    assert sum(metric.per_category()["mask AP50"].values()) / 2 == pytest.approx(numbers["mask AP50"])
    prediction, target = image(1, 2)
    metric.update([prediction], Batch(None, [target]))
    with pytest.raises(RuntimeError):
        metric.per_category()


def test_lives_as_a_metric_does() -> None:
    metric = metric_of(PAIRS)
    numbers = metric.compute()
    assert metric.to("cpu").half().clone().compute() == numbers
    assert pickle.loads(pickle.dumps(metric)).compute() == numbers
    metric.reset()
    assert metric.results == {}
    metric.update([PAIRS[0][0]], Batch(None, [PAIRS[0][1]]))
    assert metric.compute() == metric_of(PAIRS[:1]).compute()


def test_forward_gives_the_numbers_of_the_batch_and_keeps_all() -> None:
    metric = CocoMetric(schema=SCHEMA)
    for prediction, target in PAIRS:
        assert metric([prediction], Batch(None, [target])) == metric_of([(prediction, target)]).compute()
    assert metric.compute() == metric_of(PAIRS).compute()


def test_no_image_at_all() -> None:
    metric = CocoMetric(schema=SCHEMA)
    metric.update([], Batch(None, []))
    assert set(metric.compute().values()) == {-1}


def test_an_image_seen_twice_counts_once() -> None:
    assert metric_of([*PAIRS, PAIRS[2]]).compute() == metric_of(PAIRS).compute()


class TestRefusals:
    def test_two_images_of_one_identifier(self) -> None:
        metric = metric_of(PAIRS)
        prediction, target = image(5, 2)
        with pytest.raises(ValueError, match="two different images have image_id 31"):
            metric.update([prediction], Batch(None, [InstanceTarget(**(vars(target) | {"image_id": 31}))]))

    def test_a_kind_that_the_schema_lacks(self) -> None:
        with pytest.raises(ValueError, match="'mask' cannot be measured; this schema offers box"):
            CocoMetric(schema=Schema(("cat",), (1,)), kinds=["box", "mask"])

    def test_pixels_of_another_size(self) -> None:
        prediction, target = image(5, 2)
        other = InstancePrediction(**(vars(prediction) | {"size": (30, 40)}))
        with pytest.raises(ValueError, match=r"image 5: .*\(30, 40\), the target in those of \(60, 80\)"):
            CocoMetric(schema=SCHEMA).update([other], Batch(None, [target]))

    def test_missing_masks(self) -> None:
        prediction, target = image(5, 2)
        other = InstancePrediction(**(vars(prediction) | {"masks": None}))
        with pytest.raises(ValueError, match="image 5: the prediction has no masks"):
            CocoMetric(schema=SCHEMA).update([other], Batch(None, [target]))
        CocoMetric(schema=SCHEMA, kinds=["box"]).update([other], Batch(None, [target]))


def _measure(rank: int, folder: Path) -> None:
    # Five images padded to six, as a distributed sampler does: the first image is measured by both processes.
    shares = ([PAIRS[0], PAIRS[2], PAIRS[4]], [PAIRS[1], PAIRS[3], PAIRS[0]])
    metric = metric_of(shares[rank])
    numbers = metric.compute()
    metric.update([], Batch(None, []))
    again = metric.compute()  # what was gathered is not gathered twice
    torch.save((numbers, again, metric.per_category()["keypoint AP"], len(metric._images)), folder / f"{rank}.pt")


def test_two_processes_measure_what_one_does(tmp_path: Path) -> None:
    in_two_processes(_measure, tmp_path)
    alone = metric_of(PAIRS)
    numbers = alone.compute()
    for rank in range(2):
        found, again, per_category, own_images = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert found == again == numbers
        assert per_category == alone.per_category()["keypoint AP"]
        assert own_images == 3
