"""Training of a learned optimiser, and how it compares with others whose learning rates were tuned.

Andrychowicz et al., arXiv 1606.04474: the loss is the sum of the values on the way (equation 3), its gradient is taken
through segments of 20 steps (truncated), the gradients that enter the optimiser are constants (section 2.1). What is
remembered of each weight goes on from segment to segment. By default the sum is of the logarithms of the functions'
mean value: values fall by factors of a thousand, so that their plain sum says next to nothing of the last steps, and
the mean of their logarithms next to nothing of the hard functions.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from visus.systems.meta_learning.objectives import Functions, Objective, Points
from visus.training.learned_optimizer import CoordinateLSTM, LearnedOptimizer, State

RATES = tuple(10 ** (power / 4) for power in range(-14, 5))
"""The learning rates that are tried for the others: four to a power of ten, from 0.0003 to 10."""

Rule = Callable[[list[Points], float], torch.optim.Optimizer]
RIVALS: Mapping[str, Rule] = {
    "SGD": lambda weights, lr: torch.optim.SGD(weights, lr=lr),
    "momentum": lambda weights, lr: torch.optim.SGD(weights, lr=lr, momentum=0.9),
    "RMSprop": lambda weights, lr: torch.optim.RMSprop(weights, lr=lr),
    "Adam": lambda weights, lr: torch.optim.Adam(weights, lr=lr),
}
"""What a learned optimiser has to beat. Each works weight by weight, so one of it serves many functions."""


META_LOSSES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "logarithms": lambda values: values.mean().clamp(min=1e-12).log(),
    "values": lambda values: values.mean(),
}
"""What is summed on the way, of the values of some functions; ``values`` is the paper's."""
_LARGEST_GRADIENT = 1.0


def unrolled(
    network: CoordinateLSTM,
    functions: Functions,
    weights: Points,
    state: State,
    *,
    first: int,
    steps: int,
    meta_loss: str = "values",
) -> tuple[Float[Tensor, ""], Points, State]:
    """Some steps of the optimiser, as a function of its own weights.

    Args:
        network: the optimiser.
        functions: what it descends on.
        weights: where it is.
        state: what it remembers.
        first: the number of steps before.
        steps: how many.
        meta_loss: a key of `META_LOSSES`.

    Returns:
        The sum of the losses behind each step; where it is then; what it remembers then.
    """
    loss_of, total = META_LOSSES[meta_loss], weights.new_zeros(())
    for step in range(first, first + steps):
        change, state = network(_slopes(functions, weights, step).flatten(), state)
        weights = weights + change.view_as(weights)
        total = total + loss_of(functions(weights, step + 1))  # on other data than the step was taken by
    return total, weights, state


def _slopes(functions: Functions, weights: Points, step: int) -> Points:
    """The gradient of each function, a constant."""
    at = weights.detach().requires_grad_(True)
    with torch.enable_grad():
        (slopes,) = torch.autograd.grad(functions(at, step).sum(), at)
    return slopes


def learn_once(
    network: CoordinateLSTM,
    functions: Functions,
    outer: torch.optim.Optimizer,
    *,
    steps: int = 100,
    segment: int = 20,
    meta_loss: str = "values",
) -> float:
    """Descends on some functions and learns after each segment; the mean loss on the way.

    Args:
        network: learns.
        functions: of this time.
        outer: its optimiser.
        steps: of descent.
        segment: steps that gradients flow through.
        meta_loss: a key of `META_LOSSES`.
    """
    weights = functions.start()
    state, total = network.start(weights.flatten()), 0.0
    for first in range(0, steps, segment):
        count = min(segment, steps - first)
        loss, weights, state = unrolled(
            network, functions, weights, state, first=first, steps=count, meta_loss=meta_loss
        )
        outer.zero_grad(set_to_none=True)
        (loss / count).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
        outer.step()
        weights, state = weights.detach(), tuple(value.detach() for value in state)
        total += float(loss.detach())
    return total / steps


