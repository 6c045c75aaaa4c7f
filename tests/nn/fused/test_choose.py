"""Which form of a network is taken: what was asked for, or the fastest, and what is said of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nn_fused_tiny import Tiny, a_batch
from visus.nn.fused import choose as choosing
from visus.nn.fused.choose import FEW, choose
from visus.nn.fused.optimize import packed_layers

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")

INPUTS = a_batch(torch.rand(2, 3, 16, 16))


@pytest.fixture
def model() -> Tiny:
    torch.manual_seed(0)
    return Tiny(nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU()).eval())


def test_what_was_asked_for_is_taken(model: Tiny) -> None:
    assert choose(model, INPUTS, "plain", on_note=pytest.fail) is model
    assert packed_layers(choose(model, INPUTS, "fp32", on_note=pytest.fail))


def test_of_a_few_inputs_the_network_stays(model: Tiny) -> None:
    assert choose(model, INPUTS, "auto", count=FEW - 1, on_note=pytest.fail) is model
    assert packed_layers(choose(model, INPUTS, "fp32", count=1, on_note=pytest.fail))


@pytest.mark.parametrize(("seconds", "taken"), [([2.0, 1.0], True), ([1.0, 2.0], False)], ids=["faster", "slower"])
def test_auto_takes_the_faster_one(
    model: Tiny, seconds: list[float], taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "_times", lambda models, inputs: seconds)
    monkeypatch.setattr(choosing, "multiplies_bfloat16", lambda: False)
    notes: list[str] = []
    found = choose(model, INPUTS, "auto", on_note=notes.append)
    assert bool(packed_layers(found)) is taken
    said = "precision fp32, fused: 0.50 of the time on the first input, 1 layers within 0.0001"
    assert notes == ([said] if taken else [])


def test_int8_needs_what_calibrates(model: Tiny) -> None:
    with pytest.raises(ValueError, match="to be calibrated with"):
        choose(model, INPUTS, "int8", on_note=pytest.fail)
    fast = choose(model, INPUTS, "int8", calibrate=lambda fast, on_note: fast, on_note=pytest.fail)
    assert packed_layers(fast)
