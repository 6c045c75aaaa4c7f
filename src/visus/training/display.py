"""What a person sees while a model trains: a live line on a terminal, plain lines in a file or a pipe."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from visus.metrics.metric import LOSS, Measure
from visus.training.pace import Pace, task_of
from visus.training.records import Checkpoints, current_lr, metric_headlines

REFRESH_SECONDS = 0.25
PLAIN_SECONDS = 60.0
"""Seconds between two lines inside an epoch where there is no terminal."""


class Display(pl.Callback):
    """Shows epoch, speed, losses, learning rate and the time to the end.

    Args:
        pace: tells how far the run has come.
        checkpoints: tells which epoch is the best.
        console: where to; a terminal gets a live line, anything else plain lines.
    """

    def __init__(self, pace: Pace, checkpoints: Checkpoints, console: Console) -> None:
        self.pace, self.checkpoints, self.console = pace, checkpoints, console
        self._live: Progress | None = None
        self._row: TaskID | None = None
        self._shown = self._epoch_began = 0.0
        self._batches_shown = 0
        self._speed = 0.0
        self._best_shown = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Opens the live line."""
        self._shown = self._epoch_began = time.monotonic()
        self._best_shown = self.checkpoints.best_epoch
        if not trainer.is_global_zero:
            return
        if self.console.is_terminal:
            columns = (
                TextColumn("[bold cyan]{task.description}"),
                BarColumn(bar_width=24, complete_style="cyan", finished_style="cyan"),
                MofNCompleteColumn(),
                TextColumn("{task.fields[numbers]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
            )
            self._live = Progress(*columns, console=self.console, auto_refresh=False, transient=True)
            self._live.start()
            self._row = self._live.add_task("starting", total=int(trainer.num_training_batches), numbers="")

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Notes the time."""
        self._epoch_began = time.monotonic()
        self._batches_shown = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Refreshes, a few times a second at most."""
        now = time.monotonic()
        seconds = now - self._shown
        if not trainer.is_global_zero or seconds < (PLAIN_SECONDS if self._live is None else REFRESH_SECONDS):
            return
        speed = max(0, batch_idx + 1 - self._batches_shown) / seconds
        self._speed = speed if not self._speed else 0.7 * self._speed + 0.3 * speed
        self._shown, self._batches_shown = now, batch_idx + 1
        numbers = self._numbers(trainer, pl_module)
        if self._live is None:
            count = f"{batch_idx + 1}/{trainer.num_training_batches}"
            self.console.print(f"{self._epoch(trainer)}  {count}  {numbers.plain}", soft_wrap=True, highlight=False)
        else:
            total = int(trainer.num_training_batches)
            self._update(self._epoch(trainer), batch_idx + 1, total, numbers.markup)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Shows how far the validation is."""
        now = time.monotonic()
        if self._live is not None and now - self._shown >= REFRESH_SECONDS:
            self._shown = now
            total = int(sum(trainer.num_val_batches))
            self._update(self._epoch(trainer), batch_idx + 1, total, "[dim]validating")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Speed is measured from here on."""
        self._shown = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Prints what the epoch came to; runs after `Task` measured and before the means are forgotten."""
        if not trainer.is_global_zero:
            return
        task = task_of(pl_module)
        is_best = self.checkpoints.best_epoch > self._best_shown
        self._best_shown = self.checkpoints.best_epoch
        losses = task.train_means.compute(over_processes=False)
        line = Text(self._epoch(trainer), style="cyan")
        line.append(f"  loss {losses.get('loss', float('nan')):.4f}", style="default")
        for name in shown_numbers(task.numbers, task.measures):
            line.append(f"  {name} ", style="default")
            line.append(_digits(task.numbers[name], task.measures[name]), style="bold default")
        line.append(f"  lr {current_lr(trainer):.1e}  {clock(time.monotonic() - self._epoch_began)}", style="dim")
        if is_best:
            line.append("  best", style="bold green")
        self.console.print(line, soft_wrap=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Closes the live line."""
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Closes the live line, so that the message stands below it."""
        self._close()

    def _numbers(self, trainer: pl.Trainer, module: pl.LightningModule) -> Text:
        """Speed, time to the end, learning rate, losses: the last are cut where the line ends."""
        losses = task_of(module).train_means.compute(over_processes=False)
        total = losses.pop("loss", float("nan"))
        text = Text(f"{self._speed:.1f} it/s  ETA {clock(self.pace.seconds_left)}  lr {current_lr(trainer):.1e}  loss ")
        text.append(f"{total:.3f}", style="bold")
        if losses:
            text.append("  " + "  ".join(f"{name} {value:.3f}" for name, value in losses.items()), style="dim")
        return text

    def _epoch(self, trainer: pl.Trainer) -> str:
        total = str(self.pace.recipe.fit.epochs)
        return f"epoch {trainer.current_epoch + 1:>{len(total)}}/{total}"

    def _update(self, title: str, done: int, total: int, numbers: str) -> None:
        assert self._live is not None
        assert self._row is not None
        self._live.update(self._row, description=title, completed=done, total=total, numbers=numbers, refresh=True)

    def _close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def shown_numbers(numbers: Mapping[str, float], measures: Mapping[str, Measure], limit: int = 4) -> list[str]:
    """The names of the numbers that fit on a line: the validation loss, and the headlines of the metric."""
    total = [name for name in ("val loss",) if name in numbers]
    return [*total, *metric_headlines(numbers, measures)][:limit]


def _digits(value: float, measure: Measure) -> str:
    """A number at a length that stays the same from epoch to epoch."""
    return f"{value:.4f}" if measure is LOSS else f"{value:.3f}" if measure.unit == "share" else f"{value:.4g}"


def clock(seconds: float) -> str:
    """Seconds as ``4.2 s``, ``42 s``, ``2:05`` or ``1:02:05``; ``-`` where unknown."""
    if seconds == float("inf"):
        return "-"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
