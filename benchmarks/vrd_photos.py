"""Relationships on VRD with pixels, on as many photographs of the test as there are (PredCls).

    python benchmarks/vrd_photos.py FOLDER

FOLDER is that of `vrd.py`, with photographs of test images in ``images``. The annotations of the training images come
without their photographs, so VTransE learns from classes and boxes of all 3,780 (with the settings that `vrd.py`
chose), and what photographs add is learned from photographs of the test by cross-validation: five folds, each measured
by a linear layer on frozen EfficientNet-Lite0 features of subject, object and the box around both that saw the other
four.
The layer begins at zero, so the model without pixels is where it starts; its epochs are those with the least loss on a
quarter of the four folds. The result goes to ``benchmarks/results/vrd_photos.json``.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from interleaved import commit, cpu
from torch import Tensor, nn
from torch.nn import functional as F
from vrd import PROTOCOLS, WithoutPixels, counted, epochs_of, targets_of, vtranse

from visus.data.readers.vrd import open_vrd, read_vrd, vrd_schema
from visus.metrics import SceneGraphMetric
from visus.nn.backbones.efficientnet_lite import efficientnet_lite0
from visus.ops.roi import roi_align
from visus.systems.scene_graphs.frequencies import FrequencyModel
from visus.systems.scene_graphs.losses import SceneGraphCriterion
from visus.systems.scene_graphs.outputs import Graph, GraphOutputs, graph_prediction
from visus.types import Batch, GraphPrediction, InstanceTarget, Schema

RESULT = Path(__file__).parent / "results" / "vrd_photos.json"
CHOSEN = json.loads((Path(__file__).parent / "results" / "vrd.json").read_text())["numbers"]["VTransE without pixels"]
FOLDS, MOST_EPOCHS, LR, DECAY = 5, 40, 1e-5, 0.1
LONGEST, STRIDES = 640, (16, 32)


@dataclass(frozen=True)
class Photo:
    """An annotated photograph.

    Args:
        target: its objects and relationships.
        features: of each pair of its objects, in the order of `Graph.pairs`.
    """

    target: InstanceTarget
    features: Tensor


@torch.no_grad()
def photos_of(root: Path, model: WithoutPixels, schema: Schema) -> list[Photo]:
    """The photographs that are there."""
    body = efficientnet_lite0(pretrained=True).body.eval()
    images = open_vrd(root, "test")
    names = [record.name for record in read_vrd(root, "test")]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (body.mean, body.std))
    found = []
    for place, name in enumerate(names):
        if not (root / "images" / name).is_file():
            continue
        sample = images[place]
        if len(sample.target) < 2:
            continue
        height, width = sample.target.size
        scale = LONGEST / max(height, width)
        size = [max(32, 32 * round(side * scale / 32)) for side in (height, width)]
        pixels = F.interpolate(sample.input[None].float(), size, mode="bilinear", antialias=True)[0] / 255
        maps = body.stages(((pixels - mean) / std)[None])
        maps = [maps[-2], maps[-1]]
        graph = model([sample.target], schema.num_classes)
        boxes, pairs = graph.objects.boxes_xyxy, graph.pairs
        first, second = boxes[pairs[:, 0]], boxes[pairs[:, 1]]
        union = torch.cat([torch.minimum(first, second)[:, :2], torch.maximum(first, second)[:, 2:]], dim=1)
        moved = torch.tensor([size[1] / width, size[0] / height] * 2)
        parts = []
        for some in (first, second, union):
            for values, stride in zip(maps, STRIDES, strict=True):
                regions = roi_align([values], some * moved, torch.zeros(len(some), dtype=torch.int64), 2, [stride])
                parts.append(regions.mean((2, 3)))
        found.append(Photo(sample.target, torch.cat(parts, dim=1)))
    return found


class WithPixels(nn.Module):
    """What the photograph adds to the logits of a model without pixels, which stays as it is."""

    def __init__(self, base: WithoutPixels, photos: list[Photo], num_classes: int) -> None:
        super().__init__()
        self.base, self.num_classes = base.eval().requires_grad_(False), num_classes
        seen = torch.cat([photo.features for photo in photos])
        self.register_buffer("mean", seen.mean(0))
        self.register_buffer("deviation", seen.std(0).clamp(min=1e-3))
        predicates = base([photos[0].target], num_classes).predicate_logits.shape[1]
        self.layer = nn.Linear(seen.shape[1], predicates)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, photo: Photo) -> Graph:
        """The graph of the annotated objects."""
        graph = self.base([photo.target], self.num_classes)
        added = self.layer((photo.features - self.mean) / self.deviation)
        return replace(graph, predicate_logits=graph.predicate_logits + added)


def trained(base: WithoutPixels, photos: list[Photo], schema: Schema, epochs: int, held_out: list[Photo]) -> Any:
    """The model after so many epochs, or (with something held out) the number of epochs with the least loss on it."""
    torch.manual_seed(0)
    model = WithPixels(base, photos, schema.num_classes)
    optimizer = torch.optim.AdamW(model.layer.parameters(), lr=LR, weight_decay=DECAY)
    losses = [float(sum(loss_of(model, photo).detach() for photo in held_out))]
    for _ in range(epochs):
        for place in torch.randperm(len(photos)).tolist():
            optimizer.zero_grad()
            loss_of(model, photos[place]).backward()
            optimizer.step()
        losses.append(float(sum(loss_of(model, photo).detach() for photo in held_out)))
    return losses.index(min(losses)) if held_out else model


def loss_of(model: WithPixels, photo: Photo) -> Tensor:
    criterion = SceneGraphCriterion(unrelated_weight=CHOSEN["chosen"]["unrelated_weight"])
    outputs = GraphOutputs(torch.zeros(0, 2, dtype=torch.int64), [], torch.zeros(0), model(photo))
    return criterion(outputs, [photo.target])["predicate"]


@torch.no_grad()
def graph_of(model: nn.Module, photo: Photo) -> GraphPrediction:
    graph = model(photo)
    sizes = (photo.target.size, photo.target.size)
    return graph_prediction(graph, graph.objects.class_scores, 0, sizes, every_pair=True)


def numbers_of(predictions: list[GraphPrediction], photos: list[Photo], schema: Schema) -> dict[str, dict[str, float]]:
    """The numbers by what recall is the mean over; none of unseen relationships, which needs the training's counts."""
    found = {}
    for name, protocol in PROTOCOLS.items():
        metric = SceneGraphMetric(schema, protocol=protocol)
        metric.update(predictions, Batch(None, [photo.target for photo in photos]))
        found[f"recall over {name}"] = {key: round(value, 4) for key, value in metric.compute().items()}
    return found


