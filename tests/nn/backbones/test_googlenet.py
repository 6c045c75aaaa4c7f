"""GoogLeNet's shape and names; its numbers are compared with torchvision's in tests/peers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from visus.nn.backbones import backbone, build, freeze, googlenet
from visus.nn.norm import FrozenBatchNorm2d
from visus.nn.published import PUBLISHED


def test_parameter_counts_are_the_published_ones() -> None:
    assert sum(p.numel() for p in googlenet().parameters()) == 6_624_904
    assert sum(p.numel() for p in googlenet(aux=True).parameters()) == 13_004_888


def test_stages_have_the_channels_and_strides_they_say() -> None:
    body = googlenet(num_classes=None).eval()
    stages = body.stages(torch.rand(1, 3, 96, 64))
    assert body.channels == (192, 480, 832, 1024)
    assert [tuple(stage.shape[1:]) for stage in stages] == [(192, 24, 16), (480, 12, 8), (832, 6, 4), (1024, 3, 2)]


def test_the_groups_are_the_stem_and_a_row_for_each_stage() -> None:
    body = googlenet(num_classes=None, taps=("maxpool3", "inception4d", "inception5b")).eval()
    pixels = torch.rand(1, 3, 64, 64)
    x, stages = pixels, body.stages(pixels)
    for number, group in enumerate(body.groups()):
        for layer in group:
            x = layer(x)
        if number:
            torch.testing.assert_close(x, stages[number - 1])
    freeze(body, 1)
    assert not any(p.requires_grad for p in body.get_submodule("inception4d").parameters())
    assert all(p.requires_grad for p in body.get_submodule("inception4e").parameters())


@pytest.mark.parametrize("taps", [("inception4d",), ("inception5b", "inception4d"), ("inception9", "inception5b"), ()])
def test_taps_must_be_layers_in_their_order(taps: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="taps must be layers of this body in their order, the last one inception5b"):
        googlenet(taps=taps)


def test_auxiliary_classifiers_need_classes_and_are_given_up_with_the_classifier() -> None:
    with pytest.raises(ValueError, match="num_classes"):
        googlenet(num_classes=None, aux=True)
    body = googlenet(num_classes=None).body
    assert not [key for key in body.state_dict() if key.startswith(("fc.", "aux"))]


def test_a_published_file_with_auxiliary_classifiers_makes_a_body(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    teacher = googlenet(aux=True)
    file = tmp_path / "googlenet-1378be20.pth"
    torch.save(teacher.state_dict(), file)
    monkeypatch.setattr(build, "fetch", lambda url, prefix, *, note, size_mb: file)
    body = backbone("googlenet", pretrained=True)
    assert PUBLISHED["googlenet"].url.endswith(file.name)
    loaded, given = body.state_dict(), teacher.state_dict()
    assert torch.equal(loaded["inception5b.branch1.conv.weight"], given["inception5b.branch1.conv.weight"])
    assert {m.eps for m in body.modules() if isinstance(m, FrozenBatchNorm2d)} == {1e-3}


def test_the_published_weights_see_pixels_between_minus_one_and_one() -> None:
    # torchvision's own: normalise by ImageNet's statistics, then x * (std / 0.5) + (mean - 0.5) / 0.5.
    pixels = torch.rand(3)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    theirs = (pixels - mean) / std * (std / 0.5) + (mean - 0.5) / 0.5
    body = googlenet(num_classes=None)
    torch.testing.assert_close((pixels - torch.tensor(body.mean)) / torch.tensor(body.std), theirs)
