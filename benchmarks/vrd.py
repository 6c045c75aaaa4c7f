"""Relationships on VRD without pixels: classes and boxes of all 1,000 test images are given (PredCls).

    python benchmarks/vrd.py FOLDER

FOLDER holds ``objects.json``, ``predicates.json``, ``annotations_train.json`` and ``annotations_test.json``. FREQ and
FREQ+OVERLAP count; Neural Motifs and VTransE are trained with nothing but classes and boxes, for as many epochs and
with such a weight of unrelated pairs as were best on 400 training images that were held out. The result goes to
``benchmarks/results/vrd.json``.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from interleaved import commit, cpu
from torch import Tensor, nn
from torch.nn import functional as F

from visus.data.readers.vrd import read_vrd, vrd_schema
from visus.metrics import Protocol, SceneGraphMetric
from visus.ops.boxes import encode_boxes
from visus.systems.scene_graphs.frequencies import Frequencies, FrequencyModel
from visus.systems.scene_graphs.losses import SceneGraphCriterion
from visus.systems.scene_graphs.motifs import Motifs
from visus.systems.scene_graphs.outputs import Graph, GraphOutputs, Objects, Scene, graph_prediction
from visus.systems.scene_graphs.vtranse import VTransE
from visus.types import Batch, GraphPrediction, InstanceTarget, Schema

RESULT = Path(__file__).parent / "results" / "vrd.json"
PROTOCOLS = {"images": Protocol(ks=(50, 100)), "relationships": Protocol(ks=(50, 100), mean="relationships")}
HELD_OUT, EPOCHS, BATCH, HIDDEN, LR = 400, 12, 16, 256, 1e-3
UNRELATED = (0.05, 0.3)
"""Weights of unrelated pairs that are tried."""


class Places(nn.Module):
    """Where two objects are to each other, in place of the features of the box around them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(16, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU())

    def forward(self, shares: Tensor, pairs: Tensor) -> Tensor:
        """A vector for each pair."""
        first, second = shares[pairs[:, 0]], shares[pairs[:, 1]]
        ones = (1.0, 1.0, 1.0, 1.0)
        moves = [encode_boxes(*some, weights=ones) for some in ((first, second), (second, first))]
        places = [move.nan_to_num().clamp(-10, 10) for move in moves]
        return self.layers(torch.cat([first, second, *places], dim=1))


class WithoutPixels(nn.Module):
    """A relation model that is given classes and boxes."""

    def __init__(self, relations: nn.Module, places: nn.Module | None) -> None:
        super().__init__()
        self.relations, self.places = relations, places

    def forward(self, targets: Sequence[InstanceTarget], num_classes: int) -> Graph:
        """The graph of annotated objects."""
        boxes = torch.cat([target.boxes_xyxy for target in targets])
        labels = torch.cat([target.labels for target in targets])
        index = torch.repeat_interleave(torch.arange(len(targets)), torch.tensor([len(t) for t in targets]))
        sides = torch.tensor([[t.size[1], t.size[0]] * 2 for t in targets], dtype=boxes.dtype)[index]
        given = F.one_hot(labels, num_classes).float()
        objects = Objects(boxes, index, labels, torch.ones(len(labels)), given)
        pairs, nothing, shares = objects.pairs(), torch.zeros(len(labels), 0), boxes / sides
        unions = self.places(shares, pairs) if self.places else torch.zeros(len(pairs), 0)
        _, logits = self.relations(Scene(objects, shares, nothing, pairs, unions))
        return Graph(objects, pairs, logits, nothing, None)


def targets_of(root: Path, split: str) -> list[InstanceTarget]:
    """The annotations of a split; an image is as large as its farthest box."""
    found = []
    for number, record in enumerate(read_vrd(root, split)):
        right = max((int(box[2]) + 1 for box in record.boxes_xyxy), default=1)
        bottom = max((int(box[3]) + 1 for box in record.boxes_xyxy), default=1)
        found.append(record.target((bottom, right), number))
    return found


