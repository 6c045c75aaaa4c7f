"""How far a run has come: sets the learning rate of each step, and stops in time and on request."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from typing import Any

import pytorch_lightning as pl
import torch

from visus.stopping import StopRequest
from visus.training.optim import lr_factor, set_lr
from visus.training.processes import check_agreement
from visus.training.recipe import Recipe
from visus.training.task import Task

TALK_EVERY = 20
"""Optimiser steps between two agreements of the processes on the time, of which only the first one's clock counts."""


class Pace(pl.Callback):
    """The clock of a run.

    ``progress`` is the share of the run that is done: the larger of the share of its steps and the share of its
    minutes, of which some are kept for the last validation. ``interrupted`` is the number of the signal that asked to
    stop, in all processes at once, 0 before.

    Args:
        recipe: the limits and the schedule.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.elapsed = 0.0
        self.progress = 0.0
        self.total_steps = 0
        self.interrupted = 0
        self.stop_reason = ""
        self.stop = StopRequest()
        self._began = time.monotonic()
        self._validation_began = 0.0
        self._validation_seconds = 0.0
        self._validation_timed = False
        self._epoch_steps = 0
        self._shift = 0.0  # of rounds: how many more, or fewer, as many processes as now would have done

    @property
    def validation_seconds(self) -> float:
        """What a validation takes: the last one, or a guess before the first."""
        return self._validation_seconds

    @property
    def seconds_left(self) -> float:
        """A guess at the seconds to the end, from how long the share that is done took."""
        return self.elapsed * (1 - self.progress) / self.progress if self.progress else math.inf

    def seconds(self, trainer: pl.Trainer) -> float:
        """The seconds of the run until now, resumed parts included."""
        return self.elapsed if trainer.world_size > 1 else time.monotonic() - self._began

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Counts the steps of the run and starts the clock where a checkpoint stopped it."""
        fit = self.recipe.fit
        total = fit.epochs * math.ceil(trainer.num_training_batches / fit.accumulate)
        self.total_steps = min(total, fit.max_steps or total)
        each = total // fit.epochs
        if self._epoch_steps not in (0, each) and fit.max_steps is None:  # there are more processes now, or fewer
            done = task_of(pl_module).rounds
            self._shift = (done + self._shift) * each / self._epoch_steps - done
        self._epoch_steps = each
        if trainer.world_size > 1:
            check_agreement(task_of(pl_module).rounds, trainer.strategy.root_device)
        self._began = time.monotonic() - self.elapsed
        self.stop.listen()  # the engine has put a handler of its own in place
        if trainer.is_global_zero:
            self.stop.on_request = _answer

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The last epoch is validated whatever its number."""
        if trainer.current_epoch + 1 == self.recipe.fit.epochs:
            trainer.check_val_every_n_epoch = 1

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Sets the learning rate."""
        self._look_at_the_clock(trainer, batch_idx)
        step, recipe = task_of(pl_module).rounds, self.recipe
        share = (step + self._shift) / self.total_steps
        self.progress = min(1.0, max(self.progress, share, self._time_share()))
        factor = lr_factor(recipe.optim, step=step, progress=self.progress, epochs=recipe.fit.epochs)
        for optimizer in trainer.optimizers:
            set_lr(optimizer, factor)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stops at the limit of steps or of minutes, after one more validation."""
        fit = self.recipe.fit
        self._guess_validation(trainer, batch_idx)
        if fit.max_steps is not None and task_of(pl_module).rounds >= fit.max_steps:
            self._stop(trainer, f"fit.max_steps = {fit.max_steps} reached")
        elif fit.max_minutes is not None and self._time_share() >= 1 and (batch_idx + 1) % fit.accumulate == 0:
            self._stop(trainer, f"fit.max_minutes = {fit.max_minutes:g} used up")

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Times the validation, to keep room for the last one."""
        self._validation_began = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Ends the timing; all processes take the first one's."""
        seconds = time.monotonic() - self._validation_began
        self._validation_seconds = trainer.strategy.broadcast(seconds) if trainer.world_size > 1 else seconds
        self._validation_timed = True

    def state_dict(self) -> dict[str, Any]:
        """The time that is used up."""
        steps = {"epoch_steps": self._epoch_steps, "shift": self._shift}
        return {"elapsed": self.elapsed, "validation_seconds": self._validation_seconds, **steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from ``state_dict``."""
        self.elapsed, self._validation_seconds = state_dict["elapsed"], state_dict["validation_seconds"]
        self._epoch_steps, self._shift = state_dict.get("epoch_steps", 0), state_dict.get("shift", 0.0)

    def _look_at_the_clock(self, trainer: pl.Trainer, batch: int) -> None:
        """Reads the clock and the wish to stop; processes must agree on both, or their weights and counts part."""
        now = time.monotonic() - self._began
        wish = self.stop.number
        if trainer.world_size == 1:
            self.elapsed, self.interrupted = now, wish
        elif batch % (TALK_EVERY * self.recipe.fit.accumulate) == 0:
            clock = now if trainer.is_global_zero else 0.0
            told = torch.tensor([clock, float(wish)], device=trainer.strategy.root_device, dtype=torch.float32)
            torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MAX)
            self.elapsed, self.interrupted = float(told[0]), int(told[1])

    def _guess_validation(self, trainer: pl.Trainer, batch: int) -> None:
        """Until a validation was timed: a batch of it takes as long as one of training, at worst."""
        if not self._validation_timed and trainer.current_epoch == 0:
            batches = sum(count for count in trainer.num_val_batches if isinstance(count, int))
            self._validation_seconds = batches * self.elapsed / (batch + 1)

    def _time_share(self) -> float:
        """The share of the minutes that is used, 0 without a limit."""
        minutes = self.recipe.fit.max_minutes
        if minutes is None:
            return 0.0
        # Half the time at most is kept back, should a first validation be slower than the whole limit.
        return self.elapsed / max(60 * minutes - 1.1 * self._validation_seconds, 30 * minutes)

    def _stop(self, trainer: pl.Trainer, reason: str) -> None:
        self.stop_reason = reason
        trainer.check_val_every_n_epoch = 1
        trainer.should_stop = True


def _answer(number: int) -> None:
    """Tells a person at the keyboard that they were heard."""
    if number == signal.SIGINT:
        with contextlib.suppress(RuntimeError):  # the signal came while something else was being printed
            print("\nStopping after this batch, with a checkpoint; press Ctrl-C again to stop at once.", flush=True)


def task_of(module: pl.LightningModule) -> Task:
    """The engine's module as what it is."""
    assert isinstance(module, Task)
    return module
