"""Optimisers, and the learning rate as a pure function of how far a run has come.

Rate of a step = ``lr * warm-up(step, progress) * schedule(progress)`` with ``progress`` in 0..1. As the schedule looks
at progress alone, a run limited by the clock anneals exactly like one limited by steps, and resuming needs no state.

References: SGDR, arXiv 1608.03983, equation 5 (cosine); "Accurate, Large Minibatch SGD", arXiv 1706.02677, section 2.2
(linear warm-up); DeepLab, arXiv 1606.00915, section 4.1 (poly).
"""

from __future__ import annotations

import math

import torch
from torch import nn

from visus.training.learned_optimizer import LearnedOptimizer, read_learned
from visus.training.recipe import OptimRecipe

WARMUP_START = 1e-3
"""Factor at the first step of the warm-up, as in torchvision's reference training."""
WARMUP_SHARE = 0.1
"""Share of a run at which the warm-up is over at the latest, so that short runs reach their full rate."""


def parameter_groups(
    model: nn.Module, recipe: OptimRecipe, criterion: nn.Module | None = None
) -> list[dict[str, object]]:
    """The trainable parameters, in groups by decay and learning rate.

    Biases and the parameters of norms (all with at most one axis) do not decay, nor do those of the losses. Parameters
    below a module that ``recipe.lr_factors`` names learn so many times as fast.

    Raises:
        ValueError: nothing is trainable, or a name in ``lr_factors`` is that of no module with trainable parameters.
    """
    named = [(name.split("."), parameter) for name, parameter in model.named_parameters()]
    if criterion is not None:
        named += [(["criterion", *name.split(".")], parameter) for name, parameter in criterion.named_parameters()]
    named = [(path, parameter) for path, parameter in named if parameter.requires_grad]
    if not named:
        raise ValueError("The model has no trainable parameter: nothing can be learned. Unfreeze a part of it.")
    for part in recipe.lr_factors:
        if not any(part in path for path, _ in named):
            raise ValueError(f"optim.lr_factors names {part!r}, but no trainable parameter lies below such a module")
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for path, parameter in named:
        factor = math.prod(value for part, value in recipe.lr_factors.items() if part in path)
        decays = parameter.ndim > 1 and path[0] != "criterion"
        groups.setdefault((factor, decays), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": recipe.lr * factor,
            "peak_lr": recipe.lr * factor,
            "weight_decay": recipe.weight_decay if decays else 0.0,
        }
        for (factor, decays), parameters in groups.items()
    ]


def build_optimizer(model: nn.Module, recipe: OptimRecipe, criterion: nn.Module | None = None) -> torch.optim.Optimizer:
    """The optimiser of ``recipe`` over what learns in model and criterion; each group knows its ``peak_lr``."""
    groups = parameter_groups(model, recipe, criterion)
    if recipe.name == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, foreach=True)
    if recipe.name == "rmsprop":
        return torch.optim.RMSprop(groups, lr=recipe.lr, momentum=recipe.momentum, foreach=True)
    if recipe.name == "learned":
        own = [{**group, "lr": group["lr"] / recipe.lr, "peak_lr": group["lr"] / recipe.lr} for group in groups]  # type: ignore[operator]
        return LearnedOptimizer(own, read_learned(recipe.weights))
    return torch.optim.AdamW(groups, lr=recipe.lr, betas=(float(recipe.momentum), 0.999), foreach=True)


def lr_factor(recipe: OptimRecipe, *, step: int, progress: float, epochs: int) -> float:
    """The factor on the peak learning rate.

    Args:
        recipe: the schedule.
        step: optimiser steps done.
        progress: share of the run that is done, 0 to 1.
        epochs: epochs of the whole run, the unit of ``recipe.milestones``.
    """
    return _warmup(recipe, step, progress) * _schedule(recipe, progress, epochs)


def set_lr(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Sets each group's learning rate to ``factor`` times its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor


def _warmup(recipe: OptimRecipe, step: int, progress: float) -> float:
    """Rises linearly from ``WARMUP_START`` to 1."""
    if recipe.warmup_steps == 0:
        return 1.0
    risen = min(1.0, max(step / recipe.warmup_steps, progress / WARMUP_SHARE))
    return WARMUP_START + (1 - WARMUP_START) * risen


def _schedule(recipe: OptimRecipe, progress: float, epochs: int) -> float:
    """Falls from 1 as the run goes on."""
    if recipe.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if recipe.schedule == "poly":
        return float((1 - progress) ** recipe.power)
    if recipe.schedule == "step":
        # A hair of tolerance: 16 epochs of 26 are reached although 16 / 26 * 26 may fall below 16.
        return recipe.gamma ** sum(progress * epochs + 1e-9 >= milestone for milestone in recipe.milestones)
    return 1.0
