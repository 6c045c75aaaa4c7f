"""Every problem trains on two processes as on one: the same rounds, and measures in which each image counts once.

Two processes with batches of two are compared with one process that adds up the gradients of two such batches. What is
random in a batch is drawn from its number in the epoch here, so that both see the same. The validation split has three
batches, which do not divide among two processes: the sampler repeats one, and no measure may show it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.multiprocessing import start_processes

from contracts.fakes import SMALL
from contracts.test_recipes import made_small
from visus import catalog
from visus.names import find
from visus.nn.weights import load_state, read_weights
from visus.recipes import RECIPES
from visus.runs.feed import open_split, train_loader, val_loader
from visus.training.evaluation import measure
from visus.training.numbers import seed_device, seed_for
from visus.training.recipe import Recipe
from visus.training.run import RunFolder
from visus.training.task import Task

CHOSEN = {
    "detection": ["ssd_vignettes"],
    "instances": ["maskrcnn_vignettes"],
    "classification": ["classifier_vignettes"],
    "segmentation": ["fcn_vignettes"],
    "metric_learning": ["descriptor_lite0_sop"],
    "meta_learning": ["prototypical_omniglot", "maml_omniglot"],
    "shapes3d": ["pointnet_vignettes3d"],
    "shape_parts": ["pointnet_parts_vignettes3d"],
    "scene_graphs": ["motifs_vignettes", "freq_vignettes"],
    "scene_generation": ["scene_generation_vignettes"],
}
"""Recipes of each problem; two where some learn by another update than the rest."""
NAMES = [name for names in CHOSEN.values() for name in names]


def small(name: str, root: Path) -> Recipe:
    """A recipe on a few images: two rounds of two batches, and three batches to measure on, of which one is short."""
    recipe = made_small(RECIPES[name](), root)
    by_class = recipe.data.batches not in ("shuffled", "episodes")
    batch_size = 4 if by_class else 2
    data = replace(recipe.data, batch_size=batch_size, val_length=2 * batch_size + 1)
    if not by_class:
        data = replace(data, train_length=4 * batch_size)
    known = {"width": 16, "points": 64}
    options = {key: value for key, value in known.items() if key in SMALL and key in recipe.model_options}
    return replace(
        recipe,
        data=data,
        model_options=recipe.model_options | options,
        optim=replace(recipe.optim, name="sgd", lr=1e-3, momentum=0.0, warmup_steps=0, clip_norm=None, weights=""),
        fit=replace(
            recipe.fit, epochs=1, max_steps=None, max_minutes=None, precision="32", ema_decay=None, logger="none"
        ),
    )


def numbered_seed(task: Task, stage: str, index: int) -> None:
    """Draws what is random from the number of the batch among those of all processes."""
    number = index * task.trainer.world_size + task.global_rank
    seed_device(seed_for(task.recipe.fit.seed, stage, task.current_epoch, number, 0), task.device)


def prepared(recipe: Recipe) -> tuple[Task, Any, Any]:
    """The task of a recipe and its data."""
    train_data, val_data = open_split(recipe, "train"), open_split(recipe, "val")
    torch.manual_seed(recipe.fit.seed)
    model = catalog.build_model(recipe.model, train_data.schema, recipe.model_options)
    task = catalog.build_task(model, recipe, train_data.schema)
    for name, buffer in task.named_buffers():
        if name.endswith("counts"):  # what follows from counts moves with every batch; now by very little
            buffer += 10**6 if buffer.is_floating_point() else 10**12
    return task, train_data, val_data


def train(recipe: Recipe, folder: Path) -> None:
    """Trains; leaves what each process has learned in ``folder``."""
    from visus.training.fit import fit

    run = RunFolder(folder)
    run.create(recipe)
    task, train_data, val_data = prepared(recipe)
    loaders = train_loader(recipe, train_data, task.model), val_loader(recipe, val_data, task.model)
    fit(task, *loaders, recipe, run, schema=train_data.schema, loggers=[])
    learned = dict(task.named_parameters())
    torch.save((learned, task.state_dict()), folder / f"process{os.environ.get('RANK', '0')}.pt")


def train_as_process(rank: int, ports: Sequence[int], recipes: Sequence[Recipe], folder: Path) -> None:
    """What one of two processes does, recipe by recipe; the variables are those that torchrun sets."""
    torch.set_num_threads(1)
    Task._seed = numbered_seed  # type: ignore[method-assign,assignment]
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"GROUP_RANK": "0", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    for port, recipe in zip(ports, recipes, strict=True):
        os.environ["MASTER_PORT"] = str(port)
        two = replace(recipe, fit=replace(recipe.fit, devices=2))
        train(two, folder / recipe.name)


def free_ports(count: int) -> list[int]:
    """Ports that nobody has."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recipe]:
    """The small recipes on miniatures of their data sets."""
    found = {}
    for name in NAMES:
        dataset = RECIPES[name]().data.dataset
        root = tmp_path_factory.mktemp(dataset)
        if (write_fake := find(catalog.DATASETS, dataset, "data set").write_fake) is not None:
            write_fake(root)
        found[name] = small(name, root)
    return found


@pytest.fixture(scope="module")
def pair(recipes: dict[str, Recipe], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of two processes, by the recipe's name."""
    folder = tmp_path_factory.mktemp("pair")
    what = (free_ports(len(recipes)), list(recipes.values()), folder)
    # Not forked: threads of the evaluator of boxes, which another test may have started, would be missing in a fork.
    start_processes(train_as_process, what, nprocs=2, start_method="spawn")
    return folder


def test_every_problem_is_tried() -> None:
    assert CHOSEN.keys() == catalog.PROBLEMS.keys()
    assert all(catalog.problem_of(RECIPES[name]().model).name == problem for problem, (name, *_) in CHOSEN.items())


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_learn_what_one_does_in_as_many_rounds(
    name: str, recipes: dict[str, Recipe], pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Task, "_seed", numbered_seed)
    recipe = recipes[name]
    begun = {key: value.detach().clone() for key, value in prepared(recipe)[0].named_parameters()}
    train(replace(recipe, fit=replace(recipe.fit, accumulate=2)), tmp_path)
    alone, alone_state = torch.load(tmp_path / "process0.pt")
    (first, state), (second, _) = (torch.load(pair / name / f"process{rank}.pt") for rank in (0, 1))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert RunFolder(tmp_path).history()[0]["step"] == RunFolder(pair / name).history()[0]["step"] > 0
    learned = [key for key, value in begun.items() if not torch.equal(value, alone[key])]
    assert learned or not any(value.requires_grad for value in alone.values())
    for key in begun:
        changed = (alone[key] - begun[key]).norm()
        assert (first[key] - alone[key]).norm() <= 1e-3 * changed + 1e-6 * begun[key].norm(), key
    for key in (key for key in state if key.endswith("counts")):
        assert torch.equal(state[key], alone_state[key]), key


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_measure_each_image_once(name: str, recipes: dict[str, Recipe], pair: Path) -> None:
    recipe, run = recipes[name], RunFolder(pair / name)
    task, _, val_data = prepared(recipe)
    load_state(task.model, read_weights(run.weights)[0], source=name)
    alone = measure(task.model, task.metric, val_loader(recipe, val_data, task.model))
    shown = {key: value for key, value in run.history()[-1].items() if key in alone}
    assert shown == {key: pytest.approx(value, rel=1e-5) for key, value in alone.items() if key in shown}
    assert shown.keys() == alone.keys()