def learn(
    network: CoordinateLSTM,
    objective: Objective,
    *,
    seconds: float,
    seed: int,
    steps: int = 100,
    meta_loss: str = "logarithms",
    on_check: Callable[[int, float, float], None] = lambda rounds, value, seconds: None,
) -> CoordinateLSTM:
    """Trains until the clock says so, and keeps the weights that were best on functions for validation.

    Args:
        network: learns by Adam at 0.003, falling to a tenth of it.
        objective: the functions to learn from, and how many at a time.
        seconds: so long.
        seed: of everything.
        steps: of a descent.
        meta_loss: a key of `META_LOSSES`.
        on_check: told the descents done, the mean logarithm on validation, and the seconds.
    """
    outer = torch.optim.Adam(network.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(seed)
    validation = objective.draw(objective.functions, torch.Generator().manual_seed(seed + 1_000_003))
    began, checked, rounds = time.monotonic(), 0.0, 0
    best, kept = float("inf"), {name: value.clone() for name, value in network.state_dict().items()}
    while (spent := time.monotonic() - began) < seconds:
        for group in outer.param_groups:
            group["lr"] = 3e-3 * 0.1 ** (spent / seconds)
        drawn = objective.draw(objective.functions, generator)
        learn_once(network, drawn, outer, steps=steps, meta_loss=meta_loss)
        rounds += 1
        if time.monotonic() - began - checked > seconds / 20:
            checked = time.monotonic() - began
            value = _kept_score(descend(validation, steps, _learned(network)))
            on_check(rounds, value, checked)
            if value < best:
                best, kept = value, {name: one.clone() for name, one in network.state_dict().items()}
    if best < float("inf"):
        network.load_state_dict(kept)
    return network


def _kept_score(descent: Descent) -> float:
    """The mean logarithm on the way: an optimiser is to be good at every step."""
    return float(torch.tensor(descent.values).clamp(min=1e-12).log().mean())


@dataclass(frozen=True)
class Descent:
    """How an optimiser went down: the mean value of the functions before each step and at the end, and the seconds."""

    values: list[float]
    seconds: list[float]
    lr: float = 1.0


def descend(functions: Functions, steps: int, make: Callable[[list[Points]], torch.optim.Optimizer]) -> Descent:
    """Lets an optimiser descend on functions.

    Args:
        functions: on each.
        steps: how many.
        make: the optimiser of some weights.
    """
    weights = functions.start().clone().requires_grad_(True)
    optimizer = make([weights])
    values, seconds, spent = [], [], 0.0
    for step in range(steps + 1):
        began = time.monotonic()
        losses = functions(weights, step)
        values.append(float(losses.detach().mean()))
        seconds.append(spent)
        optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        spent += time.monotonic() - began
    return Descent(values, seconds)


def _learned(network: CoordinateLSTM) -> Callable[[list[Points]], torch.optim.Optimizer]:
    """The network as an optimiser; a copy, as an optimiser's network does not learn."""
    same = copy.deepcopy(network)
    return lambda weights: LearnedOptimizer(weights, same)


def compare(
    network: CoordinateLSTM, tuning: Functions, test: Functions, *, steps: int, rates: Sequence[float] | None = None
) -> dict[str, Descent]:
    """The learned optimiser and its rivals on unseen functions.

    Args:
        network: the learned one.
        tuning: functions by which the rivals' learning rates are chosen: the least value after ``steps``.
        test: functions of the comparison.
        steps: how many.
        rates: to choose from; `RATES` when None.
    """
    found = {"learned": descend(test, steps, _learned(network))}
    for name, rule in RIVALS.items():
        tried = {lr: _with_rate(tuning, steps, rule, lr).values[-1] for lr in rates or RATES}
        known = {lr: value for lr, value in tried.items() if math.isfinite(value)}
        found[name] = _with_rate(test, steps, rule, min(known, key=lambda lr: known[lr]))
    return found


def _with_rate(functions: Functions, steps: int, rule: Rule, lr: float) -> Descent:
    return replace(descend(functions, steps, lambda weights: rule(weights, lr)), lr=lr)
