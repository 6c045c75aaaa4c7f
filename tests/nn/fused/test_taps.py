"""Convolutions whose taps lie far apart, as matrix products."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest
import torch
from torch import nn

from visus.nn.fused import packed
from visus.nn.fused.activations import RELU
from visus.nn.fused.optimize import unavailable
from visus.nn.fused.packed import Origin, PackedConvolution
from visus.nn.fused.taps import TapRows, can_be_rows

pytestmark = pytest.mark.skipif(bool(unavailable("bf16")), reason=str(unavailable("bf16")))


def far(dilation: int, kernel: int = 3, channels: int = 32) -> nn.Conv2d:
    torch.manual_seed(dilation)
    return nn.Conv2d(channels, 16, kernel, padding=dilation * (kernel // 2), dilation=dilation)


@pytest.mark.parametrize(("dilation", "kernel"), [(8, 3), (12, 3), (30, 3), (70, 3), (8, 5), (9, 1)])
def test_equals_the_convolution(dilation: int, kernel: int) -> None:
    """Also where whole rows or columns of taps see nothing but padding."""
    layer = far(dilation, kernel)
    x = torch.randn(2, 32, 33, 25).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        found = TapRows(layer.weight.bfloat16(), layer.bias, layer)(x.bfloat16())
        expected = layer(x)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 0.01 * expected.abs().max()


def test_which_convolutions_it_is_for() -> None:
    assert can_be_rows(far(12), torch.bfloat16)
    assert not can_be_rows(far(12), torch.float32)
    assert not can_be_rows(far(2), torch.bfloat16)
    assert not can_be_rows(nn.Conv2d(4, 4, 3, padding=12, dilation=12, stride=2), torch.bfloat16)
    assert not can_be_rows(nn.Conv2d(4, 4, 3, padding=12, dilation=12, groups=4), torch.bfloat16)
    assert not can_be_rows(nn.Conv2d(4, 4, 3, padding=0, dilation=12), torch.bfloat16)


@pytest.mark.parametrize("faster", [True, False])
def test_the_faster_way_is_taken(faster: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each size of maps; weights that change and files forget it."""
    asked: list[int] = []

    def tried(rows: Callable[[], object], whole: Callable[[], object]) -> bool:
        asked.append(1)
        return faster

    monkeypatch.setattr(packed, "is_faster", tried)
    layer = far(12)
    fast = PackedConvolution(Origin(layer, None), RELU, torch.bfloat16)
    x = torch.randn(1, 32, 20, 20)
    with torch.no_grad():
        for _ in range(2):
            found, expected = fast(x), layer(x).relu()
    assert asked == [1]
    assert found.dtype is torch.bfloat16
    assert (found.float() - expected).abs().max() < 0.02 * expected.abs().max()
    assert fast.goes_by_rows == faster
    assert pickle.loads(pickle.dumps(fast))._rows == {}
    fast.forget()
    assert fast._rows == {}
    assert not fast.goes_by_rows
