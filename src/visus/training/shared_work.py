"""A list of work that processes on several devices and machines share: Lightning's prediction, without a network.

The first process makes the list, each one does its share of it, and the first one is told what became of all of it. No
process waits for another one before the end.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import pytorch_lightning as pl
import torch
import torch.distributed
from torch.utils.data import DataLoader

from visus.errors import VisusError
from visus.ops.processes import gathered, share_of_this_process
from visus.training.processes import Processes, others_needed, quiet_engine

Piece = TypeVar("Piece")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Sharing:
    """Who does the work.

    Args:
        accelerator: kind of device, as in ``fit.accelerator``.
        devices: processes on each machine.
        nodes: machines.
        at_once: pieces that are handed over together.
        advice: what to do where a process is lost.
    """

    accelerator: str
    devices: int
    nodes: int
    at_once: int
    advice: str


def shared_work(
    listed: Callable[[], Sequence[Piece]],
    begin: Callable[[torch.device], Callable[[Sequence[Piece]], Outcome]],
    sharing: Sharing,
) -> list[Outcome] | None:
    """Does pieces of work in several processes; the last outcome of each that did any, None but in the first process.

    The other processes of this machine are started, and repeat the command, unless torchrun or a scheduler has.

    Args:
        listed: gives all pieces; called in the first process alone, once there are the others. They are pickled.
        begin: called in each process with its device; gives what does some pieces and tells what it has done so far.
        sharing: who does the work.

    Raises:
        VisusError: that of the first process that had one; the others did all of their share.
        ProcessLostError: a process is gone.
    """
    work = _Work(listed, begin, sharing.at_once)
    accelerator: Any = sharing.accelerator
    with quiet_engine(), others_needed(sharing.advice):
        warnings.filterwarnings("ignore", message=".*(zero length|across ranks is zero).*")  # all was done before
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=sharing.devices,
            num_nodes=sharing.nodes,
            strategy=Processes(sharing.advice, some_unused=False),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            inference_mode=False,
            use_distributed_sampler=False,
        )
        trainer.predict(work, return_predictions=False)
        told = gathered((work.error, work.outcome))
        if share_of_this_process()[1] > 1:
            torch.distributed.barrier()
            torch.distributed.destroy_process_group()
    if not trainer.is_global_zero:
        return None
    if errors := [error for error, _ in told if error]:
        raise VisusError(errors[0])
    return [outcome for _, outcome in told if outcome is not None]


class _Work(pl.LightningModule, Generic[Piece, Outcome]):
    """What Lightning takes for a network: its batches are pieces of work."""

    def __init__(
        self,
        listed: Callable[[], Sequence[Piece]],
        begin: Callable[[torch.device], Callable[[Sequence[Piece]], Outcome]],
        at_once: int,
    ) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True  # fewer pieces than processes
        self.listed, self.begin, self.at_once = listed, begin, at_once
        self.do: Callable[[Sequence[Piece]], Outcome] | None = None
        self.outcome: Outcome | None = None
        self.error = ""

    def predict_dataloader(self) -> DataLoader[Piece]:
        """Every n-th piece of the list of the first process."""
        pieces: Sequence[Piece] = []
        if self.trainer.is_global_zero:
            try:
                pieces = self.listed()
            except VisusError as error:  # told in the end, when no process waits for the list any more
                self.error = str(error)
        pieces = self.trainer.strategy.broadcast(pieces)
        rank, processes = share_of_this_process()
        return DataLoader(cast(Any, pieces[rank::processes]), batch_size=self.at_once, collate_fn=_as_they_are)

    def predict_step(self, batch: Sequence[Piece], batch_idx: int) -> bool:
        """Does some pieces, after an error no more; whether they are done: Lightning warns of steps without result."""
        if self.error:
            return False
        try:
            if self.do is None:
                self.do = self.begin(self.device)
            self.outcome = self.do(batch)
        except VisusError as error:
            self.error = str(error)
        return not self.error


def _as_they_are(pieces: list[Any]) -> list[Any]:
    return pieces
