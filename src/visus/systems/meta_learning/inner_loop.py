"""The inner loop: steps of gradient descent on the labelled images of many episodes at once.

Weights carry the episode as their first axis. The gradient of the summed losses is that of each episode, as no episode
sees another's weights, so that a batch of episodes is one computation without a loop over them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import grad

Weights = Mapping[str, Float[Tensor, "t ..."]]
"""The weights of a network by name, for each of ``t`` episodes."""
Loss = Callable[[Weights], Float[Tensor, ""]]
"""The loss of weights, summed over the episodes."""

ADAM_BETA2, ADAM_EPS = 0.999, 1e-8


def for_each(parameters: Mapping[str, Float[Tensor, " ..."]], episodes: int) -> dict[str, Float[Tensor, "t ..."]]:
    """The same weights for each episode; what is learned from them adds up in ``parameters``."""
    return {name: value.expand(episodes, *value.shape) for name, value in parameters.items()}


def gradient_steps(
    weights: Weights, loss: Loss, *, steps: int, lr: float, first_order: bool
) -> dict[str, Float[Tensor, "t ..."]]:
    """Weights after some steps of gradient descent, as a function of those before (MAML, arXiv 1703.03400, equation 1).

    Args:
        weights: to begin with.
        loss: of the labelled images.
        steps: how many.
        lr: the inner learning rate.
        first_order: take each step's gradient as a constant (first-order MAML, section 5.2): values are the same, what
            flows back through them is not.
    """
    fast = dict(weights)
    for _ in range(steps):
        at = {name: value.detach() for name, value in fast.items()} if first_order else fast
        slopes = grad(loss)(at)
        fast = {name: value - lr * slopes[name] for name, value in fast.items()}
    return fast


@torch.no_grad()
def adam_steps(weights: Weights, losses: Sequence[Loss], *, lr: float) -> dict[str, Float[Tensor, "t ..."]]:
    """Weights after a step of Adam with beta1 = 0 on each loss, from a fresh state (Reptile's inner loop).

    Args:
        weights: to begin with.
        losses: one for each step.
        lr: the inner learning rate.
    """
    fast = {name: value.detach() for name, value in weights.items()}
    squares = {name: torch.zeros_like(value) for name, value in fast.items()}
    for step, loss in enumerate(losses, start=1):
        slopes = grad(loss)(fast)
        for name, slope in slopes.items():
            squares[name] = ADAM_BETA2 * squares[name] + (1 - ADAM_BETA2) * slope.square()
            root = (squares[name] / (1 - ADAM_BETA2**step)).sqrt()
            fast[name] = fast[name] - lr * slope / (root + ADAM_EPS)
    return fast
