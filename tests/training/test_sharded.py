"""Weights that are divided among processes: they learn what whole ones learn, and files hold whole ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.tensor import DTensor
from torch.multiprocessing import start_processes

from contracts.test_two_processes import free_ports, prepared, small
from visus.catalog import DATASETS
from visus.nn.weights import read_weights
from visus.recipes import RECIPES
from visus.runs.feed import train_loader, val_loader
from visus.training.fit import fit
from visus.training.pace import Pace
from visus.training.recipe import Recipe, RecipeError
from visus.training.run import RunFolder


def trained(recipe: Recipe, folder: Path, *, resume: bool = False) -> None:
    run = RunFolder(folder)
    if not resume:
        run.create(recipe)
    task, train_data, val_data = prepared(recipe)
    loaders = train_loader(recipe, train_data, task.model), val_loader(recipe, val_data, task.model)
    fit(task, *loaders, recipe, run, schema=train_data.schema, loggers=[], resume=resume)
    assert not any(isinstance(value, DTensor) for value in task.model.parameters()), "others go on with the task"


def as_process(rank: int, ports: Sequence[int], recipes: Sequence[Recipe], folder: Path) -> None:
    """Trains each recipe for an epoch, and then goes on for another one; notes what a process keeps."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"GROUP_RANK": "0", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    kept: list[int] = []

    def note(pace: Pace, trainer: object, task: object) -> None:
        [optimizer] = trainer.optimizers  # type: ignore[attr-defined]
        values = [one for group in optimizer.param_groups for one in group["params"]]
        values += [one for state in optimizer.state.values() for one in state.values()]
        local = [one.to_local() if isinstance(one, DTensor) else one for one in values]
        kept.append(sum(one.numel() for one in local))

    Pace.on_train_epoch_end = note  # type: ignore[assignment]
    for turn, recipe in enumerate(recipes):
        for epochs in (1, 2):
            os.environ["MASTER_PORT"] = str(ports[2 * turn + epochs - 1])
            longer = replace(recipe, fit=replace(recipe.fit, epochs=epochs))
            trained(longer, folder / recipe.name, resume=epochs == 2)
    torch.save(kept, folder / f"kept{rank}.pt")


def divided(tmp_path: Path, **changes: object) -> Recipe:
    recipe = small("fcn_vignettes", tmp_path)
    fit_changes: Any = {"strategy": "fsdp2", "accelerator": "cpu", "devices": 2, **changes}
    return replace(recipe, fit=replace(recipe.fit, **fit_changes))


def test_divided_weights_learn_as_whole_ones_and_go_on(tmp_path: Path) -> None:
    sharded = divided(tmp_path)
    sharded = replace(sharded, name="sharded", optim=replace(sharded.optim, name="adamw", lr=1e-3, clip_norm=1.0))
    alike = replace(sharded, name="alike", fit=replace(sharded.fit, strategy="ddp"))
    what = (free_ports(4), [alike, sharded], tmp_path)
    start_processes(as_process, what, nprocs=2, start_method="spawn")
    one, other = (read_weights(RunFolder(tmp_path / name).weights)[0] for name in ("alike", "sharded"))
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=1e-3, atol=1e-4, msg=name)
    histories = [RunFolder(tmp_path / name).history() for name in ("alike", "sharded")]
    assert [[row["step"] for row in rows] for rows in histories] == [[2, 4], [2, 4]]
    for first, second in zip(*histories, strict=True):
        assert second["train loss"] == pytest.approx(first["train loss"], rel=1e-3)
        assert second["val loss"] == pytest.approx(first["val loss"], rel=1e-3)
    saved = [torch.load(RunFolder(tmp_path / name).checkpoint, weights_only=True) for name in ("alike", "sharded")]
    shapes = [[value.shape for value in content["optimizer_states"][0]["state"][0].values()] for content in saved]
    assert shapes[0] == shapes[1]
    kept = [torch.load(tmp_path / f"kept{rank}.pt") for rank in range(2)]
    for rank in range(2):
        assert kept[rank][2] < 0.6 * kept[rank][0], "a process keeps about half of the weights and moments"
    assert kept[0][2] + kept[1][2] == pytest.approx(kept[0][0], rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"devices": 1}, "among several processes, and there is one: set fit.devices"),
        ({"ema_decay": 0.99}, "does not divide a running average: leave fit.ema_decay out"),
    ],
)
def test_what_cannot_be_divided_is_refused(tmp_path: Path, changes: dict[str, object], why: str) -> None:
    with pytest.raises(RecipeError, match=f"^fit.strategy fsdp2 .*{why}$"):
        trained(divided(tmp_path, **changes), tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "loss", "why"),
    [
        ("scene_generation_vignettes", "", "learns by rounds of its own"),
        ("descriptor_lite0_sop", "proxy_nca", "loss has weights of its own"),
    ],
)
def test_tasks_that_cannot_be_divided_are_refused(tmp_path: Path, name: str, loss: str, why: str) -> None:
    if (write_fake := DATASETS[RECIPES[name]().data.dataset].write_fake) is not None:
        write_fake(tmp_path / "data")
    recipe = small(name, tmp_path / "data")
    fit_recipe = replace(recipe.fit, strategy="fsdp2", accelerator="cpu", devices=2)
    recipe = replace(recipe, fit=fit_recipe, loss=loss or recipe.loss, loss_options={})
    with pytest.raises(RecipeError, match=f"^fit.strategy fsdp2 does not suit {recipe.model}, .*{why}$"):
        trained(recipe, tmp_path / "run")
