"""`optimize`: a trained model, or a network, in a form that only predicts, and faster."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any, TypeVar, overload

import torch
from torch import nn

from visus.errors import VisusError
from visus.nn.fused.choose import Choice, choose
from visus.nn.fused.int8 import calibrate
from visus.nn.fused.optimize import Note, warn
from visus.predict.items import Input, Pictures, Reading, items_of
from visus.predict.predictor import Predictor

Network = TypeVar("Network", bound=nn.Module)

CALIBRATION_IMAGES = 100
"""So many images say which range of numbers each map of an int8 network has."""

_MADE_UP = (3, 480, 640)


@overload
def optimize(
    model: Predictor, precision: Choice = "fp32", *, images: Pictures | None = None, on_note: Note = warn
) -> Predictor:
    """A predictor of a faster network."""


@overload
def optimize(
    model: Network, precision: Choice = "fp32", *, images: Pictures | None = None, on_note: Note = warn
) -> Network:
    """A faster network."""


def optimize(model: Any, precision: Choice = "fp32", *, images: Pictures | None = None, on_note: Note = warn) -> Any:
    """The same model with fused and packed layers; where that cannot be had, the model as it is, and a warning why.

    Args:
        model: of `visus.load`, or a network of the catalog. It is not changed, and its weights are shared.
        precision: ``fp32`` differs by rounding alone; ``bf16`` is for processors with products of it; ``int8`` needs
            ``images``; ``auto`` takes the fastest of the first two on the first image.
        images: what the parts of the network are tried on: one is enough, and int8 takes up to `CALIBRATION_IMAGES`.
            Without any, noise is. Networks for other things than images need some.
        on_note: told in a line what was chosen, or could not be done.

    Raises:
        VisusError: int8 without images, or none of them can be looked at.
    """
    if isinstance(model, Predictor):
        made = model.faster(precision, on_note=on_note)
        made.model, made._form = optimize(model.model, precision, images=images, on_note=on_note), None
        return made
    if precision == "int8" and images is None:
        raise VisusError("int8 needs images=... to be calibrated with, about a hundred of those that it will see")
    given = _first(images) if images is not None else [torch.randint(0, 256, _MADE_UP, dtype=torch.uint8)]
    if not given:
        raise VisusError("images=... holds no image")
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    batches = [model.transform.batch([image]).to(device) for image in given]
    looked_at = partial(_calibrated, batches)
    return choose(model.eval(), batches[0], precision, calibrate=looked_at, on_note=on_note)


def _calibrated(batches: list[Any], fast: nn.Module, on_note: Note) -> nn.Module:
    return calibrate(fast, batches, on_note=on_note)


def _first(images: Pictures) -> list[Input]:
    def read() -> Iterator[Input]:
        for item in items_of(images, Reading()):
            yield item.read()

    return list(islice(read(), CALIBRATION_IMAGES))
