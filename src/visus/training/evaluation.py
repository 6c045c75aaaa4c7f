"""Measures a model on a data set, and remembers the images it does best and worst on. Needs no training engine."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from visus.metrics.metric import Metric
from visus.nn.model import predict_batch
from visus.types import Batch, Prediction

Quality = Callable[[Any, Any], float | None]


@dataclass(frozen=True)
class Ranked:
    """One picture: its index in the data set, what was predicted, and how good that is."""

    index: int
    prediction: Prediction
    quality: float


@dataclass
class Extremes:
    """The ``keep`` best and the ``keep`` worst images of all that are offered, none twice."""

    keep: int
    _best: list[tuple[float, int, Prediction]] = field(default_factory=list)
    _worst: list[tuple[float, int, Prediction]] = field(default_factory=list)

    def offer(self, picture: Ranked) -> None:
        """Takes an image, and drops one that is neither good nor bad enough."""
        for heap, sign in ((self._best, 1.0), (self._worst, -1.0)):
            heapq.heappush(heap, (sign * picture.quality, -picture.index, picture.prediction))
            if len(heap) > self.keep:
                heapq.heappop(heap)

    def chosen(self) -> list[Ranked]:
        """The images, best first."""
        found = {
            -place: Ranked(-place, prediction, sign * value)
            for heap, sign in ((self._best, 1.0), (self._worst, -1.0))
            for value, place, prediction in heap
        }
        return sorted(found.values(), key=lambda picture: (-picture.quality, picture.index))


def measure(
    model: nn.Module,
    metric: Metric,
    loader: DataLoader[Batch],
    *,
    device: torch.device | str = "cpu",
    precision: str = "32",
    quality: Quality | None = None,
    extremes: Extremes | None = None,
    on_batch: Callable[[int], None] = lambda pictures: None,
) -> dict[str, float]:
    """The numbers of ``metric`` over ``loader``.

    Args:
        model: a `visus.nn.model.Model`; put in evaluation mode and moved to ``device``.
        metric: forgets what it knows, then takes predictions and batches.
        loader: batches of images with targets in their own frame.
        device: where to compute.
        precision: ``bf16`` for bfloat16 where it is tolerated.
        quality: how good the prediction of one image is, None where it cannot be ranked; with ``extremes``.
        extremes: offered every image.
        on_batch: told the number of images of each batch, when it is done.
    """
    device = torch.device(device)
    network = model.to(device).eval()
    metric.to(device)
    metric.reset()
    sampler: Any = loader.batch_sampler
    for places, batch in zip(sampler, loader, strict=True):
        _, found = predict_batch(network, batch.inputs.to(device, non_blocking=True), precision=precision)
        predictions = [prediction.to("cpu") for prediction in found]
        metric.update(predictions, batch)
        if quality is not None and extremes is not None:
            for place, prediction, target in zip(places, predictions, batch.targets, strict=True):
                if (value := quality(prediction, target)) is not None:
                    extremes.offer(Ranked(place, prediction, value))
        on_batch(len(batch))
    return {name: float(value) for name, value in metric.compute().items()}
