"""Our backbones and pyramids have torchvision's names, and from the same weights torchvision's numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peer import run_peer
from torch import Tensor, nn

from visus.nn.backbones import BACKBONES, DETECTOR_TAPS, backbone, freeze, resnet50
from visus.nn.norm import NormName
from visus.nn.pyramid import PyramidBackbone
from visus.nn.weights import load_state

pytestmark = pytest.mark.peers

NOT_THERE = ("efficientnet_lite0", "bn_inception")
"""The backbones that torchvision does not have."""

# Random statistics for all batch norms, frozen or not; torchvision's own initial values would hide a mistake.
RANDOM = """
import torch, torchvision
from torchvision.models.detection import backbone_utils
from torchvision.ops import FrozenBatchNorm2d
torch.manual_seed(0)
def randomised(model):
    for module in model.modules():
        if isinstance(module, (torch.nn.BatchNorm2d, FrozenBatchNorm2d)):
            for name, low in (("weight", 0.7), ("bias", -0.2), ("running_mean", -0.2), ("running_var", 0.7)):
                getattr(module, name).data.uniform_(low, low + 0.5)
    return model.eval()
def report(model, results):
    for key, value in model.state_dict().items():
        outputs["state." + key] = value.clone()
    for key, value in results.items():
        outputs[key] = value.clone()
"""
CLASSIFIER = """
model = randomised(getattr(torchvision.models, "{name}")(weights=None))
with torch.no_grad():
    report(model, {{"logits": model(inputs["pixels"])}})
"""
DILATED = """
model = randomised(torchvision.models.resnet50(weights=None, replace_stride_with_dilation=[False, True, True]))
with torch.no_grad():
    x = inputs["pixels"]
    for name, layer in model.named_children():
        if name == "avgpool":
            break
        x = layer(x)
    report(model, {"c5": x})
"""
PYRAMID = """
body = torchvision.models.{body}(weights=None, norm_layer={norm})
{extract}
model = randomised(model)
with torch.no_grad():
    report(model, {{f"level{{i}}": level for i, level in enumerate(model(inputs["pixels"]).values())}})
"""
COUNTS = """
counts = []
for layers in range({most} + 1):
    body = torchvision.models.{body}(weights=None, norm_layer=FrozenBatchNorm2d)
    {extract}
    counts.append(sum(p.requires_grad for p in model.body.parameters()))
outputs["counts"] = torch.tensor(counts)
"""
OPTIONS = {"googlenet": {"aux": True}}
"""What makes a network as whole as torchvision's of the same name."""
RESNET = "model = backbone_utils._resnet_fpn_extractor(body, {layers}, norm_layer={fpn})"
MOBILENET = "model = backbone_utils._mobilenet_extractor(body, True, {layers})"


def _pixels() -> Tensor:
    return torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(1))


def _load(model: nn.Module, results: dict[str, Tensor]) -> nn.Module:
    """Loads the peer's weights, whose names and shapes must be exactly ours."""
    state = {key.removeprefix("state."): value for key, value in results.items() if key.startswith("state.")}
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in model.state_dict().items()}
    load_state(model, state, source="the peer")
    return model.eval()


def _close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("name", [name for name in BACKBONES if name not in NOT_THERE])
def test_classifiers(name: str, tmp_path: Path) -> None:
    results = run_peer(RANDOM + CLASSIFIER.format(name=name), {"pixels": _pixels()}, tmp_path)
    with torch.no_grad():
        _close(_load(BACKBONES[name](**OPTIONS.get(name, {})), results)(_pixels()), results["logits"])


def test_dilated_resnet(tmp_path: Path) -> None:
    results = run_peer(RANDOM + DILATED, {"pixels": _pixels()}, tmp_path)
    model = resnet50(replace_stride_with_dilation=(False, True, True))
    _load(model, results)
    with torch.no_grad():
        _close(model.stages(_pixels())[-1], results["c5"])


@pytest.mark.parametrize(
    ("body", "norm", "pyramid_norm"),
    [
        ("resnet50", "frozen", False),
        ("resnet50", "batch", True),
        ("mobilenet_v3_large", "frozen", False),
        ("mobilenet_v3_large", "batch", False),
    ],
)
def test_pyramids(body: str, norm: NormName, pyramid_norm: bool, tmp_path: Path) -> None:
    resnet = body == "resnet50"
    fpn = "torch.nn.BatchNorm2d" if pyramid_norm else "None"
    extract = RESNET.format(layers=3, fpn=fpn) if resnet else MOBILENET.format(layers=3)
    peer_norm = "FrozenBatchNorm2d" if norm == "frozen" else "torch.nn.BatchNorm2d"
    script = RANDOM + PYRAMID.format(body=body, norm=peer_norm, extract=extract)
    results = run_peer(script, {"pixels": _pixels()}, tmp_path)
    taps = None if resnet else DETECTOR_TAPS
    model = PyramidBackbone(backbone(body, norm=norm, taps=taps), norm=nn.BatchNorm2d if pyramid_norm else None)
    _load(model, results)
    with torch.no_grad():
        levels = model(_pixels())
    assert model.strides == ((4, 8, 16, 32, 64) if resnet else (32, 32, 64))
    assert len(levels) == sum(key.startswith("level") for key in results) == len(model.strides)
    for number, level in enumerate(levels):
        _close(level, results[f"level{number}"])


@pytest.mark.parametrize(("body", "most"), [("resnet50", 5), ("mobilenet_v3_large", 6)])
def test_trainable_layers(body: str, most: int, tmp_path: Path) -> None:
    extract = RESNET.format(layers="layers", fpn="None") if body == "resnet50" else MOBILENET.format(layers="layers")
    results = run_peer(RANDOM + COUNTS.format(body=body, most=most, extract=extract), {"x": torch.zeros(1)}, tmp_path)
    counts = []
    for layers in range(most + 1):
        ours = backbone(body, norm="frozen")
        freeze(ours, layers)
        counts.append(sum(p.requires_grad for p in ours.parameters()))
    assert counts == results["counts"].tolist()
