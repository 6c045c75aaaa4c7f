"""ResNets: the paper's counts, dilation, and gradients through the in-place steps."""

from __future__ import annotations

import pytest
import torch

from visus.nn.backbones import resnet18, resnet34, resnet50
from visus.nn.norm import FrozenBatchNorm2d


def test_parameter_counts_are_the_published_ones() -> None:
    assert sum(p.numel() for p in resnet18().parameters()) == 11_689_512
    assert sum(p.numel() for p in resnet50().parameters()) == 25_557_032
    assert sum(p.numel() for p in resnet34(num_classes=None).parameters()) == 21_797_672 - 513 * 1000


def test_dilation_keeps_the_resolution_and_the_weights() -> None:
    torch.manual_seed(0)
    plain = resnet50(num_classes=None)
    dilated = resnet50(replace_stride_with_dilation=(False, True, True), num_classes=None)
    assert dilated.strides == (4, 8, 8, 8)
    assert {k: v.shape for k, v in plain.state_dict().items()} == {k: v.shape for k, v in dilated.state_dict().items()}
    with torch.no_grad():
        shapes = [stage.shape[-1] for stage in dilated.eval().stages(torch.randn(1, 3, 64, 64))]
    assert shapes == [16, 8, 8, 8]
    # The first block after a replaced stride has the dilation of the stage before it, the others twice that.
    assert [block.conv2.dilation[0] for block in dilated.layer4] == [2, 4, 4]  # type: ignore[union-attr]


def test_basic_blocks_refuse_dilation() -> None:
    from visus.nn.backbones.resnet import BasicBlock, ResNet

    with pytest.raises(ValueError, match="cannot replace strides by dilation"):
        ResNet(block=BasicBlock, depths=(2, 2, 2, 2), replace_stride_with_dilation=(False, True, True))


@pytest.mark.parametrize("frozen", [True, False])
def test_gradients_through_the_in_place_steps_are_right(frozen: bool) -> None:
    torch.manual_seed(0)
    net = resnet18(norm=FrozenBatchNorm2d if frozen else torch.nn.BatchNorm2d, num_classes=2).double()
    pixels, step = torch.randn(4, 3, 64, 64, dtype=torch.float64), 1e-8
    weight = net.layer3[0].conv2.weight  # type: ignore[index, union-attr]
    direction = torch.randn_like(weight)
    net(pixels).square().sum().backward()
    slope = float((weight.grad * direction).sum())
    with torch.no_grad():
        values = []
        for sign in (1, -1):
            weight += sign * step * direction
            values.append(float(net(pixels).square().sum()))
            weight -= sign * step * direction
    assert slope == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-3)
