"""A round of training: from a batch to changed weights, by one optimiser or by several.

Steps, schedules, averages, checkpoints and limits count rounds, whatever the number of optimisers in one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from visus.training.optim import build_optimizer
from visus.training.recipe import OptimRecipe
from visus.types import Batch

Losses = Mapping[str, Float[Tensor, ""]]
"""Scalars by the names of the terms."""


class Round:
    """What an `Update` works with: a batch, and the three things that it does with it.

    A round may take several batches (``fit.accumulate``): gradients then add up, and ``descend`` acts in the last one.

    Args:
        batch: what is learned from.
        evaluate: the losses of the model on the batch, by name.
        backward: adds the gradient of a scalar to the parameters; in the precision of the run.
        watch: looks at named losses, and raises where one is not finite.
        share: of a batch in the round, by which losses are weighted.
        complete: whether this is the last batch of the round.
        clip_norm: the largest norm of an optimiser's gradient; None does not clip.
    """

    def __init__(
        self,
        *,
        batch: Batch,
        evaluate: Callable[[], Losses],
        backward: Callable[[Float[Tensor, ""]], None],
        watch: Callable[[Losses], None],
        share: float,
        complete: bool,
        clip_norm: float | None,
    ) -> None:
        self.batch, self.evaluate, self.complete = batch, evaluate, complete
        self._backward, self._watch, self._share, self._clip_norm = backward, watch, share, clip_norm
        self.losses: dict[str, Tensor] = {}

    def note(self, losses: Losses) -> dict[str, Float[Tensor, ""]]:
        """Notes named scalar losses that teach nothing by themselves; in float32.

        Raises:
            TrainingDiverged: one of them is not finite.
        """
        values = {name: value.float() for name, value in losses.items()}
        self._watch(values)
        self.losses |= {name: value.detach() for name, value in values.items()}
        return values

    def backward(self, losses: Losses) -> None:
        """Notes named scalar losses and adds the gradient of their sum to the parameters; see `frozen`.

        Raises:
            TrainingDiverged: one of them is not finite.
        """
        values = self.note(losses)
        total = torch.stack(list(values.values())).sum()
        self._backward(total * self._share if self._share != 1 else total)

    def descend(self, optimizer: torch.optim.Optimizer) -> None:
        """Clips the gradient of the optimiser's parameters, steps and forgets it; nothing before the last batch."""
        if not self.complete:
            return
        if self._clip_norm is not None:
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self._clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        torch.clear_autocast_cache()  # it holds the weights of before in bfloat16


class Update(Protocol):
    """Owns its optimisers and does one round with them: a GAN's two networks, an inner and an outer loop."""

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """Makes the optimisers, once, when training starts; `visus.training.optim.build_optimizer` makes one.

        Their states are saved in checkpoints in this order. Each group has a ``peak_lr``, which the schedule scales.
        """

    def round(self, step: Round) -> None:
        """Learns from a batch: calls ``step.backward`` and ``step.descend``, in whatever order."""


class GradientDescent:
    """The usual round: all losses of the model, one optimiser.

    Args:
        model: learns.
        criterion: its parameters, if it has any, learn as well.
        recipe: the optimiser.
    """

    def __init__(self, model: nn.Module, criterion: Any, recipe: OptimRecipe) -> None:
        self.model, self.recipe = model, recipe
        self.criterion = criterion if isinstance(criterion, nn.Module) else None
        self._optimizer: torch.optim.Optimizer | None = None

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """The one of the recipe."""
        self._optimizer = build_optimizer(self.model, self.recipe, self.criterion)
        return [self._optimizer]

    def round(self, step: Round) -> None:
        """Forward, backward, step."""
        assert self._optimizer is not None
        step.backward(step.evaluate())
        step.descend(self._optimizer)


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Lets gradients pass through ``modules`` without adding any to their parameters, inside a ``with``."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
