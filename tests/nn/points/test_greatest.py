"""A layer, its norm and the maximum in one step, against the same layers one after the other."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from visus.nn.points.greatest import greatest
from visus.nn.points.pointnet import shared_mlp


def layers(*channels: int) -> nn.Sequential:
    """In double precision, with gains of both signs."""
    torch.manual_seed(0)
    made = shared_mlp(*channels).double()
    norm = made[-2]
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return made


@pytest.mark.parametrize(("clouds", "points"), [(4, 50), (1, 7), (3, 1)])
@pytest.mark.parametrize("channels", [(3, 8, 20), (6, 5)], ids=str)
def test_values_gradients_and_statistics_are_those_of_the_layers(
    clouds: int, points: int, channels: tuple[int, ...]
) -> None:
    plain = layers(*channels)
    ours = copy.deepcopy(plain)
    x = torch.randn(clouds, channels[0], points, dtype=torch.float64)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    found = [plain(inputs[0]).amax(dim=2), greatest(ours, inputs[1])]
    slopes = torch.randn_like(found[0])
    for one in found:
        one.backward(slopes)
    close(*found)
    close(inputs[0].grad, inputs[1].grad)
    for (name, a), b in zip(plain.named_parameters(), ours.parameters(), strict=True):
        assert a.grad is not None, name
        close(a.grad, b.grad)
    for a, b in zip(plain.buffers(), ours.buffers(), strict=True):
        close(a, b)
    for one in (plain, ours):
        one.eval()
    close(plain(x).amax(dim=2), greatest(ours, x))


def close(a: Tensor | None, b: Tensor | None) -> None:
    assert a is not None
    assert b is not None
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_a_large_layer_in_single_precision() -> None:
    torch.manual_seed(0)
    plain = shared_mlp(64, 1024)
    ours = copy.deepcopy(plain)
    x = torch.rand(5, 64, 600)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    found = [plain(inputs[0]).amax(dim=2), greatest(ours, inputs[1])]
    for one in found:
        one.square().sum().backward()
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)
    gradients = [one.grad for one in inputs]
    assert gradients[0] is not None
    assert gradients[1] is not None
    assert float((gradients[0] - gradients[1]).norm() / gradients[0].norm()) < 1e-4
