"""The feature pyramid: names, levels, and the sum it computes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visus.nn.backbones import Backbone, backbone
from visus.nn.pyramid import FeaturePyramid, PyramidBackbone


class Halving(Backbone):
    """A body without weights: each stage is the average of 2x2 pixels of the one before."""

    channels = (3, 3, 3)
    strides = (2, 4, 8)

    def stages(self, pixels: Tensor) -> list[Tensor]:
        found = []
        for _ in self.channels:
            pixels = F.avg_pool2d(pixels, 2, ceil_mode=True)
            found.append(pixels)
        return found

    def groups(self) -> list[list[nn.Module]]:
        return []


def test_levels_go_from_fine_to_coarse_with_their_strides() -> None:
    net = PyramidBackbone(Halving(), out_channels=5)
    levels = net(torch.randn(2, 3, 48, 32))
    assert net.strides == (2, 4, 8, 16)
    assert [tuple(level.shape) for level in levels] == [(2, 5, 48 // s, 32 // s) for s in net.strides]
    torch.testing.assert_close(levels[-1], levels[-2][:, :, ::2, ::2])


def test_stages_can_be_left_out_and_so_can_the_extra_level() -> None:
    net = PyramidBackbone(Halving(), stages=(1, 2), out_channels=5, extra=None)
    assert net.strides == (4, 8)
    assert [level.shape[-1] for level in net(torch.randn(1, 3, 32, 32))] == [8, 4]


def test_every_level_holds_the_sum_of_itself_and_all_coarser_ones() -> None:
    fpn = FeaturePyramid([1, 1, 1], 1)
    for block in fpn.inner_blocks:
        nn.init.ones_(block[0].weight)
    for block in fpn.layer_blocks:
        nn.init.dirac_(block[0].weight)
    features = [torch.full((1, 1, 8, 8), 1.0), torch.full((1, 1, 4, 4), 10.0), torch.full((1, 1, 2, 2), 100.0)]
    assert [level.unique().tolist() for level in fpn(features)] == [[111.0], [110.0], [100.0]]


def test_odd_sizes_meet() -> None:
    levels = PyramidBackbone(Halving(), out_channels=4)(torch.randn(1, 3, 37, 51))
    assert [tuple(level.shape[-2:]) for level in levels] == [(19, 26), (10, 13), (5, 7), (3, 4)]


def test_names_with_and_without_norm() -> None:
    plain = PyramidBackbone(Halving(), out_channels=4).state_dict()
    normed = PyramidBackbone(Halving(), out_channels=4, norm=nn.BatchNorm2d).state_dict()
    assert {"fpn.inner_blocks.0.0.bias", "fpn.layer_blocks.2.0.weight"} <= plain.keys()
    assert "fpn.inner_blocks.0.0.bias" not in normed
    assert {"fpn.inner_blocks.0.1.running_var", "fpn.layer_blocks.2.1.num_batches_tracked"} <= normed.keys()


def test_all_levels_send_gradients_to_the_body() -> None:
    net = PyramidBackbone(backbone("resnet18"), out_channels=8)
    sum(level.square().mean() for level in net(torch.randn(2, 3, 64, 64))).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


@pytest.mark.parametrize("stages", [(), (2, 1), (1, 1), (0, 3), (-1, 0)])
def test_impossible_stages_are_refused(stages: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"stages must increase and lie in 0\.\.2"):
        PyramidBackbone(Halving(), stages=stages)


def test_an_unknown_extra_level_is_refused() -> None:
    with pytest.raises((ValueError, TypeError), match="extra"):
        PyramidBackbone(Halving(), extra="p7")  # type: ignore[arg-type]
