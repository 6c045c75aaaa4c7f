"""SemanticMetric against plain loops and scikit-learn, over batches and over processes."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import (  # type: ignore[import-untyped]
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    jaccard_score,
)

from two_processes import in_two_processes
from visus.metrics.boundary import boundary_f1
from visus.metrics.semantic import SemanticMetric, pixel_confusion
from visus.types import VOID, Batch, Schema, SemanticPrediction, SemanticTarget

SCHEMA = Schema(("sky", "road", "tree", "car"), (0, 1, 2, 3))
Pair = tuple[SemanticPrediction, SemanticTarget]


def predicted(labels: torch.Tensor) -> SemanticPrediction:
    return SemanticPrediction(labels, torch.ones(labels.shape), (labels.shape[0], labels.shape[1]))


def annotated(labels: torch.Tensor, image_id: int = 0) -> SemanticTarget:
    return SemanticTarget(labels, (labels.shape[0], labels.shape[1]), image_id)


def image(image_id: int, size: tuple[int, int] = (30, 40)) -> Pair:
    """Blocks of the first three classes with some void; the prediction is moved, and has specks of any class."""
    generator = torch.Generator().manual_seed(image_id)
    coarse = torch.randint(0, 3, (1, 1, 4, 5), generator=generator).float()
    labels = torch.nn.functional.interpolate(coarse, size).byte()[0, 0]
    found = labels.roll((2, -1), (0, 1))
    labels[:4, :9] = VOID
    specks = torch.rand(size, generator=generator) < 0.05
    found[specks] = torch.randint(0, 3, size, generator=generator, dtype=torch.uint8)[specks]
    return predicted(found), annotated(labels, image_id)


PAIRS = [image(31), image(7, (24, 24)), image(12), image(4), image(90, (40, 16))]


def metric_of(pairs: list[Pair], *, boundary: bool = True) -> SemanticMetric:
    metric = SemanticMetric(SCHEMA, boundary=boundary)
    metric.update([], Batch(None, []))
    for prediction, target in pairs:
        metric.update([prediction], Batch(None, [target]))
    return metric


def pixels(pairs: list[Pair]) -> tuple[np.ndarray, np.ndarray]:
    """All true and predicted labels that count, one after the other."""
    true = torch.cat([target.labels.flatten() for _, target in pairs])
    found = torch.cat([prediction.labels.flatten() for prediction, _ in pairs])
    return true[true != VOID].numpy(), found[true != VOID].numpy()


def test_numbers_are_scikit_learns() -> None:
    metric = metric_of(PAIRS)
    numbers = metric.compute()
    true, found = pixels(PAIRS)
    iou = jaccard_score(true, found, labels=[0, 1, 2], average=None)
    assert list(numbers) == ["mIoU", "pixel accuracy", "mean class accuracy", "boundary F1"]
    assert numbers["mIoU"] == pytest.approx(iou.mean())
    assert numbers["pixel accuracy"] == pytest.approx(accuracy_score(true, found))
    assert numbers["mean class accuracy"] == pytest.approx(balanced_accuracy_score(true, found))
    assert np.array_equal(metric.confusion_matrix.numpy(), confusion_matrix(true, found, labels=range(4)))
    assert metric.per_category()["IoU"] == pytest.approx(dict(zip(SCHEMA.categories, [*iou, -1], strict=True)))


def test_boundary_f1_is_the_mean_over_classes_then_images() -> None:
    scores = [boundary_f1(p.labels, t.labels, 4) for p, t in PAIRS]
    expected = float(torch.stack([score[~score.isnan()].mean() for score in scores]).mean())
    assert metric_of(PAIRS).compute()["boundary F1"] == pytest.approx(expected)
    assert 0 < expected < 1
    assert "boundary F1" not in metric_of(PAIRS, boundary=False).compute()


def test_a_class_that_is_predicted_but_nowhere_annotated_counts_in_the_iou_only() -> None:
    target = annotated(torch.tensor([[0, 0, 1, 1]], dtype=torch.uint8))
    metric = metric_of([(predicted(torch.tensor([[0, 3, 1, 1]], dtype=torch.uint8)), target)])
    numbers = metric.compute()
    assert numbers["mIoU"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert numbers["mean class accuracy"] == pytest.approx((0.5 + 1) / 2)
    assert list(metric.per_category()["IoU"].values()) == pytest.approx([0.5, 1, -1, 0])
    assert list(metric.per_category()["accuracy"].values()) == pytest.approx([0.5, 1, -1, -1])


def test_void_never_counts() -> None:
    prediction, target = image(3)
    other = prediction.labels.clone()
    other[target.labels == VOID] = 3
    assert metric_of([(predicted(other), target)]).compute() == metric_of([(prediction, target)]).compute()
    nothing = annotated(torch.full((30, 40), VOID, dtype=torch.uint8), 99)
    assert metric_of([*PAIRS, (prediction, nothing)]).compute() == metric_of(PAIRS).compute()
    assert set(metric_of([(prediction, nothing)]).compute().values()) == {-1}
    assert set(metric_of([]).compute().values()) == {-1}


def test_neither_batches_nor_their_order_nor_repeats_matter() -> None:
    whole = SemanticMetric(SCHEMA)
    whole.update([prediction for prediction, _ in PAIRS], Batch(None, [target for _, target in PAIRS]))
    assert whole.compute() == metric_of([*PAIRS[::-1], PAIRS[2]]).compute()
    assert pickle.loads(pickle.dumps(whole)).compute() == whole.compute()


def test_results_need_compute() -> None:
    metric = metric_of(PAIRS)
    with pytest.raises(RuntimeError, match=r"call compute\(\) first"):
        metric.per_category()
    metric.compute()
    assert metric.confusion_matrix.sum() == len(pixels(PAIRS)[0])
    prediction, target = image(1)
    metric.update([prediction], Batch(None, [target]))
    with pytest.raises(RuntimeError):
        _ = metric.confusion_matrix


class TestRefusals:
    def test_other_sizes(self) -> None:
        with pytest.raises(ValueError, match=r"image 31: the prediction has \(24, 24\) .* the target \(30, 40\)"):
            SemanticMetric(SCHEMA).update([PAIRS[1][0]], Batch(None, [PAIRS[0][1]]))

    def test_labels_that_name_no_class(self) -> None:
        right, wrong = torch.zeros(2, 2, dtype=torch.uint8), torch.full((2, 2), 9, dtype=torch.uint8)
        with pytest.raises(ValueError, match="the target holds label 9, but there are 4 classes"):
            pixel_confusion(right, wrong, 4)
        with pytest.raises(ValueError, match="image 5: the prediction holds label 9"):
            SemanticMetric(SCHEMA).update([predicted(wrong)], Batch(None, [annotated(right, 5)]))

    def test_two_images_of_one_identifier(self) -> None:
        prediction, target = image(8)
        with pytest.raises(ValueError, match="two different images have image_id 31"):
            metric_of(PAIRS).update([prediction], Batch(None, [annotated(target.labels, 31)]))


def _measure(rank: int, folder: Path) -> None:
    # Five images padded to six, as a distributed sampler does: the first image is measured by both processes.
    metric = metric_of(([PAIRS[0], PAIRS[2], PAIRS[4]], [PAIRS[1], PAIRS[3], PAIRS[0]])[rank])
    torch.save((metric.compute(), metric.confusion_matrix), folder / f"{rank}.pt")


def test_two_processes_measure_what_one_does(tmp_path: Path) -> None:
    in_two_processes(_measure, tmp_path)
    alone = metric_of(PAIRS)
    numbers = alone.compute()
    for rank in range(2):
        found, confusion = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert found == numbers
        assert torch.equal(confusion, alone.confusion_matrix)


@pytest.mark.parametrize("label", [-1, 257, 256])
@pytest.mark.parametrize("side", ["target", "prediction"])
def test_labels_that_are_no_bytes_are_one_error(label: int, side: str) -> None:
    labels = torch.zeros(4, 5, dtype=torch.uint8)
    pair = {"prediction": predicted(labels), "target": annotated(labels, 3)}
    wide = labels.long()
    wide[2, 2] = label
    object.__setattr__(pair[side], "labels", wide)  # past the check of types, which is only there in tests
    with pytest.raises(ValueError, match=f"image 3: the {side} holds label {label}: labels count from 0"):
        SemanticMetric(SCHEMA).update([pair["prediction"]], Batch(None, [pair["target"]]))
    wide[2, 2] = 1
    metric = SemanticMetric(SCHEMA)
    metric.update([pair["prediction"]], Batch(None, [pair["target"]]))
    assert metric.compute()["pixel accuracy"] == 19 / 20
