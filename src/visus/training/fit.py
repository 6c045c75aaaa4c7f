"""The fit: a task, its loaders and its recipe on Lightning's Trainer, recorded in a run folder."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import Strategy
from torch import nn
from torch.utils.data import DataLoader

from visus.stopping import StoppedOnRequest
from visus.terminal import console
from visus.training.checkpoint import WholeCheckpoints, check_checkpoint
from visus.training.display import Display
from visus.training.loaders import EpochLoader
from visus.training.loggers import make_loggers
from visus.training.pace import Pace
from visus.training.processes import Processes, others_needed, quiet_engine
from visus.training.recipe import Recipe, RecipeError
from visus.training.records import Checkpoints, History
from visus.training.run import RunFolder, resumable_run
from visus.training.task import Task
from visus.types import Batch, Schema


@dataclass(frozen=True)
class FitResult:
    """How a fit ended.

    ``history`` has one row an epoch; ``best_measures`` are those of ``best_epoch`` (from 1; 0 without validation),
    whose weights are the saved ones; ``stop_reason`` is empty where all epochs were trained; ``is_main`` is False in
    the helping processes of a distributed run.
    """

    history: list[dict[str, float]]
    best_epoch: int
    best_measures: dict[str, float]
    stop_reason: str
    is_main: bool


def fit(
    task: Task,
    train_loader: DataLoader[Batch],
    val_loader: DataLoader[Batch] | None,
    recipe: Recipe,
    run: RunFolder,
    *,
    schema: Schema,
    resume: bool = False,
    loggers: list[Logger] | None = None,
) -> FitResult:
    """Trains ``task`` and leaves weights, checkpoint and history in ``run``; the best weights are in the files.

    Args:
        task: what learns.
        train_loader: made by `visus.data.feed.loader.make_loader`, as the order of batches must follow from the epoch.
        val_loader: as well; None never validates, and the last weights are saved.
        recipe: how long, on what.
        run: the folder, which exists.
        schema: what the labels mean, saved with the weights.
        resume: go on from the checkpoint in ``run``: to the same numbers as if it had never stopped.
        loggers: Lightning loggers; what ``fit.logger`` asks for when None.

    Raises:
        TrainingDiverged: a loss is not finite.
        StoppedOnRequest: somebody pressed Ctrl-C or sent SIGTERM; a checkpoint was written first.
        ProcessLostError: another process of a distributed run has died.
        RunError: there is no checkpoint to resume, or one that is damaged or of another model.
    """
    checkpoint = resumable_run(run.path).checkpoint if resume else None
    rounds = check_checkpoint(checkpoint, task.model) if checkpoint else None
    pace = Pace(recipe)
    history = History(run, pace, recipe.fit.log_every_steps)
    checkpoints = Checkpoints(run, pace, recipe.fit, schema)
    display = Display(pace, checkpoints, console(markup=True))
    if loggers is None:
        loggers = make_loggers(recipe, run, rounds=rounds)
    # What divides the weights changes the network for good; whoever goes on with the task needs it as it was.
    network = copy.deepcopy(task.model) if recipe.fit.strategy == "fsdp2" else task.model
    with quiet_engine(), pace.stop:
        callbacks: list[pl.Callback] = [pace, display, history, checkpoints]
        trainer = _trainer(task, run, callbacks, loggers)
        epochs: Any = trainer.fit_loop.epoch_progress.current
        train = EpochLoader(train_loader, lambda: int(epochs.processed))
        try:
            with others_needed(run.go_on):
                trainer.fit(task, train, val_loader, ckpt_path=checkpoint, weights_only=True)
        finally:
            train.close()
    task.model = network
    is_main = trainer.is_global_zero
    if pace.stop.number:  # too late for the last batch
        raise StoppedOnRequest(f"Stopped after the last epoch, as asked. {run.go_on}", pace.stop.number)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    return FitResult(history.epochs, checkpoints.best_epoch, checkpoints.best_measures, pace.stop_reason, is_main)


def _trainer(task: Task, run: RunFolder, callbacks: list[pl.Callback], loggers: list[Logger]) -> pl.Trainer:
    """Lightning's Trainer with everything off that visus does itself."""
    settings = task.recipe.fit
    return pl.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.nodes,
        strategy=_strategy(task, run),
        precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
        max_epochs=settings.epochs,
        check_val_every_n_epoch=settings.val_every_epochs,
        log_every_n_steps=10**9,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        inference_mode=False,
        logger=loggers,
        callbacks=callbacks,
        plugins=[WholeCheckpoints()],
        default_root_dir=run.path,
    )


def _check_sharding(task: Task) -> None:
    """Refuses to divide the weights of what is not divided.

    Raises:
        RecipeError: says what stands in the way.
    """
    fit, criterion = task.recipe.fit, task.criterion
    learns = isinstance(criterion, nn.Module) and any(one.requires_grad for one in criterion.parameters())
    obstacles = {
        "divides the weights among several processes, and there is one: set fit.devices": fit.devices * fit.nodes == 1,
        "does not divide a running average: leave fit.ema_decay out": fit.ema_decay is not None,
        f"does not suit {task.recipe.model}, which learns by rounds of its own": task.has_own_update,
        f"does not suit {task.recipe.model}, whose loss has weights of its own": learns,
    }
    for obstacle, there in obstacles.items():
        if there:
            raise RecipeError(f"fit.strategy fsdp2 {obstacle}")


def _strategy(task: Task, run: RunFolder) -> str | Strategy:
    """One process, or several with the gradients averaged; `Task.average_buffers` takes care of the buffers.

    Raises:
        RecipeError: ``fit.strategy`` asks for what does not suit the task.
    """
    settings = task.recipe.fit
    if settings.strategy == "fsdp2":
        _check_sharding(task)
    if settings.devices * settings.nodes == 1:
        return "auto"
    if settings.strategy == "fsdp2":
        from visus.training.sharded import ShardedProcesses

        return ShardedProcesses(run.go_on, some_unused=False)
    # An update of its own may leave some parameters out of each backward pass, which must not be waited for.
    return Processes(run.go_on, some_unused=task.has_own_update)
