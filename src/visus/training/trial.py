"""Whether training is faster in bfloat16 on this machine: a few steps in either precision, before the first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from visus.nn.fused.choose import multiplies_bfloat16
from visus.training.records import check_monitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from visus.training.recipe import Recipe
    from visus.training.task import Task
    from visus.types import Batch

LEAST_STEPS = 200
"""Shorter trainings stay in float32: a trial would take a part of them that is worth nothing."""
LEAST_MINUTES = 1.0
_WORTH = 0.9
_TURNS = 3


@dataclass(frozen=True)
class Trial:
    """What a step forward and back takes.

    Args:
        float32: seconds, the least of some turns.
        bfloat16: the same under autocast.
    """

    float32: float
    bfloat16: float

    @property
    def worth_it(self) -> bool:
        """Whether bfloat16 saves more than the noise of a trial."""
        return self.bfloat16 < _WORTH * self.float32

    def __str__(self) -> str:
        return (
            f"A step takes {self.bfloat16:.2f} s in bfloat16 and {self.float32:.2f} s in float32: training in "
            "bfloat16 (--fit.precision 32 for float32)."
        )


def settled(
    recipe: Recipe,
    task: Task,
    batch: Callable[[], Batch],
    *,
    steps: int,
    bf16_products: Callable[[], bool] | None = None,
) -> tuple[Recipe, list[str]]:
    """The recipe with a precision in place of ``auto``, and what to say where that is not float32.

    bfloat16 is tried where it may be worth it: in a training of one process on a processor that multiplies it, long
    enough, whose rounds are plain gradient descent. Everything else stays in float32.

    Args:
        recipe: as it was asked for.
        task: what will learn; its weights, statistics and the generators are as before afterwards.
        batch: makes a batch as training will see it.
        steps: batches that the training will take, if the clock allows.
        bf16_products: whether the processor multiplies bfloat16; asks it when None.
    """
    fit = recipe.fit
    if fit.precision != "auto":
        return recipe, []
    long = steps >= LEAST_STEPS and (fit.max_minutes is None or fit.max_minutes >= LEAST_MINUTES)
    on_cpu = fit.accelerator == "cpu" or (fit.accelerator == "auto" and not torch.accelerator.is_available())
    able = bf16_products or multiplies_bfloat16
    plain = replace(recipe, fit=replace(fit, precision="32"))
    if not (long and on_cpu and fit.devices * fit.nodes == 1 and not task.has_own_update and able()):
        return plain, []
    trial = tried(task, batch())
    return (replace(recipe, fit=replace(fit, precision="bf16")), [str(trial)]) if trial.worth_it else (plain, [])


def tried(task: Task, batch: Batch) -> Trial:
    """Times steps in both precisions in turns; the first of each, which prepares, is left out."""
    seconds: dict[bool, list[float]] = {False: [], True: []}
    with _as_before(task), torch.random.fork_rng(devices=[]):
        for _ in range(_TURNS + 1):
            for half, times in seconds.items():
                start = time.perf_counter()
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
                    losses = task.losses(batch)
                torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
                times.append(time.perf_counter() - start)
                task.zero_grad(set_to_none=True)
    return Trial(*(min(times[1:]) for times in seconds.values()))


def refuse_monitor(recipe: Recipe, task: Task, batch: Callable[[], Batch]) -> None:
    """Refuses to monitor what will never be measured, before a folder is made; the losses are those of one batch.

    What an update of its own learns by is known after its first round alone, and checked then.

    Args:
        recipe: its ``fit.monitor`` names the number.
        task: what will learn; it is as before afterwards.
        batch: makes a batch as training will see it.

    Raises:
        VisusError: no number has that name; the message lists those that there are.
    """
    monitor, measures = recipe.fit.monitor, list(task.metric.measures)
    if not monitor or monitor in measures or task.has_own_update:
        return
    losses: list[str] = []
    if task.val_losses:
        with _as_before(task), torch.random.fork_rng(devices=[]), torch.no_grad():
            losses = ["val loss", *(f"val {name}" for name in task.losses(batch()))]
    check_monitor(monitor, [*losses, *measures])


@contextmanager
def _as_before(task: nn.Module) -> Iterator[None]:
    """Puts statistics and modes back; weights do not change without an optimiser."""
    modes = {module: module.training for module in task.modules()}
    buffers: dict[Any, torch.Tensor] = {buffer: buffer.clone() for buffer in task.buffers()}
    task.train()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        with torch.no_grad():
            for buffer, value in buffers.items():
                buffer.copy_(value)
