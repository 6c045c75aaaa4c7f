"""Work that several processes share: starting and joining them, and one plain line where one of them is gone."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed
from lightning_fabric.utilities.distributed import _set_num_threads_if_needed
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.strategies.launchers import _SubprocessScriptLauncher

from visus.errors import VisusError
from visus.ops.processes import share_of_this_process
from visus.stopping import SIGNALS, exit_status

_GONE = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Read error", "timed out", "Timed out")
"""What gloo says, in an error of no kind of its own, when the process at the other end has died."""

_PATIENCE = 10.0  # seconds that a process has to find out by itself that another one is gone


class ProcessLostError(VisusError):
    """Another process of this run has ended before its time; the message says how to go on."""

    def __init__(self, rank: int, processes: int, advice: str) -> None:
        super().__init__(
            f"Process {rank} of {processes} (from 0) lost another one: it was killed, its machine is gone, or it has "
            f"ended with the error above. {advice}"
        )


class Processes(DDPStrategy):
    """Several processes that average their gradients.

    Args:
        advice: how to go on when one of them is gone.
        some_unused: whether a backward pass may leave parameters out, which must then not be waited for.
    """

    def __init__(self, advice: str, *, some_unused: bool) -> None:
        super().__init__(forward_sync_buffers=False, gradient_as_bucket_view=True, find_unused_parameters=some_unused)
        self.advice = advice

    def configure_ddp(self) -> None:
        """Averages gradients where there are any: a network that only counts has none, which DDP refuses."""
        assert self.lightning_module is not None
        if any(parameter.requires_grad for parameter in self.lightning_module.parameters()):
            super().configure_ddp()

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        self._launcher = _Launcher(self.cluster_environment, self.num_processes, self.num_nodes)
        self._launcher.advice = self.advice


class _Launcher(_SubprocessScriptLauncher):
    """Starts the other processes as Lightning does, whose watch over them would end this one without a word."""

    advice = ""

    def launch(self, function: Callable[..., Any], *arguments: Any, trainer: Any = None, **options: Any) -> Any:
        """Starts them, unless torchrun or a scheduler has, and calls ``function``."""
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            self._call_children_scripts()
            threading.Thread(target=self._watch, name="visus-processes", daemon=True).start()
        _set_num_threads_if_needed(self.num_processes)
        return function(*arguments, **options)

    def _watch(self) -> None:
        """Ends this process where another one has died, unless it finds out in time: it may wait for it forever."""
        fine = (0, *map(exit_status, SIGNALS))  # one that was asked to stop has asked all
        while any(process.poll() is None for process in self.procs):
            if any(process.returncode not in (None, *fine) for process in self.procs):
                break
            time.sleep(0.5)
        else:
            if all(process.returncode in fine for process in self.procs):
                return
        time.sleep(_PATIENCE)
        for process in self.procs:
            process.kill()
        print(f"visus: {ProcessLostError(0, self.num_processes * self.num_nodes, self.advice)}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(2)


@contextmanager
def others_needed(advice: str) -> Iterator[None]:
    """Turns the error of a process that waits for one that has died into a line.

    Args:
        advice: how to go on.

    Raises:
        ProcessLostError: another process is gone.
    """
    try:
        yield
    except RuntimeError as error:
        rank, processes = share_of_this_process()
        if processes == 1:  # not yet joined
            rank, processes = (int(os.environ.get(name, 1)) for name in ("RANK", "WORLD_SIZE"))
        known = isinstance(error, torch.distributed.DistError) or any(words in str(error) for words in _GONE)
        if processes == 1 or not known:
            raise
        raise ProcessLostError(rank, processes, advice) from error


@contextmanager
def joined_processes(accelerator: str, devices: int, nodes: int) -> Iterator[torch.device]:
    """Joins the processes of torchrun, or starts the other ones on this machine, which repeat the command.

    Args:
        accelerator: kind of device, as in ``fit.accelerator``.
        devices: processes on this machine.
        nodes: machines.

    Yields:
        The device of this process; inside, torch.distributed knows all of them.
    """
    from lightning_fabric import Fabric

    kinds: Any = accelerator
    with quiet_engine():
        fabric = Fabric(accelerator=kinds, devices=devices, num_nodes=nodes, strategy="ddp")
        fabric.launch()
    yield fabric.device
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def check_agreement(rounds: int, device: torch.device) -> None:
    """Refuses to train processes together that begin at different rounds.

    Raises:
        VisusError: they do.
    """
    told = torch.tensor([rounds, -rounds], device=device)
    torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MAX)
    most, least = int(told[0]), -int(told[1])
    if most != least:
        raise VisusError(
            f"some processes begin at round {least} and others at round {most}: the folder of the run has to lie where "
            "all machines see it"
        )


@contextmanager
def quiet_engine() -> Iterator[None]:
    """Without the engine's own chatter, of which visus says what matters itself."""
    names = ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric")
    parts = ("rank_zero", "distributed")
    chatty = [logging.getLogger(f"{name}.utilities.{part}") for name in names for part in parts]
    levels = [logger.level for logger in chatty]
    for logger in chatty:
        logger.setLevel(logging.WARNING)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*log_every_n_steps.*")
        warnings.filterwarnings("ignore", message=".*module\\(s\\) in eval mode.*")
        warnings.filterwarnings("ignore", message=".*Grad strides do not match.*")  # channels_last kernels of 1 x 1
        warnings.filterwarnings("ignore", message=".*LeafSpec.*deprecated.*")
        warnings.filterwarnings("ignore", message=".*no `val_dataloader`.*")
        try:
            yield
        finally:
            for logger, level in zip(chatty, levels, strict=True):
                logger.setLevel(level)
