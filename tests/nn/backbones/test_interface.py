"""What all bodies share: stages at their strides, groups to freeze, memory formats."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from visus.nn.backbones import BACKBONES, backbone, freeze
from visus.nn.backbones.interface import SequentialBody

STRIDES = (4, 8, 16, 32)
CHANNELS = {
    "resnet18": (64, 128, 256, 512),
    "resnet50": (256, 512, 1024, 2048),
    "vgg16": (256, 512, 512, 512),
    "mobilenet_v3_large": (24, 40, 112, 960),
    "mobilenet_v3_small": (16, 24, 48, 576),
    "efficientnet_lite0": (24, 40, 112, 320),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_stages_have_their_channels_and_strides(name: str) -> None:
    body = backbone(name).eval()
    assert (body.channels, body.strides) == (CHANNELS[name], STRIDES)
    with torch.no_grad():
        shapes = [tuple(stage.shape) for stage in body.stages(torch.randn(1, 3, 64, 96))]
    assert shapes == [(1, c, 64 // s, 96 // s) for c, s in zip(body.channels, body.strides, strict=True)]
    assert len(body.mean) == len(body.std) == 3


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "efficientnet_lite0"])
@pytest.mark.parametrize("norm", ["batch", "frozen"])
def test_channels_last_gives_the_same_and_stays(name: str, norm: str) -> None:
    torch.manual_seed(0)
    body = backbone(name, norm=norm).eval()  # type: ignore[arg-type]
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        plain = body.stages(pixels)
        last = body.to(memory_format=torch.channels_last).stages(pixels.contiguous(memory_format=torch.channels_last))
    for one, other in zip(plain, last, strict=True):
        torch.testing.assert_close(one, other.contiguous(), rtol=1e-3, atol=1e-4 * float(one.abs().max()))
        assert other.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_large", "efficientnet_lite0"])
def test_freezing_goes_from_the_image_upwards(name: str) -> None:
    body = backbone(name)
    everything = {key for key, _ in body.named_parameters()}
    grouped = [p for group in body.groups() for layer in group for p in layer.parameters()]
    assert len(grouped) == len({id(p) for p in grouped}) == len(everything)
    counts = []
    for trainable in range(len(body.groups()), -1, -1):
        freeze(body, trainable)
        counts.append(sum(p.requires_grad for p in body.parameters()))
    assert counts[0] == len(everything)
    assert counts[-1] == 0
    assert counts == sorted(set(counts), reverse=True)


@pytest.mark.parametrize("trainable", [-1, 6])
def test_impossible_numbers_of_layers_are_refused(trainable: int) -> None:
    with pytest.raises(ValueError, match=rf"trainable_layers must lie in 0\.\.5 for this backbone, not {trainable}"):
        freeze(backbone("resnet18"), trainable)


def test_frozen_layers_record_no_gradient() -> None:
    body = backbone("resnet18", trainable_layers=2, norm="frozen")
    c2, c3, c4, c5 = body.stages(torch.randn(1, 3, 64, 64))
    assert [stage.requires_grad for stage in (c2, c3, c4, c5)] == [False, False, True, True]


@pytest.mark.parametrize("name", BACKBONES)
def test_every_builder_leaves_the_classifier_out_on_request(name: str) -> None:
    if name != "vgg16":  # its classifier has 124 million parameters
        full = BACKBONES[name](num_classes=7)
        assert full(torch.randn(2, 3, 64, 64)).shape == (2, 7)
    bare = BACKBONES[name](num_classes=None).eval()
    assert not any(key.startswith(("fc.", "classifier.")) for key in bare.state_dict())
    assert bare(torch.randn(2, 3, 64, 64)).ndim == 2


def test_taps_choose_the_stages() -> None:
    body = backbone("mobilenet_v3_large", taps=(13, 16)).eval()
    assert (body.channels, body.strides) == ((160, 960), (32, 32))
    assert [s.shape[-1] for s in body.stages(torch.randn(1, 3, 64, 64))] == [2, 2]


@pytest.mark.parametrize("taps", [(), (3, 2), (2, 2), (0, 4), (-1, 2)])
def test_impossible_taps_are_refused(taps: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"taps must increase and lie in 0\.\.3"):
        SequentialBody([nn.Identity()] * 4, taps=taps, channels=[3] * 4, strides=[1] * 4)
