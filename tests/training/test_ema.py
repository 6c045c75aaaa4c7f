"""The average of the weights against its closed form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from visus.training.ema import Ema


def constant(value: float, dtype: torch.dtype = torch.float32) -> nn.Linear:
    layer = nn.Linear(2, 2, bias=False).to(dtype)
    nn.init.constant_(layer.weight, value)
    return layer


def test_average_follows_the_closed_form() -> None:
    layer = constant(0.0)
    ema = Ema(layer, decay=0.3)
    nn.init.constant_(layer.weight, 1.0)
    distance = 1.0
    for update in range(1, 6):
        ema.update(layer)
        distance *= min(0.3, (1 + update) / (10 + update))
    assert ema.average["weight"].flatten().tolist() == pytest.approx([1 - distance] * 4)


def test_half_precision_weights_are_averaged_in_float32() -> None:
    layer = constant(1.0, torch.bfloat16)
    ema = Ema(layer, decay=0.9999)
    ema.updates = 10**6
    nn.init.constant_(layer.weight, 2.0)
    for _ in range(10):
        ema.update(layer)
    assert ema.average["weight"].dtype == torch.float32
    assert ema.average["weight"][0, 0].item() == pytest.approx(2 - 0.9999**10, rel=1e-5)


def test_applied_puts_the_average_in_and_takes_it_out() -> None:
    layer = nn.Sequential(constant(0.0), nn.BatchNorm1d(2))
    ema = Ema(layer, decay=0.5)
    nn.init.constant_(layer[0].weight, 8.0)
    counter = layer[1].num_batches_tracked
    weight = layer[0].weight
    with ema.applied(layer):
        assert float(weight.detach().max()) == 0
    assert layer[0].weight is weight
    assert float(weight.detach().min()) == 8
    assert float(ema.average["0.weight"].max()) == 0
    assert layer[1].num_batches_tracked is counter


def test_state_goes_on() -> None:
    layer = constant(0.0)
    first = Ema(layer, decay=0.9)
    nn.init.constant_(layer.weight, 1.0)
    first.update(layer)
    second = Ema(layer, decay=0.9)
    second.load_state_dict(first.state_dict())
    for ema in (first, second):
        ema.update(layer)
    assert torch.equal(first.average["weight"], second.average["weight"])
