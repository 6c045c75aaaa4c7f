"""Which folder the processes of a training share, and how torchrun's say who and how many they are.

torchrun ends all processes and starts them again when one has died, or when a machine joins or leaves. They find the
folder of the processes before them by a file in it, which names the launch until its training is over.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape

from visus.runs.feed import check_machine
from visus.training.recipe import FitRecipe, Recipe, RecipeError
from visus.training.run import RunFolder, is_run, new_run, resumable_run
from visus.whole_file import write_whole

if TYPE_CHECKING:
    from rich.console import Console

SHARED_RUN: Final = "VISUS_RUN_FOLDER"
"""Tells the processes that a training starts on this machine which folder the first one chose."""

_LAUNCH = ".launch"  # in the folder of a run that torchrun's processes train
_UNNAMED = "none"  # torchrun's name of a launch without one


def process_rank() -> int:
    """The number of this process among those of a distributed run, 0 for the first and for a run alone."""
    for name in ("RANK", "SLURM_PROCID"):
        if name in os.environ:
            return int(os.environ[name])
    return int(os.environ.get("LOCAL_RANK", "0")) + int(os.environ.get("NODE_RANK", "0"))


def as_launched(recipe: Recipe) -> tuple[Recipe, list[str]]:
    """The recipe with as many devices and nodes as torchrun has started processes, and what to say of it.

    Their number may differ from start to start where torchrun is given a range of machines.
    """
    launched = launched_processes()
    if launched is None:
        return recipe, []
    devices, nodes = launched
    count, asked, told = devices * nodes, recipe.fit.devices * recipe.fit.nodes, []
    if asked not in (1, count):
        told = [f"torchrun has started {count} processes: fit.devices and fit.nodes, which ask for {asked}, give way."]
    return replace(recipe, fit=replace(recipe.fit, devices=devices, nodes=nodes)), told


def launched_processes() -> tuple[int, int] | None:
    """How many processes torchrun has started on this machine, and on how many machines; None without it."""
    if _launch() is None:
        return None
    count, here = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    return here, count // here


def processes_of(
    recipe: Recipe, *, devices: int, nodes: int, device: str | None
) -> tuple[Recipe, Callable[[], AbstractContextManager[str]] | None]:
    """The recipe on so many devices, and what joins their processes and tells the device of each; None for one alone.

    Raises:
        RecipeError: one device is named beside several, or there are not as many.
    """
    recipe, _ = as_launched(replace(recipe, fit=replace(recipe.fit, devices=devices, nodes=nodes)))
    fit = recipe.fit
    if fit.devices * fit.nodes == 1:
        return recipe, None
    if device not in (None, "cpu", "cuda"):
        raise RecipeError(f"--device {device} is one device, and {fit.devices * fit.nodes} processes need one each")
    kind: Any = device or fit.accelerator
    recipe = replace(recipe, fit=replace(fit, accelerator=kind))
    check_machine(recipe)
    return recipe, partial(_joined, recipe.fit)


@contextmanager
def _joined(fit: FitRecipe) -> Iterator[str]:
    from visus.training.processes import joined_processes, others_needed  # import torch

    with others_needed("Start it again."), joined_processes(fit.accelerator, fit.devices, fit.nodes) as device:
        yield str(device)


def left_behind(wanted: Path) -> RunFolder | None:
    """The run, at ``wanted`` or numbered beside it, that processes of this very launch have begun and not finished."""
    launch = _launch()
    # A launch without a name may be any earlier one, unless torchrun says that it has started us before.
    if launch is None or (launch[0] == _UNNAMED and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"):
        return None
    marks = [path / _LAUNCH for path in wanted.parent.glob(f"{wanted.name}*") if is_run(path)]
    ours = [mark for mark in marks if mark.is_file() and mark.read_text(encoding="utf-8") == "\n".join(launch)]
    return RunFolder(max(ours, key=lambda mark: mark.stat().st_mtime_ns).parent) if ours else None


def run_folder(wanted: Path, resume: bool, console: Console) -> RunFolder:
    """The folder to train in: a new one, or the very one that is resumed; helping processes take the first one's."""
    if resume:
        return resumable_run(wanted)
    if process_rank() > 0:  # only the first process writes
        return RunFolder(Path(os.environ.get(SHARED_RUN, wanted)))
    folder = left_behind(wanted) or new_run(wanted)
    os.environ[SHARED_RUN] = str(folder.path)
    if folder.path != wanted:
        go_on = f"`visus train {shlex.quote(str(wanted))} --resume` would go on there"
        note = f"{wanted} exists already; this run goes to {folder.path} ({go_on})."
        console.print(escape(note), soft_wrap=True, highlight=False)
    return folder


def mark(folder: RunFolder) -> None:
    """Says in a run which launch trains it, for processes that torchrun starts later."""
    if (launch := _launch()) is not None and process_rank() == 0:
        write_whole(folder.path / _LAUNCH, "\n".join(launch))


def unmark(folder: RunFolder) -> None:
    """Says that the training of a run is over."""
    (folder.path / _LAUNCH).unlink(missing_ok=True)


def _launch() -> tuple[str, str] | None:
    """The name of the launch of torchrun that has started this process, and where it meets; None without one."""
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    if name is None or "RANK" not in os.environ:
        return None
    meeting = "" if name != _UNNAMED else f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
    return name, meeting
