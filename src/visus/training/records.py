"""What a run leaves behind while it trains: the history, the loggers' curves, the best weights, the checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pytorch_lightning as pl

from visus.errors import VisusError
from visus.metrics.metric import LOSS, Measure, headlines
from visus.nn.weights import frozen_eps
from visus.ops.processes import whole
from visus.stopping import StoppedOnRequest
from visus.training.guard import TrainingDiverged, check_weights
from visus.training.pace import Pace, task_of
from visus.training.recipe import FitRecipe
from visus.training.run import RunFolder
from visus.training.task import Task
from visus.types import Schema
from visus.whole_file import DiskFullError

LONG_VALIDATION = 5.0
"""Seconds of a validation that nobody who asks to stop need wait for."""

CURVE_POINTS = 200
"""About how many points the curves of a run have, whatever its length."""

EARLY_POINTS = 20
"""The first steps of a run are all noted, and later ones once in a twentieth of the steps before: a run that ends after
40 steps has curves, too."""


class History(pl.Callback):
    """Numbers of the run: a row an epoch, rows a few hundred times a run, and TensorBoard's points.

    ``train`` losses in a row of an epoch are the mean of the epoch, elsewhere that of the steps since the point before.

    Args:
        run: where the rows are written.
        pace: tells the time and the length of the run.
        log_every_steps: optimiser steps from point to point, at most; the first points are closer.
    """

    def __init__(self, run: RunFolder, pace: Pace, log_every_steps: int) -> None:
        self.run, self.pace, self.log_every_steps = run, pace, log_every_steps
        self.epochs: list[dict[str, float]] = []
        self.curves: list[dict[str, float]] = []
        self._last_point = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Notes a point every few steps."""
        step = task_of(pl_module).rounds
        apart = max(1, step // EARLY_POINTS)
        if step < self._last_point + min(self.log_every_steps, apart):
            return
        self._last_point = step
        recent = task_of(pl_module).recent_means
        point = _named("train", recent.compute(over_processes=False)) | {"lr": current_lr(trainer)}
        recent.reset()
        _log(trainer, point, step)
        last = self.curves[-1]["step"] if self.curves else 0
        if step >= last + max(1.0, min(self.pace.total_steps / CURVE_POINTS, apart)):
            self.curves.append({"step": step, **point})

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Notes the measures of the validation."""
        task = task_of(pl_module)
        _log(trainer, task.numbers, task.rounds)
        if not self.curves or self.curves[-1]["step"] < task.rounds:
            self.curves.append({"step": task.rounds})
        self.curves[-1] |= task.numbers

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the row of the epoch."""
        task = task_of(pl_module)
        task.guard.look()
        row: dict[str, float] = {"epoch": trainer.current_epoch + 1, "step": task.rounds}
        row |= {"minutes": self.pace.seconds(trainer) / 60, "lr": current_lr(trainer)}
        row |= _named("train", task.train_means.compute(over_processes=True)) | task.numbers
        task.train_means.reset()
        task.numbers = {}
        self.epochs.append(row)
        if trainer.is_global_zero:
            self.run.write_history(self.epochs, self.curves)

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"epochs": self.epochs, "curves": self.curves, "last_point": self._last_point}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on below those rows; rows after the checkpoint are dropped, as they will be trained again."""
        self.epochs, self.curves = state_dict["epochs"], state_dict["curves"]
        self._last_point = state_dict["last_point"]


class Checkpoints(pl.Callback):
    """Keeps the best weights and the last checkpoint, and stops a run that no longer improves.

    Args:
        run: where they are written.
        pace: tells the time and the wish to stop.
        recipe: what is monitored, how patient to be, how often to save.
        schema: goes with the weights.
    """

    def __init__(self, run: RunFolder, pace: Pace, recipe: FitRecipe, schema: Schema) -> None:
        self.run, self.pace, self.recipe, self.schema = run, pace, recipe, schema
        self.best = -math.inf
        self.best_measures: dict[str, float] = {}
        self.best_epoch = 0
        self.without_improvement = 0
        self._saved_at = 0.0
        self._cut_short = False
        self._saved_for_validation = False
        self._between_steps = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Counts the minutes to the first checkpoint from here."""
        self._saved_at = self.pace.elapsed

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves inside an epoch: every few minutes, asked to stop, cut short by a limit, before a long validation."""
        task = task_of(pl_module)
        if batch_idx == 0 and task.val_losses:  # the first step tells the names of the losses
            losses = [f"val {name}" for name in task.train_means.compute(over_processes=False)]
            check_monitor(self.recipe.monitor, [*losses, *task.metric.measures])
        self._between_steps = (batch_idx + 1) % self.recipe.accumulate == 0
        # Anywhere else gradients that no checkpoint holds would be lost; and the end of the epoch saves itself.
        if not self._between_steps or batch_idx + 1 == trainer.num_training_batches:
            return
        late = self.pace.elapsed - self._saved_at >= 60 * self.recipe.save_every_minutes
        self._cut_short = trainer.should_stop
        self._saved_for_validation = self._cut_short or self._validation_is_next(trainer, batch_idx)
        if late or self.pace.interrupted or self._saved_for_validation:
            self._save(trainer, task)
            self._leave_if_asked(f"batch {batch_idx + 1} of epoch {trainer.current_epoch + 1}")

    def _validation_is_next(self, trainer: pl.Trainer, batch: int) -> bool:
        """Whether a long validation follows the next round; a checkpoint from inside one could not be gone on from."""
        last = batch + 1 + self.recipe.accumulate >= trainer.num_training_batches
        validates = (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0
        return last and validates and self.pace.validation_seconds >= LONG_VALIDATION

    def on_validation_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Leaves a long validation when asked to stop; going on repeats it."""
        if self._saved_for_validation and self.pace.stop.number and trainer.world_size == 1:
            self.pace.interrupted = self.pace.stop.number
            self._leave_if_asked(f"the training part of epoch {trainer.current_epoch + 1}")

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Saves what was trained before an image could not be read, or the disk of the data went away."""
        fed = isinstance(exception, VisusError | OSError) and not isinstance(
            exception, StoppedOnRequest | TrainingDiverged | DiskFullError
        )
        if fed and self._between_steps and trainer.training and trainer.world_size == 1:
            self._save(trainer, task_of(pl_module))
            print(f"A checkpoint was written before the error below. {self.run.go_on}", flush=True)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keeps the weights when they are the best so far; counts the validations when not."""
        task = task_of(pl_module)
        value = monitored(task.numbers, task.measures, self.recipe.monitor)
        if value > self.best or not self.best_epoch:
            self.best, self.best_epoch, self.without_improvement = value, trainer.current_epoch + 1, 0
            self.best_measures = dict(task.numbers)
            self._save_weights(trainer, task)
            return
        self.without_improvement += 1
        patience = self.recipe.early_stop_patience
        if patience is not None and self.without_improvement >= patience:
            self.pace.stop_reason = f"no improvement in {patience} validations"
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Saves, unless the epoch was cut short: then the checkpoint from inside it lets a higher limit finish it."""
        if not self._cut_short:
            self._save(trainer, task_of(pl_module))
        self._saved_for_validation = False
        self._leave_if_asked(f"epoch {trainer.current_epoch + 1}")

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Without any validation the last weights are the best ones."""
        task = task_of(pl_module)
        if not self.best_epoch:
            if task.ema is None:
                self._save_weights(trainer, task)
            else:
                with task.ema.applied(task.model):
                    self._save_weights(trainer, task)

    def state_dict(self) -> dict[str, Any]:
        """What was best so far, and how long ago."""
        names = ("best", "best_measures", "best_epoch", "without_improvement")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from ``state_dict``."""
        for name, value in state_dict.items():
            setattr(self, name, value)

    def _save(self, trainer: pl.Trainer, task: Task) -> None:
        """Writes the checkpoint, unless the weights are ruined."""
        task.guard.look()
        check_weights(task.model, task.rounds)
        task.average_buffers()
        trainer.save_checkpoint(self.run.checkpoint, weights_only=False)  # by `visus.training.checkpoint`
        self._saved_at = self.pace.elapsed

    def _save_weights(self, trainer: pl.Trainer, task: Task) -> None:
        check_weights(task.model, task.rounds)
        weights = whole(task.model.state_dict())
        if trainer.is_global_zero:
            state = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
            self.run.save_weights(state, task.recipe, self.schema, frozen_eps=frozen_eps(task.model))

    def _leave_if_asked(self, where: str) -> None:
        if self.pace.interrupted:
            raise StoppedOnRequest(f"Stopped after {where}, as asked. {self.run.go_on}", self.pace.interrupted)


def monitored(numbers: Mapping[str, float], measures: Mapping[str, Measure], monitor: str) -> float:
    """What is to grow: the merit of the number that ``monitor`` names; minus infinity where nothing was measured.

    An empty ``monitor`` takes the first headline of the metric, or the loss where there is no metric; ``loss`` and
    ``val loss`` are the same.

    Args:
        numbers: what the validation measured.
        measures: what each number means.
        monitor: the name.

    Raises:
        VisusError: for a name that the validation did not measure.
    """
    if not monitor:
        key = next(iter(metric_headlines(numbers, measures)), "val loss")
    else:
        check_monitor(monitor, numbers)
        key = f"val {monitor}" if f"val {monitor}" in numbers else monitor
    return measures[key].merit(numbers[key])


def check_monitor(monitor: str, known: Iterable[str]) -> None:
    """Refuses to monitor what will never be measured.

    Args:
        monitor: the name, empty for the first headline.
        known: the names of all numbers, losses with ``val `` in front.

    Raises:
        VisusError: no number has that name.
    """
    names = list(known)
    if monitor and monitor not in names and f"val {monitor}" not in names:
        raise VisusError(f"fit.monitor must be one of {', '.join(names)}, not {monitor!r}.")


def metric_headlines(numbers: Mapping[str, float], measures: Mapping[str, Measure]) -> list[str]:
    """The names of what to look at first among a metric's ``numbers``; none where all are losses."""
    measured = {name: measures[name] for name in numbers if measures[name] is not LOSS}
    return headlines(measured)


def current_lr(trainer: pl.Trainer) -> float:
    """The learning rate of the fastest group; 0 where nothing learns by one."""
    rates = (float(group["lr"]) for optimizer in trainer.optimizers for group in optimizer.param_groups)
    return max(rates, default=0.0)


def _named(stage: str, losses: dict[str, float]) -> dict[str, float]:
    """``train loss``, ``train box`` ..."""
    return {f"{stage} {name}": value for name, value in losses.items()}


def _log(trainer: pl.Trainer, values: Mapping[str, float], step: int) -> None:
    """Hands numbers to the loggers, in groups by the first word: ``train/loss``, ``box/AP50``."""
    for logger in trainer.loggers:
        logger.log_metrics({name.replace(" ", "/", 1): value for name, value in values.items()}, step=step)
