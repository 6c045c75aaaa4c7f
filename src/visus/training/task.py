"""The task that every system shares: one step for training, validation and test, on Lightning's engine.

A system brings a model, a criterion and a metric; the task joins them. What is random in a step is drawn from
(seed, epoch, batch, process) alone, so that a resumed run repeats an uninterrupted one without any saved generator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import pytorch_lightning as pl
import torch
import torch.distributed
from torch import Tensor, nn
from torchmetrics import Metric

from visus.training.ema import Ema
from visus.training.guard import LossGuard
from visus.training.means import LossMeans
from visus.training.numbers import in_float32, seed_device, seed_for
from visus.training.optim import build_optimizer
from visus.training.recipe import Recipe
from visus.types import Batch, Prediction

Criterion = Callable[[Any, list[Any]], dict[str, Tensor]]
Stage = Literal["train", "val", "test"]


class Postprocess(Protocol):
    """Turns a model's outputs into predictions in the pixels of ``sizes``."""

    def __call__(self, outputs: Any, sizes: Sequence[tuple[int, int]]) -> list[Prediction]:
        """The predictions, one for each image."""


class Task(pl.LightningModule):
    """A model that learns and is measured.

    Args:
        model: ``model(images, targets)`` gives the outputs, ``model.postprocess(outputs, sizes)`` the predictions; one
            with the attribute ``channels_last = True`` runs in that memory format.
        criterion: named scalar losses of the outputs; their sum is what is minimised. A module's own parameters learn.
        metric: takes predictions and targets; ``compute()`` gives named numbers, larger is better.
        recipe: the optimiser, the average of the weights, the seed.
        vary: changes a whole training batch at random, such as mixing its pictures.
        val_losses: False where the losses make no sense on validation data, whose classes are not the learned ones.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        criterion: Criterion,
        metric: Metric,
        recipe: Recipe,
        vary: Callable[[Batch], Batch] | None = None,
        val_losses: bool = True,
    ) -> None:
        super().__init__()
        self.channels_last = bool(getattr(model, "channels_last", False))
        self.model = model.to(memory_format=torch.channels_last) if self.channels_last else model  # type: ignore[call-overload]
        self.criterion = criterion
        self.metric = metric
        self.recipe = recipe
        self.vary = vary
        self.val_losses = val_losses
        self.ema: Ema | None = None
        self.guard = LossGuard()
        self.train_means, self.recent_means, self.val_means = LossMeans(), LossMeans(), LossMeans()
        self.measures: dict[str, float] = {}
        self._saved_ema: dict[str, object] | None = None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss to descend."""
        return self._step(batch, batch_idx, "train")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Losses and predictions of a validation batch."""
        self._step(batch, batch_idx, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Losses and predictions of a test batch."""
        self._step(batch, batch_idx, "test")

    def _step(self, batch: Batch, index: int, stage: Stage) -> Tensor:
        epoch = self.current_epoch
        seed_device(seed_for(self.recipe.fit.seed, stage, epoch, index, self.global_rank), self.device)
        if stage == "train" and self.vary is not None:
            batch = self.vary(batch)
        outputs = self.model(batch.images, batch.targets)
        if stage != "train":
            sizes = [target.size for target in batch.targets]
            self.metric.update(self.model.postprocess(outputs, sizes), batch.targets)  # type: ignore[operator]
            if not self.val_losses:
                return batch.images.pixels.new_zeros((), dtype=torch.float32)
        with torch.autocast(self.device.type, enabled=False):
            losses = self.criterion(in_float32(outputs, except_fields=("features",)), batch.targets)
        terms, values = tuple(losses), torch.stack([value.float() for value in losses.values()])
        self.guard.watch(terms, values.detach(), epoch=epoch, batch=index, paths=batch.paths)
        for means in (self.train_means, self.recent_means) if stage == "train" else (self.val_means,):
            means.add(terms, values.detach())
        return values.sum()

    def on_fit_start(self) -> None:
        """Begins the average of the weights, or takes up the saved one."""
        on_cpu = self.device.type == "cpu"
        self.guard = LossGuard(1 if on_cpu else self.recipe.fit.log_every_steps)
        if self.recipe.fit.ema_decay is not None:
            self.ema = Ema(self.model, self.recipe.fit.ema_decay)
            if self._saved_ema is not None:
                self.ema.load_state_dict(self._saved_ema)
        self._saved_ema = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The recipe's optimiser; `Pace` sets its learning rate at every step."""
        criterion = self.criterion if isinstance(self.criterion, nn.Module) else None
        return build_optimizer(self.model, self.recipe.optim, criterion)

    def optimizer_step(self, *args: Any) -> None:
        """Steps, then moves the average."""
        super().optimizer_step(*args)
        if self.ema is not None:
            self.ema.update(self.model)

    def on_validation_start(self) -> None:
        """Puts the averaged weights in place and forgets the measures of the validation before."""
        self.average_buffers()
        if self.ema is not None:
            self.ema.swap(self.model)
        self.val_means.reset()
        self.metric.reset()

    def on_validation_epoch_end(self) -> None:
        """Measures; losses are named ``val loss``, ``val box`` ..., the metric's numbers as the metric names them."""
        self.guard.look()
        losses = {f"val {name}": value for name, value in self.val_means.compute(over_processes=True).items()}
        numbers = {name: float(value) for name, value in self.metric.compute().items()}
        self.metric.reset()
        self.measures = {**losses, **numbers}

    def on_validation_end(self) -> None:
        """Puts the weights that learn back in place."""
        if self.ema is not None:
            self.ema.swap(self.model)

    def average_buffers(self) -> None:
        """Averages what each process counted for itself, such as the statistics of batch norms."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            for buffer in self.model.buffers():
                if buffer.is_floating_point():
                    torch.distributed.all_reduce(buffer)
                    buffer /= torch.distributed.get_world_size()

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """The batch on ``device``; the copy overlaps with computing where the memory is pinned."""
        return batch if device.type == "cpu" else batch.to(device, non_blocking=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the average of the weights, and the means of the losses so far."""
        checkpoint["ema"] = self.ema.state_dict() if self.ema is not None else None
        checkpoint["means"] = [means.state_dict() for means in (self.train_means, self.recent_means)]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes up where the checkpoint left."""
        self._saved_ema = checkpoint["ema"]
        for means, state in zip((self.train_means, self.recent_means), checkpoint["means"], strict=True):
            means.load_state_dict(state)
