"""Optimised networks: the plain numbers, from fewer and packed steps, and the plain network wherever that cannot be."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from nn_fused_tiny import Tiny, a_batch
from visus.nn.backbones import backbone
from visus.nn.fused import optimize
from visus.nn.fused.activations import MODULES, NONE, Activation
from visus.nn.fused.graph import Measuring, fuse, trace
from visus.nn.fused.optimize import difference, fused_calls, optimize_network, packed_layers
from visus.nn.fused.packed import MOST_SIZES, PACKED, Origin, PackedConvolution
from visus.nn.norm import ConvNorm, FrozenBatchNorm2d, SameConv2d
from visus.nn.pyramid import PyramidBackbone

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")


class Shortcut(nn.Module):
    """A block with a shortcut, whose two convolutions have norms."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ConvNorm(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.second = ConvNorm(nn.Conv2d(8, 8, 1, bias=False), FrozenBatchNorm2d(8))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(self.second(self.first(x)).add_(x))


class Undecided(nn.Module):
    """Asks for its numbers before it goes on; inside is a part that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Shortcut()

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x) if x.sum() > 0 else x


def pixels(channels: int = 8, height: int = 8, width: int = 8) -> Tensor:
    torch.manual_seed(1)
    return torch.rand(2, channels, height, width).contiguous(memory_format=torch.channels_last)


def random_norms(network: nn.Module) -> nn.Module:
    torch.manual_seed(2)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d | FrozenBatchNorm2d):
            for values in norm.state_dict().values():
                if values.is_floating_point():
                    values.uniform_(0.5, 1.5)
    return network.eval()


def fused_of(network: nn.Module, x: Tensor) -> tuple[Any, Any]:
    graph = trace(network, "forward", (None,))
    with torch.no_grad():
        expected = Measuring(network, graph=graph).run(x.clone())
    return fuse(graph, network, lambda kind, origin, activation: PACKED[kind](origin, activation)), expected


@pytest.mark.parametrize("make", list(MODULES), ids=lambda kind: kind.__name__)
def test_a_convolution_does_its_activation_itself(make: type) -> None:
    network = random_norms(nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), make()))
    fused, expected = fused_of(network, pixels())
    assert [type(step) for step in fused.children()] == [PackedConvolution]
    with torch.no_grad():
        torch.testing.assert_close(fused(pixels()), expected, rtol=1e-5, atol=1e-5)


def test_a_block_with_a_shortcut_is_two_calls() -> None:
    block = random_norms(Shortcut())
    fused, expected = fused_of(block, pixels())
    assert len(list(fused.children())) == len(fused.graph.nodes) - 2 == 2  # but for its input and its output
    with torch.no_grad():
        torch.testing.assert_close(fused(pixels()), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 8), (8, 7), (9, 9)])
def test_tensorflows_padding_follows_the_size_of_each_image(height: int, width: int) -> None:
    conv = SameConv2d(8, 8, 3, stride=2, padding=1, groups=8).eval()
    packed = PackedConvolution(Origin(conv, None))
    with torch.no_grad():
        packed(pixels())  # packed for even sides first
        x = pixels(height=height, width=width)
        torch.testing.assert_close(packed(x), conv(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "layer", [nn.Linear(8, 5), nn.ConvTranspose2d(8, 4, 2, stride=2)], ids=["linear", "transposed"]
)
@pytest.mark.parametrize("activation", [NONE, Activation("relu"), Activation("sigmoid")])
def test_other_layers_are_packed_too(layer: nn.Module, activation: Activation) -> None:
    x = pixels() if isinstance(layer, nn.ConvTranspose2d) else pixels()[:, :, 0, 0]
    with torch.no_grad():
        found = PACKED[type(layer)](Origin(layer, None), activation)(x)
        torch.testing.assert_close(found, activation(layer(x)), rtol=1e-5, atol=1e-5)


def test_nothing_to_look_at_gives_nothing() -> None:
    conv = nn.Conv2d(8, 4, 3, padding=1)
    assert PackedConvolution(Origin(conv, None), Activation("relu"))(pixels()[:0]).shape == (0, 4, 8, 8)


class Copies(TorchDispatchMode):
    """Counts copies of maps."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in {torch.ops.aten.clone, torch.ops.aten.copy_, torch.ops.aten._to_copy}:
            self.counted.append(f"{func} {tuple(args[0].shape)}")
        return func(*args, **(kwargs or {}))


def test_a_pyramid_keeps_channels_last_and_copies_no_map() -> None:
    body = backbone("efficientnet_lite0", pretrained=False)
    pyramid = random_norms(PyramidBackbone(body, out_channels=16, norm=nn.BatchNorm2d))
    x = pixels(3, 64, 64)
    fused, expected = fused_of(pyramid, x)
    with torch.no_grad():
        fused(x)  # packs
        with Copies() as copies:
            levels = fused(x)
    assert copies.counted == []
    assert all(level.is_contiguous(memory_format=torch.channels_last) for level in levels)
    assert difference(expected, levels) < 1e-4
    additions = [step for step in fused.graph.nodes if step.op == "call_method"]
    assert len(additions) == 3  # of the way down, which asks for the size of each map before; none of the ten shortcuts


