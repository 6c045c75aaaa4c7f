"""The stacked network against PyTorch's own layers, and MAML's outer gradient against a plain loop over tasks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from visus.systems.meta_learning.inner_loop import for_each, gradient_steps
from visus.systems.meta_learning.maml import maml_conv4
from visus.systems.meta_learning.task_network import EPS, Neighbourhoods, NormRelu, Scattered, TaskNetwork
from visus.types import EpisodeBatch

TASKS, WAY, SIZE, STEPS, RATE = 3, 2, 12, 2, 0.1


def network(*, averaged: bool = True, channels: int = 1) -> TaskNetwork:
    torch.manual_seed(0)
    made = TaskNetwork(channels=channels, size=SIZE, width=6, n_way=WAY, averaged=averaged).double()
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return made


def images(count: int, seed: int, channels: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(TASKS, count, SIZE, SIZE, channels, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("averaged", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_logits_are_those_of_pytorch_s_layers(averaged: bool, channels: int) -> None:
    made = network(averaged=averaged, channels=channels)
    shown = images(5, 1, channels)
    plain = torch.stack([plain_forward(dict(made.named_parameters()), one, averaged) for one in shown])
    torch.testing.assert_close(made(shown), plain, rtol=1e-9, atol=1e-9)
    weights = for_each(dict(made.named_parameters()), TASKS)
    torch.testing.assert_close(functional_call(made, weights, (shown,)), made(shown), rtol=1e-9, atol=1e-9)


def test_scattering_is_the_transpose_of_gathering() -> None:
    maps = torch.rand(2, 3, 7, 5, 4, dtype=torch.float64)
    rows = Neighbourhoods.apply(maps)
    other = torch.rand_like(rows)
    back = Scattered.apply(other, tuple(maps.shape))
    torch.testing.assert_close((rows * other).sum(), (maps * back).sum())


@pytest.mark.parametrize("own", [(3, 1, 4), (1, 4)], ids=["of each task", "shared"])
def test_norm_and_relu_have_both_derivatives(own: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    rows, gain, shift = (torch.randn(*size, dtype=torch.float64, requires_grad=True) for size in ((3, 7, 4), own, own))

    def active(rows: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
        return NormRelu.apply(rows, gain, shift)[0]

    variance, mean = torch.var_mean(rows, dim=1, correction=0, keepdim=True)
    plain = ((rows - mean) / (variance + EPS).sqrt() * gain + shift).relu()
    torch.testing.assert_close(active(rows, gain, shift), plain)
    assert torch.autograd.gradcheck(active, (rows, gain, shift))
    assert torch.autograd.gradgradcheck(active, (rows, gain, shift))


@pytest.mark.parametrize("first_order", [False, True])
def test_the_outer_gradient_is_that_of_a_loop_over_tasks(first_order: bool) -> None:
    made = network()
    support, queries = images(4, 1), images(6, 2)
    labels, asked = torch.tensor([0, 1, 0, 1]), torch.tensor([0, 1, 1, 0, 1, 0])
    ours = torch.autograd.grad(
        stacked_loss(made, support, labels, queries, asked, first_order), list(made.parameters())
    )
    plain = torch.autograd.grad(
        looped_loss(made, support, labels, queries, asked, first_order), list(made.parameters())
    )
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def stacked_loss(made: Any, support: Tensor, labels: Tensor, queries: Tensor, asked: Tensor, first: bool) -> Tensor:
    def loss(weights: Any, shown: Tensor, wanted: Tensor) -> Tensor:
        logits = functional_call(made, dict(weights), (shown,))
        return F.cross_entropy(logits.flatten(0, 1), wanted.repeat(TASKS), reduction="sum") / len(wanted)

    before = for_each(dict(made.named_parameters()), TASKS)
    after = gradient_steps(before, lambda w: loss(w, support, labels), steps=STEPS, lr=RATE, first_order=first)
    return loss(after, queries, asked)


def looped_loss(made: Any, support: Tensor, labels: Tensor, queries: Tensor, asked: Tensor, first: bool) -> Tensor:
    """One task after the other, with ``create_graph``, on PyTorch's own convolution and norm."""
    total = torch.zeros((), dtype=torch.float64)
    parameters = dict(made.named_parameters())

    def loss(weights: Any, shown: Tensor, wanted: Tensor) -> Tensor:
        return F.cross_entropy(plain_forward(weights, shown), wanted)

    for task in range(TASKS):
        fast = dict(parameters)
        for _ in range(STEPS):
            slopes = torch.autograd.grad(loss(fast, support[task], labels), list(fast.values()), create_graph=not first)
            fast = {name: value - RATE * slope for (name, value), slope in zip(fast.items(), slopes, strict=True)}
        total = total + loss(fast, queries[task], asked)
    return total


