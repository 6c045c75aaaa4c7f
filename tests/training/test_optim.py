"""Learning rates follow progress; norms and biases do not decay."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from visus.training.optim import WARMUP_START, build_optimizer, lr_factor, set_lr
from visus.training.recipe import OptimRecipe


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2)
        self.backbone[0].bias.requires_grad_(False)


def test_groups_split_by_decay_and_backbone() -> None:
    net = Net()
    optimizer = build_optimizer(net, OptimRecipe(lr=1.0, weight_decay=0.1, lr_factors={"backbone": 0.5}))
    found = {id(p): (g["peak_lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    expected = {
        id(net.backbone[0].weight): (0.5, 0.1),
        id(net.backbone[1].weight): (0.5, 0.0),
        id(net.backbone[1].bias): (0.5, 0.0),
        id(net.head.weight): (1.0, 0.1),
        id(net.head.bias): (1.0, 0.0),
    }
    assert found == expected


def test_a_frozen_model_is_refused() -> None:
    with pytest.raises(ValueError, match="no trainable parameter"):
        build_optimizer(nn.Linear(1, 1).requires_grad_(False), OptimRecipe())


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_optimizers_step_at_the_set_rate(name: str) -> None:
    layer = nn.Linear(1, 1, bias=False)
    optimizer = build_optimizer(layer, OptimRecipe(name=name, lr=0.1, weight_decay=0, momentum=0))
    set_lr(optimizer, 0.5)
    before = layer.weight.item()
    layer(torch.ones(1, 1)).sum().backward()  # gradient 1: SGD and Adam both step by the rate
    optimizer.step()
    assert before - layer.weight.item() == pytest.approx(0.05, rel=1e-4)


def test_warmup_is_linear_from_a_thousandth() -> None:
    recipe = OptimRecipe(schedule="constant", warmup_steps=10)
    factors = [lr_factor(recipe, step=step, progress=0.0, epochs=1) for step in (0, 5, 10, 20)]
    assert factors == pytest.approx([WARMUP_START, (1 + WARMUP_START) / 2, 1, 1])


def test_warmup_ends_with_a_tenth_of_a_short_run() -> None:
    recipe = OptimRecipe(schedule="constant", warmup_steps=1000)
    assert lr_factor(recipe, step=3, progress=0.1, epochs=1) == 1


@given(st.floats(0, 1))
def test_cosine_is_that_of_sgdr(progress: float) -> None:
    recipe = OptimRecipe(schedule="cosine", warmup_steps=0)
    factor = lr_factor(recipe, step=0, progress=progress, epochs=3)
    assert factor == pytest.approx(math.cos(math.pi * progress / 2) ** 2, abs=1e-9)


def test_steps_fall_at_the_milestones_of_the_published_recipe() -> None:
    recipe = OptimRecipe(schedule="step", milestones=(16, 22), warmup_steps=0)
    by_epoch = [lr_factor(recipe, step=0, progress=epoch / 26, epochs=26) for epoch in range(26)]
    assert by_epoch == pytest.approx([1] * 16 + [0.1] * 6 + [0.01] * 4)