def test_where_a_part_decides_by_its_numbers_its_own_parts_are_fused() -> None:
    model = Tiny(random_norms(Undecided()))
    fast = optimize_network(model, a_batch(pixels()), on_note=pytest.fail)
    assert [type(call.part) for call in fused_calls(fast)] == [Shortcut]
    with torch.no_grad():
        assert difference(model(a_batch(pixels())), fast(a_batch(pixels()))) < 1e-5
        torch.testing.assert_close(fast(a_batch(-pixels())), -pixels())


def test_for_maps_of_more_sizes_than_it_keeps_a_layer_packs_at_every_call() -> None:
    conv = nn.Conv2d(8, 8, 3, padding=1)
    packed = PackedConvolution(Origin(conv, None))
    with torch.no_grad():
        for side in range(4, 6 + MOST_SIZES):
            x = pixels(height=side)
            torch.testing.assert_close(packed(x), conv(x), rtol=1e-5, atol=1e-5)
    assert len(packed._kept) == MOST_SIZES


def test_the_plain_network_is_left_alone_and_shares_its_weights() -> None:
    model = Tiny(random_norms(Shortcut()))
    fast = optimize_network(model, a_batch(pixels()), on_note=pytest.fail)
    assert not packed_layers(model)
    assert fast.state_dict().keys() == model.state_dict().keys()
    shared = zip(fast.state_dict().values(), model.state_dict().values(), strict=True)
    assert all(one.data_ptr() == other.data_ptr() for one, other in shared)


def test_in_training_and_with_gradients_the_plain_steps_run() -> None:
    fast = optimize_network(Tiny(random_norms(Shortcut())), a_batch(pixels()), on_note=pytest.fail)
    fast(a_batch(pixels())).sum().backward()
    assert all(parameter.grad is not None for parameter in fast.parameters())
    before = fast.part.first[1].running_mean.clone()
    with torch.no_grad():
        fast.train()(a_batch(pixels()))
    assert not torch.equal(fast.part.first[1].running_mean, before)


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda fast: pickle.loads(pickle.dumps(fast))], ids=["copy", "pickle"]
)
def test_copies_and_files_pack_anew(again: Any) -> None:
    fast = optimize_network(Tiny(random_norms(Shortcut())), a_batch(pixels()), on_note=pytest.fail)
    other = again(fast)
    assert len(packed_layers(other)) == len(packed_layers(fast)) == 2
    with torch.no_grad():
        torch.testing.assert_close(other(a_batch(pixels())), fast(a_batch(pixels())))


def test_weights_that_are_loaded_are_packed_anew() -> None:
    model = Tiny(random_norms(Shortcut()))
    fast = optimize_network(model, a_batch(pixels()), on_note=pytest.fail)
    state = {name: value * 0.5 for name, value in copy.deepcopy(model.state_dict()).items()}
    with torch.no_grad():
        fast(a_batch(pixels()))
        fast.load_state_dict(state)
        plain = Tiny(Shortcut()).eval()
        plain.load_state_dict(state)
        assert difference(plain(a_batch(pixels())), fast(a_batch(pixels()))) < 1e-5


def test_operators_that_give_something_else_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PackedConvolution, "forward", lambda self, x, other=None: self.plain(x, other) + 1)
    notes: list[str] = []
    model = Tiny(random_norms(Shortcut()))
    assert optimize_network(model, a_batch(pixels()), on_note=notes.append) is model
    assert notes == ["not optimised: no part of this network gives the same, fused"]


def test_operators_that_fail_leave_the_plain_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Tensor:
        raise RuntimeError("no such primitive\nand much more")

    monkeypatch.setattr(PackedConvolution, "forward", fails)
    model = Tiny(random_norms(Shortcut()))
    with pytest.warns(UserWarning, match="^not optimised: RuntimeError: no such primitive$"):
        assert optimize_network(model, a_batch(pixels())) is model


def test_another_pytorch_leaves_the_plain_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimize, "_OPERATORS", ("_gone",))
    model = Tiny(random_norms(Shortcut()))
    with pytest.warns(UserWarning, match="has no operator mkldnn::_gone"):
        assert optimize_network(model, a_batch(pixels())) is model


def test_a_network_that_learns_while_it_predicts_stays_as_it_is() -> None:
    model = Tiny(Shortcut())
    model.adapts = True
    with pytest.warns(UserWarning, match="learns while it predicts"):
        assert optimize_network(model, a_batch(pixels())) is model


def test_a_network_without_layers_stays_as_it_is() -> None:
    notes: list[str] = []
    model = Tiny(nn.ReLU())
    assert optimize_network(model, a_batch(pixels()), on_note=notes.append) is model
    assert notes == ["not optimised: this network has no layers that can be fused"]


def test_bfloat16_is_near_where_the_processor_has_it() -> None:
    if reason := optimize.unavailable("bf16"):
        pytest.skip(reason)
    model = Tiny(random_norms(Shortcut()))
    fast = optimize_network(model, a_batch(pixels()), "bf16", on_note=pytest.fail)
    with torch.no_grad():
        found = fast(a_batch(pixels()))
        assert found.dtype is torch.bfloat16
        assert difference(model(a_batch(pixels())), found) < 0.05