def main() -> None:
    """Measures all and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    root = parser.parse_args().folder
    schema, train = vrd_schema(root), targets_of(root, "train")
    torch.manual_seed(0)
    base = vtranse(counted(train, schema))
    for _ in epochs_of(base, train, schema, CHOSEN["chosen"]["unrelated_weight"], CHOSEN["chosen"]["epochs"]):
        pass
    base.eval()
    photos = photos_of(root, base, schema)
    frequencies = WithoutPixels(FrequencyModel(counted(train, schema)), None)
    found: dict[str, Any] = {}
    for name, model in (("FREQ", frequencies), ("VTransE without pixels", base)):
        plain = [graph_of(lambda photo, model=model: model([photo.target], schema.num_classes), p) for p in photos]
        found[name] = numbers_of(plain, photos, schema)
    predictions: dict[int, GraphPrediction] = {}
    epochs = []
    for fold in range(FOLDS):
        rest = [photo for place, photo in enumerate(photos) if place % FOLDS != fold]
        chosen = trained(base, rest[len(rest) // 4 :], schema, MOST_EPOCHS, rest[: len(rest) // 4])
        model = trained(base, rest, schema, chosen, [])
        epochs.append(chosen)
        predictions |= {p: graph_of(model, photo) for p, photo in enumerate(photos) if p % FOLDS == fold}
    with_pixels = [predictions[place] for place in range(len(photos))]
    found["VTransE with pixels"] = {"epochs of the folds": epochs, **numbers_of(with_pixels, photos, schema)}
    result = {
        "data": f"{len(photos)} photographs of VRD's test, boxes and classes given (PredCls), five folds",
        "command": "python benchmarks/vrd_photos.py FOLDER",
        "commit": commit(),
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "torch": torch.__version__,
        "numbers": found,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
