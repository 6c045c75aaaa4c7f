"""Frozen batch norm, and the convolution that swallows it, against the two plain steps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from visus.nn.norm import FrozenBatchNorm2d, conv_norm


def _batch_norm(channels: int, seed: int = 0) -> nn.BatchNorm2d:
    generator = torch.Generator().manual_seed(seed)
    norm = nn.BatchNorm2d(channels).double()
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        assert tensor is not None
        tensor.copy_(torch.rand(channels, generator=generator, dtype=torch.float64) + 0.1)
    return norm.eval()


def _frozen(norm: nn.BatchNorm2d, eps: float = 1e-5) -> FrozenBatchNorm2d:
    frozen = FrozenBatchNorm2d(norm.num_features, eps).double()
    frozen.load_state_dict(norm.state_dict())
    return frozen


@pytest.fixture
def pixels() -> Tensor:
    return torch.randn(2, 4, 9, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_frozen_norm_equals_batch_norm_in_evaluation(pixels: Tensor) -> None:
    norm = _batch_norm(4)
    torch.testing.assert_close(_frozen(norm)(pixels), norm(pixels))
    torch.testing.assert_close(_frozen(norm).train()(pixels), norm(pixels))


def test_frozen_norm_has_buffers_alone_and_no_counter() -> None:
    frozen = FrozenBatchNorm2d(4)
    assert list(frozen.parameters()) == []
    assert set(frozen.state_dict()) == {"weight", "bias", "running_mean", "running_var"}


def test_eps_zero_is_the_bare_variance(pixels: Tensor) -> None:
    norm = _batch_norm(4)
    norm.eps = 0.0
    torch.testing.assert_close(_frozen(norm, eps=0.0)(pixels), norm(pixels))


def test_frozen_norm_keeps_half_precision(pixels: Tensor) -> None:
    assert FrozenBatchNorm2d(4)(pixels.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_conv_norm_equals_the_two_steps_gradients_included(pixels: Tensor, frozen: bool, bias: bool) -> None:
    batch_norm = _batch_norm(6)
    norm: nn.Module = _frozen(batch_norm) if frozen else batch_norm
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=bias, groups=2).double()
    x = pixels.requires_grad_()
    learned = [x, *conv.parameters(), *norm.parameters()]
    weights = torch.randn_like(norm(conv(x)))
    found = torch.autograd.grad((conv_norm(x, conv, norm) * weights).sum(), learned)
    expected = torch.autograd.grad((norm(conv(x)) * weights).sum(), learned)
    torch.testing.assert_close(conv_norm(x, conv, norm), norm(conv(x)))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_conv_norm_in_training_updates_the_statistics(pixels: Tensor) -> None:
    conv, norm = nn.Conv2d(4, 6, 1).double(), _batch_norm(6).train()
    before = norm.running_mean.clone() if norm.running_mean is not None else None
    y = conv_norm(pixels, conv, norm)
    torch.testing.assert_close(y.mean((0, 2, 3)), norm.bias, atol=1e-9, rtol=0)
    assert not torch.equal(before, norm.running_mean)


def test_conv_norm_leaves_special_convolutions_alone(pixels: Tensor) -> None:
    class Doubled(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    conv, norm = Doubled(4, 6, 1).double(), _frozen(_batch_norm(6))
    torch.testing.assert_close(conv_norm(pixels, conv, norm), norm(conv(pixels)))


@pytest.mark.parametrize("hooked", ["conv", "norm"])
def test_conv_norm_calls_hooks(pixels: Tensor, hooked: str) -> None:
    parts = {"conv": nn.Conv2d(4, 6, 1).double(), "norm": _frozen(_batch_norm(6))}
    seen: list[tuple[int, ...]] = []
    parts[hooked].register_forward_hook(lambda module, args, output: seen.append(tuple(output.shape)))
    conv_norm(pixels, parts["conv"], parts["norm"])
    assert seen == [(2, 6, 9, 7)]
