"""SegNet's unpooling and FCN's cuts against independent computations, and the export of SegNet."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from visus.systems.segmentation.fcn_vgg import FCNDecoder, bilinear_filter, fcn8s_vgg16, fcn16s_vgg16, fcn32s_vgg16
from visus.systems.segmentation.outputs import Frame
from visus.systems.segmentation.segnet import SegNetDecoder, SegNetEncoder, mirrored, segnet_lite0, segnet_vgg16, unpool


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 3)])
def test_unpooling_puts_maxima_back_and_zeros_elsewhere(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)) + 0.1
    pooled, indices = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
    found = unpool(pooled, indices, size)
    kept = found != 0
    assert torch.equal(found[kept], x[kept])
    assert torch.equal(F.max_pool2d(found, 2, ceil_mode=True), pooled)
    assert int(kept.sum()) == pooled.numel()


def test_an_index_may_serve_several_channels() -> None:
    _, indices = F.max_pool2d(torch.randn(1, 2, 4, 4), 2, return_indices=True)
    x = torch.rand(1, 6, 2, 2) + 0.1
    places = unpool(x, indices, (4, 4)) != 0
    for channel in range(6):
        assert torch.equal(places[0, channel], places[0, channel % 2])


def test_unpooling_hands_gradients_to_the_values() -> None:
    x = torch.rand(1, 2, 2, 2, requires_grad=True)
    _, indices = F.max_pool2d(torch.randn(1, 2, 4, 4), 2, return_indices=True)
    unpool(x, indices, (4, 4)).pow(2).sum().backward()
    torch.testing.assert_close(x.grad, 2 * x.detach())


def test_the_decoder_mirrors_the_encoder() -> None:
    with torch.device("meta"):
        model = segnet_vgg16(num_classes=12)
    widths = [
        (m.in_channels, m.out_channels) for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)
    ]
    assert len(widths) == 26
    down, up = widths[:13], widths[13:]
    assert down[0] == (3, 64)
    assert up[-1] == (64, 12)
    assert [(b, a) for a, b in reversed(down[1:])] == up[:-1]


def test_small_segnet_learns_in_its_encoder_through_the_features_alone() -> None:
    torch.manual_seed(0)
    model = segnet_lite0(num_classes=3, pretrained=False).train()
    *indices, last = model.backbone.stages(torch.rand(2, 3, 64, 96))
    assert [tuple(index.shape) for index in indices] == [(2, 24, 8, 12), (2, 40, 4, 6)]
    assert not any(index.requires_grad for index in indices)
    assert last.requires_grad


class Tensors(nn.Module):
    """SegNet without the transform, from tensor to tensor."""

    def __init__(self) -> None:
        super().__init__()
        widths = ((4, 4), (6, 6))
        self.encoder = SegNetEncoder(widths)
        self.decoder = SegNetDecoder(mirrored(widths), 3)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """The logits."""
        size = (pixels.shape[-2], pixels.shape[-1])
        return self.decoder(self.encoder.stages(pixels), Frame(size, torch.tensor([size])))


def test_segnet_exports_without_a_node_for_unpooling() -> None:
    torch.manual_seed(0)
    model, pixels = Tensors().eval(), torch.rand(1, 3, 20, 30)
    program = torch.export.export(model, (pixels,))
    names = [str(node.target) for node in program.graph.nodes]
    assert any("scatter" in name for name in names)
    assert not any("unpool" in name for name in names)
    torch.testing.assert_close(program.module()(pixels), model(pixels))


def test_bilinear_filters_interpolate() -> None:
    """Inside of a map, enlarging with the filter is bilinear interpolation."""
    x = torch.randn(1, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    for stride in (2, 8):
        found = F.conv_transpose2d(x, bilinear_filter(2 * stride)[None, None], stride=stride)
        expected = F.interpolate(x, scale_factor=stride, mode="bilinear", align_corners=False)
        shift = stride // 2
        inner = slice(stride, -stride)
        torch.testing.assert_close(
            found[..., shift:-shift, shift:-shift][..., inner, inner], expected[..., inner, inner]
        )


@pytest.mark.parametrize(("skips", "build"), [(0, fcn32s_vgg16), (1, fcn16s_vgg16), (2, fcn8s_vgg16)])
def test_every_stream_lies_where_its_cells_are(skips: int, build) -> None:
    """Maps that hold the place of their cells in the image come out as the place of each pixel."""
    model = build(num_classes=1, hidden=1)
    decoder, (h, w) = model.classifier, (150, 130)
    assert isinstance(decoder, FCNDecoder)
    sizes = [stage.shape[-2:] for stage in _stages_without_filters(model, h, w)]
    centres = [torch.arange(size[0]) * s + (s - 1) / 2 - 99 for size, s in zip(sizes, (8, 16, 32), strict=True)]
    ramps = [c[None, None, :, None].expand(1, 1, len(c), size[1]) for c, size in zip(centres, sizes, strict=True)]
    decoder.fc6 = _middle_of_seven()
    decoder.fc7 = decoder.score = nn.Identity()
    decoder.skip_scores = nn.ModuleList(nn.Identity() for _ in range(skips))
    decoder.eval()
    lowest = ramps[-1].amin()  # the activation would cut what is below zero
    shifted = [ramp - lowest for ramp in ramps]
    shifted = [ramp / scale for ramp, scale in zip(shifted, (1e-4, 1e-2, 1), strict=True)]
    found = decoder(shifted, Frame((h, w), torch.tensor([[h, w]]))) / (skips + 1) + lowest
    expected = torch.arange(float(h))[None, None, :, None].expand(1, 1, h, w)
    inner = (..., slice(30, 110), slice(30, 110))  # the cells of the border have neighbours on one side only
    torch.testing.assert_close(found[inner], expected[inner], rtol=0, atol=0.02)


def _middle_of_seven() -> nn.Conv2d:
    conv = nn.Conv2d(1, 1, 7, bias=False)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0, 3, 3] = 1
    return conv


@torch.no_grad()
def _stages_without_filters(model: nn.Module, h: int, w: int) -> list[torch.Tensor]:
    return model.backbone.stages(torch.zeros(1, 3, h, w))
