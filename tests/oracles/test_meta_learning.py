"""Meta-learning against closed forms: MAML's orders, Reptile's target, a learned optimiser by hand, two distances."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from visus.systems.meta_learning.inner_loop import adam_steps, for_each, gradient_steps
from visus.systems.meta_learning.learning_to_learn import META_LOSSES, learn_once, unrolled
from visus.systems.meta_learning.prototypical import prototype_logits
from visus.training.learned_optimizer import CoordinateLSTM


def half_square(x: Tensor) -> Any:
    """(w x)^2 / 2 of each episode, summed."""
    return lambda weights: ((weights["w"] * x).sum(dim=1) ** 2 / 2).sum()


@pytest.mark.parametrize(
    ("inner", "outer", "adapted", "value", "second", "first"),
    [
        (
            [1.0, 2, 3],
            [4.0, 5, 6],
            [-9.5, -20, -29.5],
            49612.5,
            [3780.0, 8505, 13230],
            [-1260.0, -1575, -1890],
        ),
        ([4.0, 5, 6], [1.0, 2, 3], [-104.0, -129.5, -154], 340312.5, None, [-825.0, -1650, -2475]),
    ],
)
def test_maml_of_three_weights(
    inner: list[float], outer: list[float], adapted: list[float], value: float, second: Any, first: list[float]
) -> None:
    """w = (2, 3, 5), one step of 0.5 on (w x)^2 / 2; two episodes at once, the other one of zeros."""
    images, queries = torch.tensor([inner, [0.0, 0, 0]]), torch.tensor([outer, [0.0, 0, 0]])
    for wanted, first_order in ((second, False), (first, True)):
        w = torch.tensor([2.0, 3, 5], requires_grad=True)
        before = for_each({"w": w}, 2)
        after = gradient_steps(before, half_square(images), steps=1, lr=0.5, first_order=first_order)
        assert after["w"].tolist() == [adapted, [2.0, 3, 5]]
        loss = half_square(queries)(after)
        loss.backward()
        assert float(loss.detach()) == value
        assert w.grad is not None
        if wanted is not None:
            assert w.grad.tolist() == wanted


def test_maml_s_support_loss_is_the_published_one() -> None:
    assert float(half_square(torch.tensor([[1.0, 2, 3]]))({"w": torch.tensor([[2.0, 3, 5]])})) == 264.5


A, STEPS, THETA, CENTRE = 0.1, 5, 3.0, 1.0


def bowl(weights: Any) -> Tensor:
    return ((weights["theta"] - CENTRE) ** 2 / 2).sum()


def test_orders_and_reptile_on_a_bowl() -> None:
    """f = (theta - c)^2 / 2: (1 - a)^2k (theta - c), (1 - a)^k (theta - c) and c + (1 - a)^k (theta - c)."""
    found = {}
    for first_order in (False, True):
        theta = torch.tensor(THETA, dtype=torch.float64, requires_grad=True)
        after = gradient_steps(for_each({"theta": theta}, 1), bowl, steps=STEPS, lr=A, first_order=first_order)
        (found[first_order],) = torch.autograd.grad(bowl(after), theta)
    assert float(found[False]) == pytest.approx(0.69735688, abs=1e-8)
    assert float(found[True]) == pytest.approx(1.18098, abs=1e-10)
    assert float(after["theta"].detach()) == pytest.approx(2.18098, abs=1e-10)
    half = (theta - after["theta"].detach()).square().sum() / 2  # what Reptile minimises: a step of 1 lands on theta'
    (slope,) = torch.autograd.grad(half, theta)
    assert float((theta - slope).detach()) == pytest.approx(2.18098, abs=1e-10)


def test_reptile_s_inner_adam_is_adam_without_momentum() -> None:
    values = torch.tensor([3.0, -2.0, 0.5])
    weight = values.clone().requires_grad_(True)
    adam = torch.optim.Adam([weight], lr=0.01, betas=(0.0, 0.999))
    for _ in range(7):
        adam.zero_grad()
        ((weight - CENTRE) ** 2 / 2).sum().backward()
        adam.step()
    ours = adam_steps({"theta": values[None]}, [bowl] * 7, lr=0.01)["theta"][0]
    torch.testing.assert_close(ours, weight.detach(), rtol=0, atol=1e-6)


class Squares:
    """x^2, from 1."""

    def start(self) -> Tensor:
        return torch.ones(1, 1)

    def __call__(self, weights: Tensor, step: int) -> Tensor:
        return weights.square().sum(dim=1)


def test_an_affine_optimiser_that_begins_at_zero() -> None:
    """After one step of Adam, w = b = -0.01; then five times x <- 0.98 x - 0.01."""
    network = CoordinateLSTM(layers=0, preprocessing="identity", scale=1.0)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    outer = torch.optim.Adam(network.parameters(), lr=0.01)
    functions = Squares()
    assert learn_once(network, functions, outer, steps=5, segment=5) == pytest.approx(1.0)
    assert [float(parameter.detach()) for parameter in network.parameters()] == pytest.approx([-0.01, -0.01], abs=1e-6)
    _, x, _ = unrolled(network, functions, torch.ones(1, 1), network.start(torch.ones(1)), first=5, steps=5)
    assert float(x.detach()) == pytest.approx(0.855881, abs=1e-6)
    assert float(x.detach() ** 2) == pytest.approx(0.7325327, abs=2e-6)


def test_the_sum_of_logarithms_on_the_way() -> None:
    """x <- 0.98 x - 0.01 from 1 twice: log 0.97^2 + log 0.9406^2."""
    network = CoordinateLSTM(layers=0, preprocessing="identity", scale=1.0)
    for parameter in network.parameters():
        torch.nn.init.constant_(parameter, -0.01)
    start = torch.ones(1, 1)
    total, _, _ = unrolled(network, Squares(), start, network.start(start[0]), first=0, steps=2, meta_loss="logarithms")
    assert float(total.detach()) == pytest.approx(2 * (math.log(0.97) + math.log(0.9406)), abs=1e-6)


def test_the_logarithm_is_of_the_mean_of_the_functions() -> None:
    assert float(META_LOSSES["logarithms"](torch.tensor([1.0, 3]))) == pytest.approx(math.log(2))
    assert float(META_LOSSES["values"](torch.tensor([1.0, 3]))) == 2


@pytest.mark.parametrize(("squared", "share"), [(True, 0.952574), (False, 0.731059)])
def test_a_query_between_two_prototypes(squared: bool, share: float) -> None:
    logits = prototype_logits(torch.zeros(1, 1, 2), torch.tensor([[[1.0, 0], [0, 2]]]), squared=squared)
    assert float(logits.softmax(2)[0, 0, 0]) == pytest.approx(share, abs=1e-6)
