"""Convolutions of eight bits: near the plain ones, and only where they may be."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nn_fused_tiny import Tiny, a_batch
from visus.nn.fused.int8 import Scale, calibrate, int8_layers, scale_of, top
from visus.nn.fused.optimize import optimize_network, unavailable
from visus.nn.norm import ConvNorm

pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.onednn, "qconv2d_pointwise"), reason="this PyTorch has no int8 convolutions"
)


class Bottlenecks(nn.Module):
    """A first layer, two blocks of which the second adds its input, and a last layer of another width."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())
        self.first = ConvNorm(nn.Conv2d(32, 32, 1), nn.BatchNorm2d(32), nn.ReLU())
        self.second = ConvNorm(nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32))
        self.third = ConvNorm(nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU())
        self.logits = nn.Conv2d(64, 20, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.stem(x))
        return self.logits(self.third(F.relu_(self.second(x).add_(x))))


def images(number: int) -> Tensor:
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(number))


@pytest.fixture(scope="module")
def plain() -> Tiny:
    torch.manual_seed(0)
    return Tiny(Bottlenecks().eval())


@pytest.fixture(scope="module")
def rounded(plain: Tiny) -> nn.Module:
    fast = optimize_network(plain, a_batch(images(0)), on_note=pytest.fail)
    return calibrate(fast, [a_batch(images(number)) for number in range(4)], on_note=pytest.fail)


def test_new_images_get_nearly_the_same(plain: Tiny, rounded: nn.Module) -> None:
    with torch.no_grad():
        expected, found = plain(a_batch(images(9))), rounded(a_batch(images(9)))
    error = (found - expected).pow(2).mean().sqrt() / expected.std()
    assert 0 < error < 0.06


def test_the_first_and_the_last_layer_stay(rounded: nn.Module) -> None:
    assert [layer.origin.layer.out_channels for layer in int8_layers(rounded)] == [32, 32, 64]


def test_a_map_that_only_such_layers_read_stays_in_eight_bits(rounded: nn.Module) -> None:
    written = [layer.result is not None for layer in int8_layers(rounded)]
    assert written == [True, True, False]  # the last layer reads float32


def test_ranges_begin_at_an_exact_zero() -> None:
    scale = scale_of(-1.0, 3.0)
    values = torch.tensor([-1.0, 0.0, 3.0, 100.0]).view(1, 4, 1, 1)
    numbers = scale.quantised(values)
    assert numbers.dtype is torch.uint8
    assert int(numbers.max()) == top()
    exact = scale.exact(numbers)
    assert float(exact[0, 1]) == 0.0
    assert (exact[:, :3] - values[:, :3]).abs().max() <= scale.scale


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_large_maps_are_rounded_part_by_part(dtype: torch.dtype) -> None:
    x = torch.randn(2, 24, 61, 67, generator=torch.Generator().manual_seed(0)).to(dtype)
    scale = scale_of(-2.0, 2.5)
    numbers = scale.quantised(x)
    assert numbers.is_contiguous(memory_format=torch.channels_last)
    expected = (x.double() / scale.scale + scale.zero).clamp(0, top())
    assert (numbers.double() - expected).abs().max() <= 0.5 + 1e-4


def test_the_rest_is_bfloat16_where_the_network_is(plain: Tiny) -> None:
    """Maps that are not in eight bits stay as wide as they were."""
    if reason := unavailable("bf16"):
        pytest.skip(reason)
    half = optimize_network(plain, a_batch(images(1)), "bf16", on_note=pytest.fail)
    rounded = calibrate(half, [a_batch(images(n)) for n in range(4)], on_note=pytest.fail)
    assert {layer.dtype for layer in int8_layers(rounded)} == {torch.bfloat16}
    with torch.no_grad():
        found, expected = rounded(a_batch(images(9))).float(), plain(a_batch(images(9)))
    assert (found - expected).abs().max() < 0.1 * expected.abs().max()


class TwoReaders(nn.Module):
    """A map that two convolutions read."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = (
            ConvNorm(nn.Conv2d(channels, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()) for channels in (3, 32, 32)
        )
        self.last = nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.last(self.left(x) + self.right(x))


def test_a_map_that_several_layers_read_is_rounded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = Tiny(TwoReaders()).eval()
    fast = optimize_network(network, a_batch(images(0)), "fp32", on_note=pytest.fail)
    rounded = calibrate(fast, [a_batch(images(n)) for n in range(4)], on_note=pytest.fail)
    assert len(int8_layers(rounded)) == 2
    times: list[int] = []
    plain_way = Scale.quantised

    def counted(self: Scale, x: Tensor) -> Tensor:
        times.append(1)
        return plain_way(self, x)

    monkeypatch.setattr(Scale, "quantised", counted)
    with torch.no_grad():
        found, expected = rounded(a_batch(images(9))), network(a_batch(images(9)))
        assert len(times) == 1
        assert (found - expected).abs().max() < 0.1 * expected.abs().max()
        assert torch.equal(pickle.loads(pickle.dumps(rounded))(a_batch(images(9))), found)


def test_files_pack_anew(rounded: nn.Module) -> None:
    again = pickle.loads(pickle.dumps(rounded))
    with torch.no_grad():
        torch.testing.assert_close(again(a_batch(images(9))), rounded(a_batch(images(9))))


def test_where_nothing_can_be_rounded_it_says_so() -> None:
    narrow = Tiny(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval())
    fast = optimize_network(narrow, a_batch(images(0)), on_note=pytest.fail)
    notes: list[str] = []
    assert calibrate(fast, [a_batch(images(1))], on_note=notes.append) is fast
    assert "no convolution" in notes[0]
