"""Backbones by name: what is chosen where nothing is said, and what is said where nothing fits."""

from __future__ import annotations

import urllib.error
from pathlib import Path

import pytest
import torch
from torch import nn

from visus.download import DownloadError
from visus.nn.backbones import BACKBONES, Network, backbone, build, network, resnet18
from visus.nn.norm import FrozenBatchNorm2d
from visus.nn.published import PUBLISHED, PublishedWeights
from visus.nn.weights import WeightsError


def _norms(body: nn.Module) -> set[tuple[type[nn.Module], float]]:
    kinds = (nn.BatchNorm2d, FrozenBatchNorm2d)
    return {(type(module), module.eps) for module in body.modules() if isinstance(module, kinds)}


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_a_body_from_scratch_has_batch_norms_and_learns_everywhere(name: str) -> None:
    body = backbone(name)
    assert _norms(body) == {(nn.BatchNorm2d, 1e-5)}
    assert all(p.requires_grad for p in body.parameters())
    assert _norms(backbone(name, norm="frozen")) == {(FrozenBatchNorm2d, 1e-5)}


def test_a_pretrained_body_has_frozen_norms_and_learns_in_its_last_three_groups() -> None:
    body = backbone("efficientnet_lite0", pretrained=True)
    assert _norms(body) == {(FrozenBatchNorm2d, 1e-3)}
    assert [any(p.requires_grad for m in group for p in m.parameters()) for group in body.groups()] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert _norms(backbone("efficientnet_lite0", pretrained=True, norm="batch")) == {(nn.BatchNorm2d, 1e-3)}


def test_a_norm_of_one_s_own_is_used() -> None:
    body = backbone("resnet18", norm=lambda channels: nn.GroupNorm(8, channels))
    assert sum(isinstance(module, nn.GroupNorm) for module in body.modules()) == 20


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no backbone called 'resnet5'; did you mean resnet50\? There are: bn_"):
        backbone("resnet5")
    with pytest.raises(ValueError, match="no backbone called 'lite0'"):
        network("lite0", num_classes=3)
    with pytest.raises((ValueError, TypeError), match="norm"):
        backbone("resnet18", norm="group")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="resnet18 has four stages and no taps"):
        backbone("resnet18", taps=(1, 2))


@pytest.mark.parametrize("name", [name for name in BACKBONES if name != "vgg16"])
def test_every_backbone_classifies_from_the_maps_of_its_body(name: str) -> None:
    torch.manual_seed(0)
    made, pixels = network(name, num_classes=7), torch.rand(1, 3, 64, 64)
    assert isinstance(made, Network)
    assert isinstance(made, nn.Module)
    made.eval()
    with torch.no_grad():
        torch.testing.assert_close(made.classify(made.body.stages(pixels)), made(pixels))


def test_a_network_has_the_epsilons_of_its_published_weights() -> None:
    found = {name: _norms(network(name, num_classes=2, norm="frozen")) for name in ("resnet18", "mobilenet_v3_small")}
    assert found == {"resnet18": {(FrozenBatchNorm2d, 1e-5)}, "mobilenet_v3_small": {(FrozenBatchNorm2d, 1e-3)}}
    assert _norms(network("mobilenet_v3_small", num_classes=2)) == {(nn.BatchNorm2d, 1e-3)}


def test_published_weights_are_fetched_and_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    teacher = resnet18()
    torch.save(teacher.state_dict(), tmp_path / "resnet18-00000000.pth")
    asked: list[tuple[str, str]] = []

    def fetch(url: str, sha256_prefix: str, *, note: str, size_mb: float) -> Path:
        asked.append((url, sha256_prefix))
        return tmp_path / "resnet18-00000000.pth"

    monkeypatch.setattr(build, "fetch", fetch)
    body = backbone("resnet18", pretrained=True)
    assert asked == [(PUBLISHED["resnet18"].url, PUBLISHED["resnet18"].sha256_prefix)]
    assert torch.equal(body.state_dict()["layer4.1.conv2.weight"], teacher.layer4[1].conv2.weight)  # type: ignore[index]
    assert body.state_dict().keys() == {
        key for key in teacher.state_dict() if not key.startswith("fc.") and not key.endswith("num_batches_tracked")
    }
    torch.save({"weight": torch.zeros(1)}, tmp_path / "resnet18-00000000.pth")
    with pytest.raises(WeightsError, match=r"resnet18-00000000\.pth: these weights do not fit ResNet"):
        backbone("resnet18", pretrained=True)


def test_a_closed_network_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def closed(url: str, timeout: float) -> None:
        raise urllib.error.URLError("Network is unreachable")

    monkeypatch.setenv("VISUS_CACHE", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", closed)
    with pytest.raises(DownloadError, match=r"is unreachable\)\. Place the file by hand: .*resnet50-0676ba61\.pth"):
        backbone("resnet50", pretrained=True)
    assert backbone("efficientnet_lite0", pretrained=True).channels == (24, 40, 112, 320)


def test_every_row_of_the_table_that_a_backbone_needs_is_an_imagenet_row() -> None:
    rows: list[PublishedWeights] = [PUBLISHED[name] for name in build.BACKBONES if name in PUBLISHED]
    assert all("ImageNet top1" in row.metric for row in rows)
