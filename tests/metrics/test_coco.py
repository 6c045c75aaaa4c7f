"""evaluate_coco against pycocotools on invented ground truth and on the files that every evaluator is checked with."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from visus.metrics.coco import Kind, evaluate_coco

KINDS: tuple[Kind, ...] = ("box", "mask", "keypoint")
REFERENCE = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "coco_eval_reference"
Record = dict[str, Any]


def pycocotools_stats(truth: Record, results: list[Record], kind: Kind, sigmas: Sequence[float] | None) -> list[float]:
    """The published evaluation, on annotations numbered from 1 and results with the keys of their kind alone."""
    name, geometry = {"box": ("bbox",) * 2, "mask": ("segm", "segmentation"), "keypoint": ("keypoints",) * 2}[kind]
    truth = copy.deepcopy(truth)
    for number, annotation in enumerate(truth["annotations"], start=1):
        annotation["id"] = number
    results = [{key: r[key] for key in ("image_id", "category_id", "score", geometry)} for r in copy.deepcopy(results)]
    with redirect_stdout(io.StringIO()):
        ground_truth, found = COCO(), COCO()
        ground_truth.dataset = truth
        ground_truth.createIndex()
        if results:
            found = ground_truth.loadRes(results)
        else:
            found.dataset = truth | {"annotations": []}
            found.createIndex()
        evaluation = COCOeval(ground_truth, found, name)
        if sigmas:
            evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


class Invented:
    """Random images with objects of every size, crowds, ignored ones, and detections near and far from them."""

    def __init__(self, seed: int, *, num_keypoints: int = 17, images: int = 6) -> None:
        self.random = np.random.default_rng(seed)
        self.num_keypoints = num_keypoints
        self.height, self.width = (int(side) for side in self.random.integers(60, 250, 2))
        self.categories = [int(id_) for id_ in self.random.permutation(90)[:3]]  # sparse, in no order, 0 possible
        self.results: list[Record] = []
        self.truth: Record = {
            "images": [],
            "annotations": [],
            "categories": [{"id": id_, "name": f"category {id_}"} for id_ in self.categories],
        }
        for image_id in self.random.permutation(10**6)[:images]:
            self._add_image(int(image_id))
        self.random.shuffle(self.results)

    def _add_image(self, image_id: int) -> None:
        self.truth["images"].append({"id": image_id, "height": self.height, "width": self.width})
        for _ in range(int(self.random.integers(0, 9)) if self.random.random() > 0.2 else 0):
            self._add_object(image_id)
        for _ in range(int(self.random.integers(0, 3))):
            box, points = self.random.random(4) * 90, self.random.random((self.num_keypoints, 3)) * 90
            self._add_result(image_id, int(self.random.choice(self.categories)), box, points)

    def _add_object(self, image_id: int) -> None:
        random = self.random
        corner = random.random(2) * [self.width, self.height] * 0.7
        sides = np.minimum(np.exp(random.uniform(1, 5.5, 2)), [self.width, self.height] - corner)
        box = np.concatenate((corner, sides))
        points = np.concatenate(
            (random.random((self.num_keypoints, 2)) * sides + corner, np.zeros((self.num_keypoints, 1))), 1
        )
        points[:, 2] = random.integers(0, 3, self.num_keypoints)
        points *= random.random() > 0.2
        category, crowd = int(random.choice(self.categories)), int(random.random() < 0.15)
        x, y, w, h = box.tolist()
        polygon = [[x, y, x + w, y, x + w * 0.9, y + h, x, y + h]]
        self.truth["annotations"].append(
            {
                "id": len(self.truth["annotations"]),  # counted from 0
                "image_id": image_id,
                "category_id": category,
                "bbox": box.tolist(),
                "area": w * h * float(random.uniform(0.3, 1)),
                "iscrowd": crowd,
                "ignore": int(random.random() < 0.2),
                "segmentation": self._mask(box) if crowd or random.random() < 0.5 else polygon,
                "keypoints": points.ravel().tolist(),
                "num_keypoints": int((points[:, 2] > 0).sum()),
            }
        )
        for _ in range(int(random.integers(0, 4))):
            moved = np.maximum(box * random.normal(1, 0.06, 4), 0.5)
            other = points + random.normal(0, 3, points.shape)
            self._add_result(image_id, category if random.random() < 0.9 else self.categories[0], moved, other)

    def _add_result(self, image_id: int, category: int, box: Any, points: Any) -> None:
        self.results.append(
            {
                "image_id": image_id,
                "category_id": category,
                "score": round(float(self.random.random()), 1),  # many are equal
                "bbox": box.tolist(),
                "segmentation": self._mask(box),
                "keypoints": points.ravel().tolist(),
            }
        )

    def _mask(self, box: Any) -> Record:
        mask = np.zeros((self.height, self.width), np.uint8)
        x, y, w, h = (int(number) for number in box)
        mask[y : y + h + 1, x : x + w + 1] = 1
        mask &= self.random.random(mask.shape) < 0.95
        encoded = coco_mask.encode(np.asfortranarray(mask))
        return {"size": encoded["size"], "counts": encoded["counts"].decode()}


class TestEqualsPycocotools:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("seed", range(8))
    def test_invented(self, seed: int, kind: Kind) -> None:
        invented = Invented(seed, images=6 if seed else 3)
        stats = evaluate_coco(invented.truth, invented.results, kind).stats
        assert list(stats.values()) == pytest.approx(
            pycocotools_stats(invented.truth, invented.results, kind, None), abs=1e-12
        )
        assert any(0 < value < 1 for value in stats.values())

    @pytest.mark.parametrize("seed", range(4))
    def test_other_numbers_of_keypoints(self, seed: int) -> None:
        invented, sigmas = Invented(seed, num_keypoints=4), [0.05, 0.1, 0.025, 0.07]
        stats = evaluate_coco(invented.truth, invented.results, "keypoint", sigmas).stats
        assert list(stats.values()) == pytest.approx(
            pycocotools_stats(invented.truth, invented.results, "keypoint", sigmas), abs=1e-12
        )
        other = evaluate_coco(invented.truth, invented.results, "keypoint", [10 * sigma for sigma in sigmas]).stats
        assert other["AP"] > stats["AP"]

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("absent", ["results", "annotations", "both"])
    def test_nothing_found_or_nothing_there(self, absent: str, kind: Kind) -> None:
        invented = Invented(1)
        results = [] if absent != "annotations" else invented.results
        truth = invented.truth if absent == "results" else invented.truth | {"annotations": []}
        stats = evaluate_coco(truth, results, kind).stats
        assert list(stats.values()) == pycocotools_stats(truth, results, kind, None)
        assert stats["AP"] == (0 if absent == "results" else -1)

    @pytest.mark.data
    @pytest.mark.parametrize(
        ("kind", "results", "expected"),
        [
            ("box", "fakebbox100", [0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595]),
            ("mask", "fakesegm100", [0.320, 0.562, 0.299]),
        ],
    )
    def test_published_reference(self, kind: Kind, results: str, expected: list[float]) -> None:
        if not REFERENCE.exists():
            pytest.skip("../shared/data is absent")
        annotations = REFERENCE / "instances_val2014_100.json"
        found = json.loads((REFERENCE / f"instances_val2014_{results}_results.json").read_text())
        stats = list(evaluate_coco(annotations, found, kind).stats.values())
        assert stats[: len(expected)] == pytest.approx(expected, abs=5e-4)
        assert stats == pytest.approx(
            pycocotools_stats(json.loads(annotations.read_text()), found, kind, None), abs=1e-12
        )


class TestRecords:
    """What the files may leave out, and what they may not."""

    truth: ClassVar[Record] = {
        "images": [{"id": 7, "height": 50, "width": 60}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 1, "name": "dog"}, {"id": 2, "name": "dog"}],
        "annotations": [{"id": 0, "image_id": 7, "category_id": 3, "bbox": [5.0, 5.0, 40.0, 40.0]}],
    }
    found: ClassVar[Record] = {"image_id": 7, "category_id": 3, "bbox": [5.0, 5.0, 40.0, 40.0], "score": 0.9}

    def test_annotation_0_counts_and_missing_fields_are_filled(self) -> None:
        stats = evaluate_coco(self.truth, [self.found], "box").stats
        assert stats["AP"] == pytest.approx(1)
        assert stats["APm"] == pytest.approx(1)  # 1600 pixels, from the box
        assert stats["APs"] == -1

    def test_names_of_the_numbers(self) -> None:
        assert list(evaluate_coco(self.truth, [self.found], "box").stats) == (
            ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
        )

    def test_per_category_and_curves_go_by_name(self) -> None:
        result = evaluate_coco(self.truth, [self.found], "box")
        assert result.per_category == pytest.approx({"dog (1)": -1, "dog (2)": -1, "cat": 1})
        assert result.curves["cat"] == pytest.approx([1.0] * 101)

    def test_arguments_stay_as_they_are(self) -> None:
        before = copy.deepcopy((self.truth, [self.found]))
        evaluate_coco(self.truth, [self.found], "box")
        assert (self.truth, [self.found]) == before

    def test_prints_nothing(self, capfd: pytest.CaptureFixture[str]) -> None:
        invented = Invented(2, num_keypoints=4)
        for kind in KINDS:
            evaluate_coco(invented.truth, invented.results, kind, [0.1] * 4 if kind == "keypoint" else None)
        assert capfd.readouterr() == ("", "")

    def test_results_of_an_unknown_category_are_refused(self, capfd: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(ValueError, match="image 7: one of the results is of category 99, which the ground truth"):
            evaluate_coco(self.truth, [self.found, self.found | {"category_id": 99, "score": 1.0}], "box")
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize(
        ("change", "kind", "message"),
        [
            ({"bbox": None}, "box", "has no 'bbox' to compare"),
            ({"bbox": [1, 2, 3]}, "box", r"has the bbox \[1, 2, 3\]: it must be x, y, width and height"),
            ({"bbox": [1, 2, -3, 4]}, "box", "it must be x, y, width and height"),
            ({"bbox": ["1", 2, 3, 4]}, "box", "it must be a list of numbers"),
            ({"score": None}, "box", "has no score"),
            ({"score": "0.5"}, "box", "has the score '0.5'"),
            ({"image_id": None}, "box", "has no 'image_id'|lacks: .None."),
            ({"category_id": None}, "box", "has no 'category_id'"),
            ({"keypoints": None}, "keypoint", "has no 'keypoints'"),
            ({"keypoints": "abc"}, "keypoint", "it must be a list of numbers"),
            ({"segmentation": []}, "mask", "it must be a list of numbers"),
            ({"segmentation": [1, 1, 5, 1, 5, 5]}, "mask", "it must be a list of numbers"),
            ({"segmentation": [[1, 1, 5, 1]]}, "mask", "a polygon of 4 numbers"),
            ({"segmentation": [[1, 1, 5, 1, 5]]}, "mask", "a polygon of 5 numbers"),
            ({"segmentation": [[1, 1, float("nan"), 1, 5, 5]]}, "mask", "not finite"),
            ({"segmentation": "garbage"}, "mask", "cannot be read: neither polygons nor run lengths"),
            ({"segmentation": {"size": [60, 80], "counts": "garbage!!"}}, "mask", "cannot be read"),
            ({"segmentation": {"size": [60, 80], "counts": "0"}}, "mask", "cannot be read"),
            ({"segmentation": {"size": [60, 80]}}, "mask", "cannot be read"),
            ({"segmentation": {"size": [6, 8], "counts": [40, 8]}}, "mask", "cannot be read"),
            ({"segmentation": {"size": [60, 80], "counts": [-5, 4805]}}, "mask", "cannot be read"),
            ({"segmentation": {"size": [60, 80], "counts": [10**30]}}, "mask", "cannot be read"),
        ],
    )
    def test_each_broken_record_is_one_error(self, change: Record, kind: Any, message: str) -> None:
        truth = copy.deepcopy(self.truth)
        truth["images"] = [image | {"height": 60, "width": 80} for image in truth["images"]]
        whole = {"segmentation": [[5, 5, 45, 5, 45, 45, 5, 45]], "keypoints": [1, 1, 2] * 17}
        truth["annotations"][0] |= whole
        evaluate_coco(truth, [self.found | whole], kind)
        with pytest.raises(ValueError, match=message):
            evaluate_coco(truth, [self.found | whole | change], kind)
        if "score" in change:
            return
        truth["annotations"][0] |= change
        with pytest.raises(ValueError, match=f"one of the annotations .*({message}|names an image)"):
            evaluate_coco(truth, [], kind)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"iscrowd": "0"}, "has iscrowd '0': it must be 0 or 1"),
            ({"area": float("nan")}, "has the area nan"),
            ({"area": "big"}, "has the area 'big'"),
            ({"image_id": 5}, "image 5: one of the annotations names an image that is not among the images"),
            ({"category_id": 5}, "is of category 5"),
        ],
    )
    def test_each_broken_annotation_is_one_error(self, change: Record, message: str) -> None:
        truth = copy.deepcopy(self.truth)
        truth["annotations"][0] |= change
        with pytest.raises(ValueError, match=message):
            evaluate_coco(truth, [self.found], "box")

    def test_empty_files_and_what_is_no_file(self) -> None:
        empty: Record = {"images": [], "annotations": [], "categories": []}
        assert set(evaluate_coco(empty, [], "box").stats.values()) == {-1}
        for name in empty:
            with pytest.raises(ValueError, match=f"no list of {name}"):
                evaluate_coco({key: value for key, value in empty.items() if key != name}, [], "box")
        wrong: Any = [3]
        with pytest.raises((ValueError, TypeError)):
            evaluate_coco(empty, wrong, "box")

    @pytest.mark.parametrize(
        ("change", "kind", "message"),
        [
            ({"image_id": 8}, "box", r"lacks: \[8\] \(1 in all\)"),
            ({}, "mask", "no 'segmentation'"),
            (
                {"bbox": [0.0, 0.0, float("nan"), 3.0]},
                "box",
                "image 7: one of the results holds numbers that are not finite",
            ),
            ({"score": float("nan")}, "box", "not finite"),
        ],
    )
    def test_what_cannot_be_measured_is_refused(self, change: Record, kind: Any, message: str) -> None:
        truth = copy.deepcopy(self.truth)
        truth["annotations"][0]["segmentation"] = [[5, 5, 45, 5, 45, 45, 5, 45]]
        with pytest.raises(ValueError, match=message):
            evaluate_coco(truth, [self.found | change], kind)

    def test_an_unknown_kind_is_refused(self) -> None:
        kind: Any = "boxes"
        with pytest.raises((ValueError, TypeError), match=r"'boxes'[\s\S]*box"):  # TypeError: checked annotations
            evaluate_coco(self.truth, [self.found], kind)

    def test_keypoints_and_sigmas_have_to_agree(self) -> None:
        invented = Invented(0, num_keypoints=4)
        with pytest.raises(ValueError, match=r"12 numbers for keypoints; 17 sigmas.* expect 51"):
            evaluate_coco(invented.truth, invented.results, "keypoint")
