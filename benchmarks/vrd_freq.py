"""FREQ and FREQ+OVERLAP on VRD without pixels: classes and boxes of all 1,000 test images are given (PredCls).

    python benchmarks/vrd_freq.py FOLDER

FOLDER holds ``objects.json``, ``predicates.json``, ``annotations_train.json`` and ``annotations_test.json``. The result
goes to ``benchmarks/results/vrd_freq.json``.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.nn import functional as F

from visus.data.readers.vrd import read_vrd, vrd_schema
from visus.metrics import Protocol, SceneGraphMetric
from visus.systems.scene_graphs.frequencies import Frequencies, FrequencyModel
from visus.systems.scene_graphs.outputs import Graph, Objects, Scene, graph_prediction
from visus.types import Batch, GraphPrediction, InstanceTarget, Schema

RESULT = Path(__file__).parent / "results" / "vrd_freq.json"
PROTOCOLS = {"images": Protocol(ks=(50, 100)), "relationships": Protocol(ks=(50, 100), mean="relationships")}


def targets_of(root: Path, split: str) -> Iterator[InstanceTarget]:
    """The annotations of a split; an image is as large as its farthest box."""
    for number, record in enumerate(read_vrd(root, split)):
        right = max((int(box[2]) + 1 for box in record.boxes_xyxy), default=1)
        bottom = max((int(box[3]) + 1 for box in record.boxes_xyxy), default=1)
        yield record.target((bottom, right), number)


def predicted(model: FrequencyModel, target: InstanceTarget, schema: Schema) -> GraphPrediction:
    """The relationships among the given objects."""
    given = F.one_hot(target.labels, schema.num_classes).float()
    index = torch.zeros_like(target.labels)
    objects = Objects(target.boxes_xyxy, index, target.labels, torch.ones(len(target)), given)
    pairs, nothing = objects.pairs(), torch.zeros(len(target), 0)
    _, logits = model(Scene(objects, target.boxes_xyxy, nothing, pairs, torch.zeros(len(pairs), 0)))
    graph = Graph(objects, pairs, logits, nothing, None)
    return graph_prediction(graph, given, 0, (target.size, target.size), every_pair=True)


def measured(root: Path, *, overlap: bool) -> dict[str, dict[str, float]]:
    """The numbers by what recall is the mean over."""
    schema = vrd_schema(root)
    frequencies = Frequencies(schema.num_classes, len(schema.predicates), overlap=overlap).train()
    frequencies.observe(list(targets_of(root, "train")))
    model = FrequencyModel(frequencies).eval()
    targets = list(targets_of(root, "test"))
    predictions = [predicted(model, target, schema) for target in targets]
    numbers = {}
    for name, protocol in PROTOCOLS.items():
        metric = SceneGraphMetric(schema, seen=frequencies.seen, protocol=protocol)
        metric.update(predictions, Batch(None, targets))
        numbers[f"recall over {name}"] = {key: round(value, 4) for key, value in metric.compute().items()}
    return numbers


def main() -> None:
    """Measures both and writes the result."""
    root = Path(sys.argv[1])
    found = {"FREQ": measured(root, overlap=False), "FREQ+OVERLAP": measured(root, overlap=True)}
    result = {
        "data": "VRD, 3,780 training and 1,000 test images, boxes and classes given (PredCls), IoU from 0.5",
        "command": "python benchmarks/vrd_freq.py FOLDER",
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "numbers": found,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