def plain_forward(weights: Any, shown: Tensor, averaged: bool = True) -> Tensor:
    """One task by PyTorch's own convolution and norm."""
    maps = shown.permute(0, 3, 1, 2)
    for layer in range(4):
        kernel = weights[f"kernels.{layer}"]
        kernel = kernel.T.reshape(-1, 3, 3, maps.shape[1]).permute(0, 3, 1, 2)
        maps = F.conv2d(maps, kernel, stride=2, padding=1)
        gain, shift = weights[f"gains.{layer}"][0], weights[f"shifts.{layer}"][0]
        maps = F.batch_norm(maps, None, None, gain, shift, training=True).relu()
    features = maps.mean((2, 3)) if averaged else maps.permute(0, 2, 3, 1).flatten(1)
    return features @ weights["head"] + weights["bias"]


def batch(n_way: int = 5, tasks: int = 2) -> EpisodeBatch:
    generator = torch.Generator().manual_seed(3)
    grey = torch.randint(0, 256, (tasks, 3 * n_way, 1, 28, 28), generator=generator, dtype=torch.uint8)
    grey = grey.expand(-1, -1, 3, -1, -1)
    labels = torch.arange(n_way).expand(tasks, -1)
    sheet = (28 * n_way, 84)
    return EpisodeBatch(grey[:, :n_way].contiguous(), labels, grey[:, n_way:].contiguous(), n_way, (sheet,) * tasks)


def test_tasks_do_not_see_each_other() -> None:
    model = maml_conv4(width=8).eval()
    both = batch()
    alone = EpisodeBatch(both.support[:1], both.support_labels[:1], both.queries[:1], 5, both.sheets[:1])
    torch.testing.assert_close(model(both).logits[:1], model(alone).logits, rtol=1e-4, atol=1e-4)


def test_learning_the_labelled_images_names_them() -> None:
    """Queries that are the labelled images themselves get their classes after the inner steps, and not before."""
    torch.manual_seed(0)
    shown = batch(tasks=4)
    same = EpisodeBatch(shown.support, shown.support_labels, shown.support, 5, shown.sheets)
    model = maml_conv4(width=16, test_steps=30, inner_lr=0.1).eval()
    found = model(same).logits.argmax(2)
    assert float((found == same.support_labels).float().mean()) > 0.9


def test_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="tells 5 classes apart, but the episodes have 3"):
        maml_conv4(width=4)(batch(n_way=3))


def test_queries_see_one_another_only_where_it_is_said() -> None:
    from visus.systems.meta_learning.reptile import reptile_conv4

    for transductive in (False, True):
        torch.manual_seed(0)
        model = reptile_conv4(transductive=transductive, test_steps=2).eval()
        shown = batch(tasks=1)
        fewer = EpisodeBatch(shown.support, shown.support_labels, shown.queries[:, :4], 5, shown.sheets)
        alike = torch.allclose(model(shown).logits[:, :4], model(fewer).logits, rtol=1e-3, atol=1e-4)
        assert alike != transductive
        assert model(shown).transductive == transductive
