"""The task that every problem shares: one step for training, validation and test, on Lightning's engine.

A problem brings a model, a criterion and a metric; the task joins them. What is random in a step is drawn from (seed,
epoch, batch, process) alone, so that a resumed run repeats an uninterrupted one without any saved generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from pytorch_lightning.strategies import ParallelStrategy
from torch import Tensor, nn

from visus.data.feed.samplers import EpochSampler
from visus.metrics.metric import LOSS, Measure, Metric
from visus.nn.model import predict_batch
from visus.nn.weights import frozen_eps, set_frozen_eps
from visus.ops.processes import share_of_this_process, sum_over_processes
from visus.training.checkpoint import share_out
from visus.training.ema import Ema
from visus.training.guard import LossGuard
from visus.training.means import LossMeans
from visus.training.numbers import in_float32, seed_device, seed_for
from visus.training.recipe import Recipe
from visus.training.update import GradientDescent, Round, Update
from visus.types import Batch

Criterion = Callable[[Any, list[Any]], dict[str, Float[Tensor, ""]]]
Stage = Literal["train", "val", "test"]


class Task(pl.LightningModule):
    """A model that learns and is measured.

    Args:
        model: a `visus.nn.model.Model`.
        criterion: named scalar losses of the outputs; their sum is what is minimised. A module's own parameters learn.
        metric: takes predictions and batches.
        recipe: the optimiser, the average of the weights, the seed.
        update: the rounds of training; None is gradient descent with the recipe's optimiser.
        vary: changes a whole training batch at random, such as mixing its images.
        val_losses: False where the losses make no sense on validation data, whose classes are not the learned ones.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        criterion: Criterion,
        metric: Metric,
        recipe: Recipe,
        update: Update | None = None,
        vary: Callable[[Batch], Batch] | None = None,
        val_losses: bool = True,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False  # the update does it
        network: Any = model
        self.model = network.to(memory_format=torch.channels_last) if network.channels_last else model
        self.criterion = criterion
        self.metric = metric
        self.recipe = recipe
        self.rounds = 0
        """Rounds of training done: optimiser steps, where an update has one optimiser."""
        self.vary = vary
        self.val_losses = val_losses
        self.ema: Ema | None = None
        self.guard = LossGuard()
        self.train_means, self.recent_means, self.val_means = LossMeans(), LossMeans(), LossMeans()
        self.numbers: dict[str, float] = {}
        """What the last validation measured: losses as ``val loss``, ``val box`` ..., then the metric's numbers."""
        self.has_own_update = update is not None
        self._update = update or GradientDescent(self.model, criterion, recipe.optim)
        self._saved_ema: dict[str, object] | None = None

    @property
    def measures(self) -> Mapping[str, Measure]:
        """What each of `numbers` means."""
        losses = {name: LOSS for name in self.numbers if name not in self.metric.measures}
        return {**losses, **self.metric.measures}

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One round of training, or a part of one."""
        self._seed("train", batch_idx)
        if self.vary is not None:
            batch = self.vary(batch)
        accumulate = self.recipe.fit.accumulate
        step = Round(
            batch=batch,
            evaluate=partial(self.losses, batch),
            backward=self._backward,
            watch=partial(self._watch, batch_idx, batch.paths),
            share=1 / accumulate,
            complete=(batch_idx + 1) % accumulate == 0 or self.trainer.is_last_batch,
            clip_norm=self.recipe.optim.clip_norm,
        )
        with nullcontext() if step.complete else self._alone():
            self._update.round(step)
        terms, values = tuple(step.losses), torch.stack(list(step.losses.values()))
        for means in (self.train_means, self.recent_means):
            means.add(terms, values)
        if step.complete:
            self.rounds += 1
            if self.ema is not None:
                self.ema.update(self.model)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Losses and predictions of a validation batch."""
        self._evaluate(batch, batch_idx, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Losses and predictions of a test batch."""
        self._evaluate(batch, batch_idx, "test")

    def _evaluate(self, batch: Batch, index: int, stage: Stage) -> None:
        self._seed(stage, index)
        outputs, predictions = predict_batch(self.model, batch.inputs, batch.targets)
        self.metric.update(predictions, batch)
        if self.val_losses:
            losses = self._criticised(outputs, batch)
            self._watch(index, batch.paths, losses)
            values = torch.stack([value.detach() for value in losses.values()])
            self.val_means.add(tuple(losses), values, counts=not self._repeats(index, stage))

    def _repeats(self, index: int, stage: Stage) -> bool:
        """Whether a batch only gives each process as many: metrics know its images again, a mean of losses does not."""
        loader: Any = self.trainer.test_dataloaders if stage == "test" else self.trainer.val_dataloaders
        sampler: EpochSampler = loader.batch_sampler
        return index * self.trainer.world_size + self.global_rank >= sampler.different

    def losses(self, batch: Batch) -> Mapping[str, Float[Tensor, ""]]:
        """The losses of the model on a batch."""
        return self._criticised(self.model(batch.inputs, batch.targets), batch)

    def _criticised(self, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """The losses of outputs, in float32."""
        with torch.autocast(self.device.type, enabled=False):
            losses = self.criterion(in_float32(outputs, except_fields=("features",)), batch.targets)
        return {name: value.float() for name, value in losses.items()}

    def _backward(self, loss: Tensor) -> None:
        """Adds gradients; each in the type of the step forward that it belongs to, which autocast would change."""
        with torch.autocast(self.device.type, enabled=False):
            self.manual_backward(loss)

    def _alone(self) -> AbstractContextManager[None]:
        """Inside, gradients stay with this process; those of a round travel once, with its last batch."""
        strategy = self.trainer.strategy
        return strategy.block_backward_sync() if isinstance(strategy, ParallelStrategy) else nullcontext()

    def _seed(self, stage: Stage, index: int) -> None:
        seed = seed_for(self.recipe.fit.seed, stage, self.current_epoch, index, self.global_rank)
        seed_device(seed, self.device)

    def _watch(self, index: int, paths: Sequence[str], losses: Mapping[str, Tensor]) -> None:
        values = torch.stack([value.detach() for value in losses.values()])
        self.guard.watch(tuple(losses), values, epoch=self.current_epoch, batch=index, paths=paths)

    def on_fit_start(self) -> None:
        """Begins the average of the weights, or takes up the saved one."""
        on_cpu = self.device.type == "cpu"
        self.guard = LossGuard(1 if on_cpu else self.recipe.fit.log_every_steps)
        if self.recipe.fit.ema_decay is not None:
            self.ema = Ema(self.model, self.recipe.fit.ema_decay)
            if self._saved_ema is not None:
                self.ema.load_state_dict(self._saved_ema)
        self._saved_ema = None

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Those of the update; `Pace` sets their learning rates at every round."""
        return list(self._update.optimizers())

    def on_validation_start(self) -> None:
        """Puts the averaged weights in place and forgets the numbers of the validation before."""
        self.average_buffers()
        if self.ema is not None:
            self.ema.swap(self.model)
        self.val_means.reset()
        self.metric.reset()

    def on_validation_epoch_end(self) -> None:
        """Measures; see `numbers`."""
        self.guard.look()
        losses = {f"val {name}": value for name, value in self.val_means.compute(over_processes=True).items()}
        numbers = {name: float(value) for name, value in self.metric.compute().items()}
        self.metric.reset()
        self.numbers = {**losses, **numbers}

    def on_validation_end(self) -> None:
        """Puts the weights that learn back in place."""
        if self.ema is not None:
            self.ema.swap(self.model)

    def average_buffers(self) -> None:
        """Averages what each process counted for itself, such as the statistics of batch norms."""
        _, processes = share_of_this_process()
        if processes > 1:
            for buffer in self.model.buffers():
                if buffer.is_floating_point():
                    sum_over_processes(buffer)
                    buffer /= processes

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """The batch on ``device``; the copy overlaps with computing where the memory is pinned."""
        return batch if device.type == "cpu" else batch.to(device, non_blocking=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what no state dict holds: the average of the weights, the means of the losses, the frozen epsilon."""
        checkpoint["ema"] = self.ema.state_dict() if self.ema is not None else None
        checkpoint["rounds"], checkpoint["frozen_eps"] = self.rounds, frozen_eps(self.model)
        checkpoint["processes"] = self.trainer.world_size
        checkpoint["means"] = [means.state_dict() for means in (self.train_means, self.recent_means)]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes up where the checkpoint left."""
        self._saved_ema, self.rounds = checkpoint["ema"], checkpoint["rounds"]
        share_out(checkpoint, self.trainer.world_size)
        if (epsilon := checkpoint.get("frozen_eps")) is not None:
            set_frozen_eps(self.model, epsilon)
        for means, state in zip((self.train_means, self.recent_means), checkpoint["means"], strict=True):
            means.load_state_dict(state)
