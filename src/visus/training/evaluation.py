"""Measures a model on a data set, and tells the images it does best and worst on. Needs no training engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from visus.metrics.metric import Metric
from visus.nn.model import predict_batch
from visus.types import Batch, Prediction, Sample

Quality = Callable[[Any, Any], float | None]


@dataclass(frozen=True)
class Ranked:
    """One image: its index in the data set, and how good its prediction is (larger is better)."""

    index: int
    quality: float


def extremes(qualities: Mapping[int, float | None], keep: int) -> list[Ranked]:
    """The ``keep`` best and the ``keep`` worst images, none twice, best first; those without a quality are left out.

    Args:
        qualities: by the index of the image.
        keep: how many of each.
    """
    known = [Ranked(i, value) for i, value in qualities.items() if value is not None and not math.isnan(value)]
    known.sort(key=lambda image: (-image.quality, image.index))
    return known if len(known) <= 2 * keep else known[:keep] + known[-keep:]


def predict_samples(
    model: nn.Module,
    samples: Sequence[Sample],
    *,
    device: torch.device | str = "cpu",
    precision: str = "32",
    given: bool = False,
) -> list[Prediction]:
    """The prediction of each sample, one at a time: what `measure` saw of them, but for the padding of its batches.

    ``given`` shows the model the targets, as `visus.metrics.metric.Metric.given` says.
    """
    network: Any = model.to(device).eval()
    found: list[Prediction] = []
    for sample in samples:
        inputs = network.transform.batch([sample.input]).to(torch.device(device))
        targets = [sample.target.to(device)] if given else None
        _, predictions = predict_batch(network, inputs, targets, precision=precision)
        found += [prediction.to("cpu") for prediction in predictions]
    return found


def measure(
    model: nn.Module,
    metric: Metric,
    loader: DataLoader[Batch],
    *,
    device: torch.device | str = "cpu",
    precision: str = "32",
    also: Sequence[Metric] = (),
    quality: Quality | None = None,
    qualities: dict[int, float | None] | None = None,
    on_batch: Callable[[int], None] = lambda pictures: None,
) -> dict[str, float]:
    """The numbers of ``metric`` over ``loader``.

    Args:
        model: a `visus.nn.model.Model`; put in evaluation mode and moved to ``device``.
        metric: forgets what it knows, then takes predictions and batches.
        loader: batches of images with targets in their own frame.
        device: where to compute.
        precision: ``bf16`` for bfloat16 where it is tolerated.
        also: further metrics that take the same; their numbers are added, and come before those of the same name.
        quality: how good the prediction of one image is, None where it cannot be ranked.
        qualities: gets the quality of every image by its index, in the order in which they are measured.
        on_batch: told the number of images of each batch, when it is done.
    """
    device = torch.device(device)
    network = model.to(device).eval()
    metrics = (metric, *also)
    for one in metrics:
        one.to(device)
        one.reset()
    sampler: Any = loader.batch_sampler
    for places, batch in zip(sampler, loader, strict=True):
        inputs = batch.inputs.to(device, non_blocking=True)
        targets = [target.to(device) for target in batch.targets] if metric.given else None
        _, found = predict_batch(network, inputs, targets, precision=precision)
        predictions = [prediction.to("cpu") for prediction in found]
        for one in metrics:
            one.update(predictions, batch)
        if qualities is not None:
            for place, prediction, target in zip(places, predictions, batch.targets, strict=True):
                qualities[place] = quality(prediction, target) if quality else None
        on_batch(len(batch))
    return {name: float(value) for one in metrics for name, value in one.compute().items()}
