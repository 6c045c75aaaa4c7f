"""A model that needs no training: it frames the bright pixels of an image; and a problem that has it."""

import json

import torch
from torch import nn

from visus import catalog
from visus.dataclass_json import to_json
from visus.metrics import CocoMetric
from visus.nn.transform import ImageTransform
from visus.nn.weights import save_weights
from visus.problem import Architecture, Problem
from visus.types import InstancePrediction, InstanceTarget, Schema

NAME = "brightness"
SCHEMA = Schema(categories=("light", "glow"), category_ids=(1, 2))


class Brightness(nn.Module):
    """Two objects around all that is brighter than ``threshold``; ``level`` is the score of the first."""

    channels_last = False
    adapts = False

    def __init__(self, *, num_classes, threshold):
        super().__init__()
        self.transform = ImageTransform(min_size=None)
        self.head = nn.ParameterDict({"level": torch.tensor(0.0)})
        self.num_classes, self.threshold = num_classes, threshold
        self.batches = []

    def forward(self, images, targets=None):
        assert not self.training
        assert torch.is_grad_enabled() == self.adapts
        self.batches.append(len(images))
        return images

    def postprocess(self, outputs, sizes):
        found = []
        for pixels, (height, width) in zip(outputs.pixels, sizes, strict=True):
            rows, columns = torch.where(pixels[0, :height, :width] > self.threshold * 255)
            edges = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]] if len(rows) else []
            n = 2 * len(edges)
            found.append(
                InstancePrediction(
                    torch.tensor(edges * 2, dtype=torch.float32).view(n, 4),
                    torch.arange(n),
                    self.head["level"].expand(n) - torch.arange(n) * 0.5,
                    (height, width),
                )
            )
        return found


def builder(*, num_classes: int = 90, threshold: float = 0.5):
    """A model for tests."""
    return Brightness(num_classes=num_classes, threshold=threshold)


PROBLEM = Problem(
    name="finding light",
    targets=(InstanceTarget,),
    architectures=(Architecture(models={NAME: builder}, losses={}),),
    metric=lambda model, recipe, schema: CocoMetric(schema=schema),
)


def offer(monkeypatch, name=NAME):
    """Puts the model into the catalog under ``name``; under a name that exists it stays in the problem of that."""
    monkeypatch.setitem(catalog.PROBLEMS, PROBLEM.name, PROBLEM)
    monkeypatch.setitem(catalog.MODELS, name, builder)


def write_run(folder, *, level=0.9, model=NAME, options=None, without=()):
    """A run folder with this model's weights."""
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {"model": model, "options": json.dumps(options or {"threshold": 0.6}), "schema": to_json(SCHEMA)}
    metadata = {key: value for key, value in metadata.items() if key not in without}
    save_weights(folder / "weights.safetensors", {"head.level": torch.tensor(level)}, metadata)
    return folder
