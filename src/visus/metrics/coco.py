"""COCO's average precision and recall of boxes, masks and keypoints (https://cocodataset.org/#detection-eval).

The matching runs in hotcoco; this file gives it complete records, reads the accumulated curves and names the numbers.
Where there is nothing to measure (no annotation of a size class, say) a number is -1, COCO's own convention.

What decides the size class of a *detection* depends on the kind, as in COCO's official result files: the area of its
box, of its mask, or of the box around its keypoints. Other keys of a result are left out of account.
"""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

import hotcoco

from visus.metrics.by_image import ImageRecords, check_frame
from visus.metrics.coco_format import Record, prediction_to_coco, schema_to_categories, target_to_coco
from visus.metrics.coco_records import GEOMETRY, Kind, check_ground_truth, check_results
from visus.metrics.coco_summary import CocoResult, measure_names, summarise
from visus.metrics.metric import Measure, PerCategory
from visus.types import Batch, InstancePrediction, InstanceTarget, Schema

_HOTCOCO_NAME = {"box": "bbox", "mask": "segm", "keypoint": "keypoints"}


def evaluate_coco(
    ground_truth: Record | Path, results: list[Record], kind: Kind, sigmas: Sequence[float] | None = None
) -> CocoResult:
    """Measures results against annotations in COCO's format.

    Args:
        ground_truth: an annotation file, or what one holds: ``images``, ``annotations`` and ``categories``. Missing
            ``iscrowd`` counts as 0, missing ``area`` as the area of the box.
        results: entries of a results file. They are not changed.
        kind: what is compared.
        sigmas: the spread of each keypoint; None stands for COCO's own 17.

    Raises:
        ValueError: where a result names an image or a category that the ground truth lacks, a record misses what
            ``kind`` compares or holds what cannot be measured, or the number of keypoints disagrees with the sigmas.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"kind is {kind!r}; it must be one of {', '.join(get_args(Kind))}")
    data = json.loads(Path(ground_truth).read_text()) if isinstance(ground_truth, str | Path) else ground_truth
    return _evaluated(data, results, kind, sigmas, masks=kind == "mask")


def _evaluated(
    data: Record, results: list[Record], kind: Kind, sigmas: Sequence[float] | None, *, masks: bool
) -> CocoResult:
    """As `evaluate_coco`; ``masks`` says whether they are still to be checked."""
    check_ground_truth(data, kind, masks=masks)
    check_results(results, data, kind, masks=masks)
    keys = ("image_id", "category_id", "score", GEOMETRY[kind])  # that COCO's result files have for this kind
    chosen = [{key: result[key] for key in keys} for result in results]
    evaluation = _matched(_completed(data, kind), chosen, kind, sigmas)
    return summarise(evaluation.eval, evaluation.params.iou_thrs, data["categories"], keypoints=kind == "keypoint")


def _completed(data: Record, kind: Kind) -> Record:
    """The ground truth with every field that the measure reads, and annotations numbered from 1.

    COCO's original code treats a match with annotation 0 as no match, which makes files that count from 0 score less.
    """
    annotations = []
    for number, annotation in enumerate(data["annotations"], start=1):
        box = annotation["bbox"]
        record = {
            "id": number,
            "image_id": annotation["image_id"],
            "category_id": annotation["category_id"],
            "bbox": box,
            "area": box[2] * box[3] if annotation.get("area") is None else annotation["area"],
            "iscrowd": int(annotation.get("iscrowd") or 0),
        }
        record[GEOMETRY[kind]] = annotation[GEOMETRY[kind]]
        if kind == "keypoint":
            labelled = sum(v > 0 for v in annotation["keypoints"][2::3])
            record["num_keypoints"] = annotation.get("num_keypoints", labelled)
        annotations.append(record)
    images = [{key: image[key] for key in ("id", "height", "width") if key in image} for image in data["images"]]
    categories = [{"id": category["id"], "name": category["name"]} for category in data["categories"]]
    return {"images": images, "annotations": annotations, "categories": categories}


def _matched(ground_truth: Record, results: list[Record], kind: Kind, sigmas: Sequence[float] | None) -> Any:
    """Runs the matching and accumulates the curves. hotcoco prints only in ``summarize``, which nobody calls here."""
    truth = hotcoco.COCO(ground_truth)
    evaluation = hotcoco.COCOeval(truth, truth.load_res(results), _HOTCOCO_NAME[kind])
    if kind == "keypoint":
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = list(sigmas)
        _check_keypoints([*ground_truth["annotations"], *results], len(evaluation.params.kpt_oks_sigmas))
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


def _check_keypoints(records: Iterable[Record], expected: int) -> None:
    lengths = Counter(len(record["keypoints"]) for record in records)
    for length in lengths:
        if length != 3 * expected:
            raise ValueError(
                f"{lengths[length]} objects have {length} numbers for keypoints; {expected} sigmas (COCO's own, unless "
                f"you give others) expect {3 * expected}: x, y and v for each"
            )


class CocoMetric(ImageRecords):
    """COCO's numbers over batches and processes.

    ``compute`` returns ``{"box AP": ..., "box AP50": ..., "mask AP": ...}`` for every kind that is measured.

    Args:
        schema: what the labels, and the keypoints, mean.
        kinds: what is measured; None stands for boxes, and masks and keypoints where the schema has them.

    Raises:
        ValueError: where a kind is unknown, or the schema has no masks or keypoints to measure.
    """

    def __init__(self, *, schema: Schema, kinds: Sequence[str] | None = None) -> None:
        super().__init__()
        available = {"box": True, "mask": schema.has_masks, "keypoint": schema.keypoints is not None}
        chosen = tuple(kinds) if kinds is not None else tuple(kind for kind in available if available[kind])
        for kind in chosen:
            if not available.get(kind):
                offered = ", ".join(kind for kind in available if available[kind])
                raise ValueError(f"kind {kind!r} cannot be measured; this schema offers {offered}")
        self.schema = schema
        self.kinds = chosen
        self.results: dict[str, CocoResult] = {}

    @property
    def measures(self) -> Mapping[str, Measure]:
        """COCO's table: a row for each kind; its AP is a headline."""
        return {
            f"{kind} {name}": Measure(headline=name == "AP", curve=name in ("AP", "AP50"), row=kind, column=name)
            for kind in self.kinds
            for name in measure_names(keypoints=kind == "keypoint")
        }

    def update(self, predictions: Sequence[InstancePrediction], batch: Batch) -> None:
        """Adds images: what was found in each, and what it holds, both in the pixels of the target's ``size``.

        Raises:
            ValueError: where sizes differ, masks or keypoints are missing, or two images share an ``image_id``.
        """
        self.results = {}
        for prediction, target in zip(predictions, map(self.identified, batch.targets), strict=True):
            self._check(prediction, target)
            without = {"masks": "mask", "keypoints_xyv": "keypoint"}
            dropped: dict[str, Any] = {name: None for name, kind in without.items() if kind not in self.kinds}
            found = prediction_to_coco(replace(prediction, **dropped), int(target.image_id), self.schema)
            truth = target_to_coco(replace(target, **dropped), self.schema, first_id=1)
            image = _MeasuredImage(target.size, truth=pickle.dumps(truth), found=pickle.dumps(found))
            self.add(target.image_id, image)

    def compute(self) -> dict[str, float]:
        """Every number of every kind, by names like ``"box AP50"``; -1 where there is nothing to measure."""
        ground_truth, found = self._gathered()
        sigmas = self.schema.keypoints.sigmas if self.schema.keypoints else None
        self.results = {
            kind: _evaluated(ground_truth, found, cast(Kind, kind), sigmas, masks=False) for kind in self.kinds
        }
        return {f"{kind} {name}": value for kind in self.kinds for name, value in self.results[kind].stats.items()}

    def per_category(self) -> dict[str, dict[str, float]]:
        """As ``"box AP"``, ``"box AP50"`` and so on, that of each category, as the last ``compute`` measured it.

        Raises:
            RuntimeError: before ``compute``. It is not called here because all processes have to take part in it.
        """
        if not self.results:
            raise RuntimeError("there is no result: call compute() first")
        measured = {}
        for kind in self.kinds:
            measured[f"{kind} AP"] = self.results[kind].per_category
            measured[f"{kind} AP50"] = self.results[kind].per_category_50
        return measured

    def details(self) -> list[Any]:
        """AP and AP50 of each category."""
        return [PerCategory(self.per_category())]

    def reset(self) -> None:
        """Forgets all images."""
        super().reset()
        self.results = {}

    def same_image(self, known: _MeasuredImage, record: _MeasuredImage) -> bool:
        """Whether two records hold the same annotations; predictions may differ from batch to batch."""
        return known.size == record.size and (
            known.truth == record.truth or pickle.loads(known.truth) == pickle.loads(record.truth)
        )

    def same_prediction(self, known: _MeasuredImage, record: _MeasuredImage) -> bool:
        """Whether two records hold the same objects found."""
        return known.found == record.found or pickle.loads(known.found) == pickle.loads(record.found)

    def _check(self, prediction: InstancePrediction, target: InstanceTarget) -> None:
        check_frame(prediction, target)
        for kind, field in (("mask", "masks"), ("keypoint", "keypoints_xyv")):
            for objects, name in ((prediction, "prediction"), (target, "target")):
                if kind in self.kinds and len(objects) and getattr(objects, field) is None:
                    raise ValueError(f"image {target.image_id}: the {name} has no {field}, which {kind!r} compares")

    def _gathered(self) -> tuple[Record, list[Record]]:
        """All images as one annotation file and one results file, in the order of their identifiers.

        The order settles which of two equal scores comes first, so it may not depend on who measured an image.
        """
        records: dict[int, _MeasuredImage] = self.records()
        images = list(records.values())
        ground_truth = {
            "images": [{"id": id_, "height": image.size[0], "width": image.size[1]} for id_, image in records.items()],
            "annotations": [record for image in images for record in pickle.loads(image.truth)],
            "categories": schema_to_categories(self.schema),
        }
        return ground_truth, [record for image in images for record in pickle.loads(image.found)]


@dataclass(frozen=True)
class _MeasuredImage:
    """The size (h, w) of an image and its records, pickled: a fifth of the memory, and quick to send."""

    size: tuple[int, int]
    truth: bytes
    found: bytes
