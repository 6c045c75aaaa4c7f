"""MobileNetV3: the paper's counts and widths."""

from __future__ import annotations

import pytest
import torch

from visus.nn.backbones import mobilenet_v3_large, mobilenet_v3_small
from visus.nn.backbones.mobilenet_v3 import SqueezeExcitation, _multiple_of_8


def test_parameter_counts_are_the_published_ones() -> None:
    assert sum(p.numel() for p in mobilenet_v3_large().parameters()) == 5_483_032
    assert sum(p.numel() for p in mobilenet_v3_small().parameters()) == 2_542_856


@pytest.mark.parametrize(("channels", "rounded"), [(4, 8), (16, 16), (18, 24), (30, 32), (22, 24), (10, 16)])
def test_widths_are_multiples_of_8_and_never_a_tenth_too_small(channels: int, rounded: int) -> None:
    assert _multiple_of_8(channels) == rounded


def test_squeeze_weighs_whole_channels_by_their_averages() -> None:
    torch.manual_seed(0)
    squeeze = SqueezeExcitation(4, 2)
    x = torch.rand(2, 4, 5, 5) + 0.5
    ratio = squeeze(x) / x
    torch.testing.assert_close(ratio, ratio[:, :, :1, :1].expand_as(ratio))
    assert bool(((ratio >= 0) & (ratio <= 1)).all())
    torch.testing.assert_close(squeeze(x.flip(-1)), squeeze(x).flip(-1))
