"""A guard that stops training at the first loss that is not a number, and says where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import torch
from jaxtyping import Float
from torch import Tensor, nn

from visus.errors import VisusError
from visus.names import counted
from visus.ops.processes import whole

_ADVICE = (
    "Try a lower optim.lr, optim.clip_norm (1 to 10) or more optim.warmup_steps, and look for broken boxes with "
    "`visus data check`. A checkpoint that was written is from before."
)


class TrainingDiverged(VisusError):
    """A loss became infinite or not a number; the message names the batch, its images and the loss term."""


@dataclass(frozen=True)
class _Step:
    """What is remembered of a step until its losses are looked at."""

    epoch: int
    batch: int
    paths: Sequence[str]
    terms: Sequence[str]
    values: Float[Tensor, " t"]


class LossGuard:
    """Looks at the losses of every step, ``every`` steps at a time.

    Looking at a value on a GPU makes the CPU wait for it, so there the losses of several steps are looked at together;
    the message still names the first bad step.

    Args:
        every: steps that are looked at together; 1 on a CPU, where looking costs nothing.
    """

    def __init__(self, every: int = 1) -> None:
        self.every = every
        self._waiting: list[_Step] = []

    def watch(
        self, terms: Sequence[str], values: Float[Tensor, " t"], *, epoch: int, batch: int, paths: Sequence[str]
    ) -> None:
        """Takes the losses of a step and their names.

        Raises:
            TrainingDiverged: when one of the steps since the last look has a loss that is not finite.
        """
        self._waiting.append(_Step(epoch, batch, paths, terms, values))
        if len(self._waiting) >= self.every:
            self.look()

    def look(self) -> None:
        """Looks at the steps that wait; call before saving anything that must be sound.

        Raises:
            TrainingDiverged: when one of them has a loss that is not finite.
        """
        waiting, self._waiting = self._waiting, []
        if waiting and not all(map(isfinite, torch.cat([step.values for step in waiting]).tolist())):
            raise TrainingDiverged(_message(next(step for step in waiting if _bad_terms(step))))


def check_weights(model: nn.Module, rounds: int) -> None:
    """Looks at all weights; one step can ruin them after a last loss that was finite.

    Raises:
        TrainingDiverged: some are infinite or not a number.
    """
    state: dict[str, Tensor] = whole(model.state_dict())
    weights = {name: value for name, value in state.items() if value.is_floating_point() and value.numel()}
    # A sum is finite only where every summand is, and reads each weight once.
    sums = {name: value.detach().sum(dtype=torch.float64) for name, value in weights.items()}
    if sums and not all(map(isfinite, torch.stack(list(sums.values())).tolist())):
        ruined = [name for name, value in sums.items() if not isfinite(float(value))]
        raise TrainingDiverged(
            f"Training diverged: after step {rounds} {counted(len(ruined), 'tensors')} of weights are not finite "
            f"({ruined[0]} the first), and were not saved. {_ADVICE}"
        )


def _bad_terms(step: _Step) -> list[str]:
    """The names of the losses of ``step`` that are not finite."""
    return [term for term, value in zip(step.terms, step.values.tolist(), strict=True) if not isfinite(value)]


def _message(step: _Step) -> str:
    """Where the losses of ``step`` went wrong, and what to try."""
    bad = " and ".join(map(repr, _bad_terms(step)))
    all_terms = ", ".join(f"{term} {value:.4g}" for term, value in zip(step.terms, step.values.tolist(), strict=True))
    return (
        f"Training diverged: the loss {bad} is not finite in epoch {step.epoch + 1}, batch {step.batch + 1} "
        f"({all_terms}). Images of the batch: {', '.join(filter(None, step.paths)) or 'unnamed'}. "
        f"{_ADVICE}"
    )