@torch.no_grad()
def measured(
    model: WithoutPixels, targets: list[InstanceTarget], schema: Schema, seen: Callable[[], Tensor]
) -> dict[str, dict[str, float]]:
    """The numbers by what recall is the mean over."""
    model.eval()
    predictions: list[GraphPrediction] = []
    for target in targets:
        graph = model([target], schema.num_classes)
        found = graph_prediction(graph, graph.objects.class_scores, 0, (target.size, target.size), every_pair=True)
        predictions.append(found)
    numbers = {}
    for name, protocol in PROTOCOLS.items():
        metric = SceneGraphMetric(schema, seen=seen, protocol=protocol)
        metric.update(predictions, Batch(None, targets))
        numbers[f"recall over {name}"] = {key: round(value, 4) for key, value in metric.compute().items()}
    return numbers


def counted(train: list[InstanceTarget], schema: Schema, *, overlap: bool = False) -> Frequencies:
    frequencies = Frequencies(schema.num_classes, len(schema.predicates), overlap=overlap).train()
    frequencies.observe(train)
    return frequencies


def motifs(frequencies: Frequencies) -> WithoutPixels:
    return WithoutPixels(Motifs(width=0, hidden=HIDDEN, frequencies=frequencies), Places())


def vtranse(frequencies: Frequencies) -> WithoutPixels:
    classes, _, predicates = frequencies.counts.shape
    relations = VTransE(width=0, hidden=HIDDEN, num_classes=classes, num_predicates=predicates - 1)
    return WithoutPixels(relations, None)


def epochs_of(model: WithoutPixels, train: list[InstanceTarget], schema: Schema, weight: float, count: int) -> Any:
    """Trains, and yields after each epoch."""
    criterion = SceneGraphCriterion(unrelated_weight=weight)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=0.02)
    some = [target for target in train if len(target) > 1]
    steps = EPOCHS * (len(some) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(count):
        model.train()
        order = torch.randperm(len(some)).tolist()
        for start in range(0, len(some) - BATCH + 1, BATCH):
            batch = [some[place] for place in order[start : start + BATCH]]
            graph = model(batch, schema.num_classes)
            outputs = GraphOutputs(torch.zeros(0, 2, dtype=torch.int64), [], torch.zeros(0), graph)
            loss = criterion(outputs, batch)["predicate"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        yield model


def trained(
    make: Callable[[Frequencies], WithoutPixels], train: list[InstanceTarget], schema: Schema
) -> tuple[WithoutPixels, dict[str, Any]]:
    """The model of the best epoch and weight on what was held out, and what was chosen."""
    part, held_out = train[:-HELD_OUT], train[-HELD_OUT:]
    best: tuple[float, Any, dict[str, Any]] = (-1.0, None, {})
    for weight in UNRELATED:
        torch.manual_seed(0)
        frequencies = counted(part, schema)
        for number, model in enumerate(epochs_of(make(frequencies), part, schema, weight, EPOCHS), 1):
            score = measured(model, held_out, schema, frequencies.seen)["recall over relationships"]["R@50"]
            if score > best[0]:
                chosen = {"unrelated_weight": weight, "epochs": number, "held-out R@50": score}
                best = score, copy.deepcopy(model), chosen
    return best[1], best[2]


def main() -> None:
    """Measures all and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    root = parser.parse_args().folder
    schema, train, test = vrd_schema(root), targets_of(root, "train"), targets_of(root, "test")
    found: dict[str, Any] = {}
    for name, overlap in (("FREQ", False), ("FREQ+OVERLAP", True)):
        frequencies = counted(train, schema, overlap=overlap)
        model = WithoutPixels(FrequencyModel(frequencies), None)
        found[name] = measured(model, test, schema, frequencies.seen)
    for name, make in (("Motifs without pixels", motifs), ("VTransE without pixels", vtranse)):
        start = time.monotonic()
        model, chosen = trained(make, train, schema)
        minutes = round((time.monotonic() - start) / 60, 1)
        seen = counted(train, schema).seen
        found[name] = {"chosen": {**chosen, "minutes": minutes}, **measured(model, test, schema, seen)}
        print(name, json.dumps(found[name]), flush=True)
    result = {
        "data": "VRD, 3,780 training and 1,000 test images, boxes and classes given (PredCls), IoU from 0.5",
        "command": "python benchmarks/vrd.py FOLDER",
        "commit": commit(),
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "torch": torch.__version__,
        "numbers": found,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
