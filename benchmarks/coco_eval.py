"""COCO's evaluation against pycocotools: from records in memory to the twelve numbers, for boxes and for masks.

Run ``python benchmarks/coco_eval.py``. The records are those of ``../shared/data/coco_eval_reference`` beside the
checkout: 100 images of val2014 with 839 objects, and 734 detections of 80 categories.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

from interleaved import Cases, run

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data" / "coco_eval_reference"
RESULTS = {"box": "instances_val2014_fakebbox100_results.json", "mask": "instances_val2014_fakesegm100_results.json"}
SIZES = {"images": 100, "objects": 839, "detections": 734, "categories": 80}


def ours() -> Cases:
    from visus.metrics import evaluate_coco

    truth, results = _records()
    return {f"coco {kind}": lambda kind=kind: evaluate_coco(truth, results[kind], kind) for kind in RESULTS}


def theirs() -> Cases:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, results = _records()

    def evaluate(kind: str, name: str) -> None:
        # It writes into the records that it is given, so that a second run needs others: ours leaves them alone.
        annotations = [dict(annotation) for annotation in truth["annotations"]]
        found = [dict(result) for result in results[kind]]
        with contextlib.redirect_stdout(io.StringIO()):
            ground_truth = COCO()
            ground_truth.dataset = truth | {"annotations": annotations}
            ground_truth.createIndex()
            evaluation = COCOeval(ground_truth, ground_truth.loadRes(found), name)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()

    return {"coco box": lambda: evaluate("box", "bbox"), "coco mask": lambda: evaluate("mask", "segm")}


def _records() -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    truth = json.loads((DATA / "instances_val2014_100.json").read_text())
    return truth, {kind: json.loads((DATA / name).read_text()) for kind, name in RESULTS.items()}


if __name__ == "__main__":
    if not DATA.exists():
        sys.exit(f"{DATA} is absent: nothing was measured")
    run(__file__, ours, theirs, SIZES)
