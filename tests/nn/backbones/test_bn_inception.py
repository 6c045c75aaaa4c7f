"""BN-Inception, and Caffe's conventions against the plain formula on the names of the port."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from visus.nn.backbones import backbone, bn_inception
from visus.nn.backbones.bn_inception import remap_caffe


def _port_names() -> dict[str, Tensor]:
    """Random weights under the names of the usual port."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for key, value in bn_inception().state_dict().items():
        name = key.replace(".conv.", ".").replace(".norm.", "_bn.").replace("fc.", "last_linear.")
        if name.startswith("inception_"):
            block, rest = name.split(".", 1)
            name = f"{block}_{rest}"
        noise = torch.rand(value.shape, generator=generator)
        if key.endswith("conv.weight"):
            state[name] = (noise - 0.5) * (6 / value[0].numel()) ** 0.5 * 2
        elif "norm" in key and value.ndim:
            state[name] = (0.7 + 0.5 * noise if key.endswith(("weight", "var")) else 0.2 * noise)[None]
        else:
            state[name] = noise * 0.1 if value.ndim else value
    return state


def _plain(w: dict[str, Tensor], bgr: Tensor) -> Tensor:
    """The network written down once more, straight from the names of the port."""

    def layer(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = w[f"{name}.weight"]
        x = F.conv2d(x, weight, w[f"{name}.bias"], stride, padding=weight.shape[-1] // 2)
        stats = (w[f"{name}_bn.{part}"].flatten() for part in ("running_mean", "running_var", "weight", "bias"))
        return F.relu(F.batch_norm(x, *stats, training=False))

    x = F.max_pool2d(layer(bgr, "conv1_7x7_s2", 2), 3, 2, ceil_mode=True)
    x = F.max_pool2d(layer(layer(x, "conv2_3x3_reduce"), "conv2_3x3"), 3, 2, ceil_mode=True)
    for block in ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        name, stride = f"inception_{block}_", 2 if block in ("3c", "4e") else 1
        double = layer(layer(x, name + "double_3x3_reduce"), name + "double_3x3_1")
        found = [
            layer(layer(x, name + "3x3_reduce"), name + "3x3", stride),
            layer(double, name + "double_3x3_2", stride),
        ]
        if stride == 2:
            found.append(F.max_pool2d(x, 3, 2, ceil_mode=True))
        else:
            pooled = F.max_pool2d(x, 3, 1, 1) if block == "5b" else F.avg_pool2d(x, 3, 1, 1, count_include_pad=True)
            found = [layer(x, name + "1x1"), *found, layer(pooled, name + "pool_proj")]
        x = torch.cat(found, 1)
    return F.linear(x.mean((2, 3)), w["last_linear.weight"], w["last_linear.bias"])


def test_the_loaded_network_computes_the_plain_formula_on_caffe_s_pixels() -> None:
    port, network = _port_names(), bn_inception().eval()
    network.load_state_dict(remap_caffe(port))
    rgb = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    caffe = rgb.flip(1) * 255 - torch.tensor([104.0, 117.0, 128.0]).view(3, 1, 1)
    ours = (rgb - torch.tensor(network.mean).view(3, 1, 1)) / torch.tensor(network.std).view(3, 1, 1)
    with torch.no_grad():
        expected = _plain(port, caffe)
        assert expected.std() > 1e-3
        torch.testing.assert_close(network(ours), expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_stages_have_the_channels_and_strides_they_say() -> None:
    body = bn_inception(num_classes=None).eval()
    assert body.channels == (192, 320, 608, 1024)
    assert [tuple(s.shape[2:]) for s in body.stages(torch.rand(1, 3, 64, 96))] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert len(body.groups()) == 5
    assert sum(p.numel() for p in bn_inception().parameters()) == 11_295_240


def test_the_port_s_file_makes_a_body(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    port = _port_names()
    torch.save(port, tmp_path / "bn_inception-52deb4733.pth")
    module = sys.modules["visus.nn.backbones.bn_inception"]  # the package shows the builder under this name
    monkeypatch.setattr(module, "fetch", lambda url, prefix, *, note, size_mb: tmp_path / "bn_inception-52deb4733.pth")
    body = backbone("bn_inception", pretrained=True)
    assert torch.equal(body.state_dict()["inception_4e.3x3.conv.weight"], port["inception_4e_3x3.weight"])
    assert "fc.weight" not in body.state_dict()
