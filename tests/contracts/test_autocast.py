"""Every loss of the catalog under autocast: float32 values and gradients, backward passes inside it included."""

from __future__ import annotations

import copy
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from contracts.fakes import learnable, model_of, quick_model
from visus import catalog
from visus.training.recipe import Recipe

CASES = [
    pytest.param(problem, architecture, loss, id=f"{problem.name}-{loss}")
    for problem in catalog.PROBLEMS.values()
    for architecture in problem.architectures
    for loss in architecture.losses
]


NETWORKS = {"scene_generation": "its judges are networks, whose layers autocast rounds in a backward pass inside it"}
"""Losses whose gradients are allowed bfloat16's precision there, and why; training takes them outside of autocast."""


def with_leaves(value: Any, found: list[Tensor]) -> Any:
    """A copy of a model's outputs whose real tensors are leaves that want a gradient, which ``found`` lists."""
    if isinstance(value, Tensor):
        if not value.is_floating_point():
            return value
        found.append(value.detach().clone().requires_grad_())
        return found[-1]
    if is_dataclass(value):
        return replace(value, **{f.name: with_leaves(getattr(value, f.name), found) for f in fields(value) if f.init})
    return [with_leaves(one, found) for one in value] if isinstance(value, list) else value


def values_and_gradients(criterion: Any, outputs: Any, targets: Any, *, autocast: bool) -> list[Tensor]:
    """The terms of a loss, then the gradients of their sum in the outputs and in the parameters of the loss."""
    leaves: list[Tensor] = []
    criterion, outputs = copy.deepcopy(criterion), with_leaves(outputs, leaves)
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        losses = criterion(outputs, targets)
        torch.stack(list(losses.values())).sum().backward()
    if isinstance(criterion, nn.Module):
        leaves += list(criterion.parameters())
    return [*(value.detach() for value in losses.values()), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


@pytest.mark.parametrize(("problem", "architecture", "loss"), CASES)
def test_autocast_changes_no_loss_and_no_gradient(problem: Any, architecture: Any, loss: str) -> None:
    name, data = quick_model(architecture), learnable(problem.name)
    model, batch = model_of(name).eval(), data.batch(model_of(name))
    torch.manual_seed(0)
    criterion = problem.criterion(model, Recipe(name="contract", model=name, loss=loss), data.schema)
    with torch.no_grad():
        outputs = model(batch.inputs, batch.targets)
    plain, cast = (values_and_gradients(criterion, outputs, batch.targets, autocast=on) for on in (False, True))
    assert len(plain) == len(cast) > 1
    for one, other in zip(plain, cast, strict=True):
        rounded = loss in NETWORKS and one.ndim > 0
        atol = 0.1 * float(one.abs().max()) + 1e-6 if rounded else 1e-7 * float(one.abs().max())
        torch.testing.assert_close(other, one, rtol=1e-5, atol=atol)
