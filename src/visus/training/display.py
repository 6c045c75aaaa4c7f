"""What a person sees while a model trains: a live line on a terminal, plain lines in a file or a pipe."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.live import Live
from rich.text import Text

from visus.metrics.metric import LOSS, Measure
from visus.training.pace import Pace, task_of
from visus.training.records import Checkpoints, current_lr, metric_headlines

REFRESH_SECONDS = 0.25
PLAIN_SECONDS = 60.0
"""Seconds between two lines inside an epoch where there is no terminal."""

_BAR = 24  # letters of the bar on a wide terminal
_LEAST_BAR = 8
_ALWAYS, _RATE = 3, 2  # speed, time to the end and loss stay; the learning rate stands before the loss


class Display(pl.Callback):
    """Shows epoch, speed, losses, learning rate and the time to the end.

    Args:
        pace: tells how far the run has come.
        checkpoints: tells which epoch is the best.
        console: where to; a terminal that can move its cursor gets a live line, anything else plain lines.
    """

    def __init__(self, pace: Pace, checkpoints: Checkpoints, console: Console) -> None:
        self.pace, self.checkpoints, self.console = pace, checkpoints, console
        self._live: Live | None = None
        self._shown = self._epoch_began = 0.0
        self._batches = 0  # since the line was shown last
        self._speed = 0.0
        self._best_shown = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Opens the live line."""
        self._shown = self._epoch_began = time.monotonic()
        self._best_shown = self.checkpoints.best_epoch
        if trainer.is_global_zero and self.console.is_terminal and not self.console.is_dumb_terminal:
            self._live = Live(Text("starting"), console=self.console, auto_refresh=False, transient=True)
            self._live.start(refresh=True)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Notes the time. The speed is that of steps: it does not count what lies between epochs."""
        self._epoch_began = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Refreshes, a few times a second at most."""
        now = time.monotonic()
        self._batches += 1
        seconds = now - self._shown
        if not trainer.is_global_zero or seconds < (PLAIN_SECONDS if self._live is None else REFRESH_SECONDS):
            return
        self._speed = smoothed(self._speed, self._batches / max(seconds, 1e-6))
        self._shown, self._batches = now, 0
        done, total = batch_idx + 1, int(trainer.num_training_batches)
        if self._live is None:
            parts = (self._epoch(trainer), f"{done}/{total}", *self._parts(trainer, pl_module))
            self.console.print("  ".join(parts), soft_wrap=True, highlight=False, markup=False)
        else:
            self._update(trainer, done, total, self._parts(trainer, pl_module))

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
            self._update(trainer, batch_idx + 1, int(sum(trainer.num_val_batches)), ["validating"])

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Speed is measured from here on."""
        self._shown, self._batches = time.monotonic(), 0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Prints what the epoch came to; runs after `Task` measured and before the means are forgotten."""
        if not trainer.is_global_zero:
            return
        task = task_of(pl_module)
        is_best = self.checkpoints.best_epoch > self._best_shown
        self._best_shown = self.checkpoints.best_epoch
        losses = task.train_means.compute(over_processes=False)
        parts = [Text(self._epoch(trainer), style="cyan"), Text(f"loss {losses.get('loss', float('nan')):.4f}")]
        for name in shown_numbers(task.numbers, task.measures):
            value = _digits(task.numbers[name], task.measures[name])
            parts.append(Text.assemble(f"{name} ", (value, "bold")))
        rate, took = Text(f"lr {current_lr(trainer):.1e}", style="dim"), clock(time.monotonic() - self._epoch_began)
        parts += [rate, Text(took, style="dim")]
        if is_best:
            parts.append(Text("best", style="bold green"))
        if self.console.is_terminal and sum(map(len, parts)) + 2 * len(parts) > self.console.width:
            parts.remove(rate)
        self.console.print(Text("  ").join(parts), soft_wrap=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Closes the live line."""
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Closes the live line, so that the message stands below it."""
        self._close()

    def _parts(self, trainer: pl.Trainer, module: pl.LightningModule) -> list[str]:
        """Speed, time to the end, learning rate, loss and its terms."""
        losses = task_of(module).train_means.compute(over_processes=False)
        total = losses.pop("loss", float("nan"))
        first = [speed(self._speed), f"ETA {clock(self.pace.seconds_left)}", f"lr {current_lr(trainer):.1e}"]
        return [*first, f"loss {total:.3f}", *(f"{name} {value:.3f}" for name, value in losses.items())]

    def _epoch(self, trainer: pl.Trainer) -> str:
        total = str(self.pace.recipe.fit.epochs)
        return f"epoch {trainer.current_epoch + 1:>{len(total)}}/{total}"

    def _update(self, trainer: pl.Trainer, done: int, total: int, parts: Sequence[str]) -> None:
        assert self._live is not None
        width, plain = self.console.width, self.console.options.ascii_only
        line = live_line(self._epoch(trainer), done, total, parts, width, ascii_only=plain)
        self._live.update(line, refresh=True)

    def _close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def live_line(epoch: str, done: int, total: int, parts: Sequence[str], width: int, *, ascii_only: bool = False) -> Text:
    """A line that fits a terminal: the epoch, a bar, how far it is, and as many of ``parts`` as have room.

    Args:
        epoch: comes first.
        done: batches of ``total``.
        total: of the epoch, or of the validation.
        parts: speed, time to the end, learning rate, loss and its terms. Where there is no room the last terms go, then
            the learning rate, then letters of the bar, then the bar.
        width: of the terminal, in letters.
        ascii_only: whether it shows no other letters.
    """
    done_, open_ = "=-" if ascii_only else "━─"  # of two shapes: some terminals show no colours
    count, shown = f"{done}/{total}", list(parts)
    room = width - 1 - len(epoch) - 1 - len(count)  # the last column stays free: some terminals wrap there
    while len(shown) > _ALWAYS and _length(shown) + _LEAST_BAR + 1 > room:
        del shown[-1 if len(shown) > _ALWAYS + 1 else _RATE]
    bar = min(_BAR, room - _length(shown) - 1)
    line = Text(epoch, style="bold cyan", no_wrap=True, overflow="ellipsis")
    if bar >= _LEAST_BAR:
        filled = round(bar * min(done / max(total, 1), 1.0))
        line.append(" ").append(done_ * filled, style="cyan").append(open_ * (bar - filled), style="bright_black")
    line.append(f" {count}", style="green")
    for place, part in enumerate(shown):
        line.append(f"  {part}", style="default" if place <= _ALWAYS else "dim default")
    return line


def _length(parts: Sequence[str]) -> int:
    return sum(len(part) + 2 for part in parts)


def smoothed(before: float, now: float) -> float:
    """A speed that follows the measured one without trembling."""
    return now if not before else 0.7 * before + 0.3 * now


def speed(per_second: float) -> str:
    """Steps a second, or seconds a step where those are fewer than one.

    >>> speed(12.34), speed(0.25), speed(0)
    ('12.3 it/s', '4.0 s/it', '- it/s')
    """
    if not per_second:
        return "- it/s"
    return f"{per_second:.1f} it/s" if per_second >= 1 else f"{1 / per_second:.1f} s/it"


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
