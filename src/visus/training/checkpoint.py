"""The file that a run goes on from: written whole, and refused with its name where it is damaged or foreign."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from torch import nn

from visus.training.run import RunError
from visus.whole_file import whole_file

PARTS = ("state_dict", "optimizer_states", "loops", "callbacks", "rounds", "means")
"""What every checkpoint of a training has."""


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place first, on the disk of the run, where the engine takes another one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Writes the file.

        Raises:
            DiskFullError: there is no room for it.
        """
        with whole_file(Path(path)) as part:
            torch.save(checkpoint, part)


def share_out(checkpoint: dict[str, Any], processes: int) -> None:
    """Counts the batches of the epoch that is going on as so many processes would have, where it were others."""
    before = checkpoint.get("processes", processes)
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    if before == processes:
        return
    up = processes - 1 if progress["is_last_batch"] else 0  # an epoch that was over stays so
    progress["current"] = {name: (count * before + up) // processes for name, count in progress["current"].items()}


def check_checkpoint(path: Path, model: nn.Module) -> int:
    """The rounds that a checkpoint has seen, after a look at whether ``model`` can go on from it.

    Raises:
        RunError: the file is damaged, holds code or is no checkpoint of such a training; the message names it.
    """
    start_anew = "leave --resume out to train from the start"
    try:
        content = torch.load(path, mmap=True, weights_only=True)
    except pickle.UnpicklingError as error:
        raise RunError(
            f"{path}: holds more than numbers, and code of a checkpoint is never run; {start_anew}"
        ) from error
    except (RuntimeError, EOFError, zipfile.BadZipFile, OSError, ValueError, KeyError) as error:
        raise RunError(f"{path}: the checkpoint is cut short or damaged; {start_anew}") from error
    missing = [part for part in PARTS if not isinstance(content, dict) or part not in content]
    if missing:
        raise RunError(f"{path}: no checkpoint of this version of visus (it lacks {', '.join(missing)}); {start_anew}")
    own = {f"model.{name}": value.shape for name, value in model.state_dict().items()}
    saved = {name: value.shape for name, value in content["state_dict"].items() if name.startswith("model.")}
    if own != saved:
        other = sorted(name for name in own.keys() | saved.keys() if own.get(name) != saved.get(name))
        raise RunError(
            f"{path}: the checkpoint is of another model or other categories ({other[0]} differs); {start_anew}"
        )
    return int(content["rounds"])
