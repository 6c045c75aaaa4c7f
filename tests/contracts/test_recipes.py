"""The contract of a recipe: everything it names exists and fits, and a round of training changes its model.

Each is pointed at the miniature of its data set, made small, and goes the way of `visus.runs.train.train`. Recipes of
networks that are made for a GPU are slow.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from contracts.fakes import SMALL
from visus import catalog
from visus.data.feed.class_batches import class_batches
from visus.names import find
from visus.nn.model import predict_batch
from visus.recipes import RECIPES
from visus.runs.feed import check_recipe, open_split, train_loader, val_loader
from visus.training.recipe import Recipe
from visus.training.task import Task
from visus.training.update import Round

IMAGES = 4
SIDE = 64


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a data set's miniature, written once."""
    written: dict[str, Path] = {}

    def folder_of(dataset: str) -> Path:
        if dataset not in written:
            written[dataset] = tmp_path_factory.mktemp(dataset)
            if (write_fake := find(catalog.DATASETS, dataset, "data set").write_fake) is not None:
                write_fake(written[dataset])
        return written[dataset]

    return folder_of


def made_small(recipe: Recipe, root: Path) -> Recipe:
    """The same on a few small images, of which batches are put together in the same way; nothing is downloaded."""
    known = inspect.signature(catalog.MODELS[recipe.model]).parameters
    small = {name: SMALL[name] for name in ("size", "min_size", "max_size") if name in known}
    if "pretrained" in known and "lite0" not in recipe.model:
        small["pretrained"] = False
    data, augment = recipe.data, recipe.data.augment
    lengths = {"train_length": IMAGES, "val_length": 2} if data.batches in ("shuffled", "episodes") else {}
    asked = data.episodes
    few = replace(asked, queries=1, train_way=min(asked.train_way, 8), train_shot=min(asked.train_shot, 2))
    data = replace(
        data,
        root=str(root),
        batch_size=IMAGES,
        images_per_class=2,
        workers=0,
        episodes=replace(few, train_queries=1),
        augment=replace(augment, size=augment.size and (SIDE, SIDE)),
        **lengths,
    )
    options = recipe.model_options | small
    return replace(recipe, model_options=options, data=data, fit=replace(recipe.fit, accelerator="cpu"))


def tried() -> list[Any]:
    """All recipes; those of large networks are slow."""
    slow = {name for name, make in RECIPES.items() if not re.search("lite0|conv4", make().model)}
    return [pytest.param(name, marks=pytest.mark.slow if name in slow else ()) for name in RECIPES]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_called_by_its_name_and_survives_json(name: str) -> None:
    recipe = RECIPES[name]()
    assert recipe.name == name
    assert RECIPES[name]() == recipe, "another call gives another recipe"
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert (RECIPES[name].__doc__ or "").strip(), "its docstring gives command, cost and score"


@pytest.mark.parametrize("name", RECIPES)
def test_everything_that_a_recipe_names_exists_and_fits(name: str, miniature: Callable[[str], Path]) -> None:
    """Data set, splits, model and its options, loss and its options, augmentation, batches, learning rates."""
    recipe = RECIPES[name]()
    problem = catalog.problem_of(recipe.model)
    there = replace(recipe, data=replace(recipe.data, root=str(miniature(recipe.data.dataset))))
    if there.data.batches == "episodes":
        there = made_small(there, Path(there.data.root))
    check_recipe(there, problem, open_split(there, "train"))
    assert len(open_split(there, "val")) > 0
    known = inspect.signature(catalog.MODELS[recipe.model]).parameters
    assert recipe.model_options.keys() <= known.keys()
    losses = next(one.losses for one in problem.architectures if recipe.model in one.models)
    loss = find(losses, recipe.loss or next(iter(losses)), "loss")
    assert recipe.loss_options.keys() <= inspect.signature(loss).parameters.keys()
    assert all(epoch < recipe.fit.epochs for epoch in recipe.optim.milestones), "the last rates are never reached"
    if recipe.data.batches not in ("shuffled", "episodes"):  # of a data set as large as the real one
        labels = torch.arange(98).repeat_interleave(16)
        sizes = {"batch_size": recipe.data.batch_size, "images_per_class": recipe.data.images_per_class}
        sampler = class_batches(recipe.data.batches, labels, labels // 14, **sizes)
        assert len(next(iter(sampler))) == recipe.data.batch_size


@pytest.mark.parametrize("name", tried())
def test_a_round_of_training_changes_the_model(name: str, miniature: Callable[[str], Path]) -> None:
    recipe = RECIPES[name]()
    recipe = made_small(recipe, miniature(recipe.data.dataset))
    train_data = open_split(recipe, "train")
    torch.manual_seed(recipe.fit.seed)
    model = catalog.build_model(recipe.model, train_data.schema, recipe.model_options)
    task = catalog.build_task(model, recipe, train_data.schema)
    before = {key: value.clone() for key, value in task.state_dict().items()}
    losses = one_round(task, next(iter(train_loader(recipe, train_data, model))))
    assert losses
    assert all(value.isfinite() for value in losses.values()), losses
    after = task.state_dict()
    assert all(value.isfinite().all() for value in after.values())
    learned = [key for key, parameter in task.named_parameters() if parameter.requires_grad]
    assert any(not torch.equal(after[key], before[key]) for key in learned)
    assert_can_be_measured(recipe, task)


def one_round(task: Task, batch: Any) -> dict[str, torch.Tensor]:
    """What a training step does, by the task's own update; its losses."""
    if task.vary is not None:
        batch = task.vary(batch)
    task.train()
    task._update.optimizers()
    step = Round(
        batch=batch,
        evaluate=partial(task.losses, batch),
        backward=torch.Tensor.backward,
        watch=lambda losses: None,
        share=1,
        complete=True,
        clip_norm=task.recipe.optim.clip_norm,
    )
    task._update.round(step)
    return step.losses


def assert_can_be_measured(recipe: Recipe, task: Task) -> None:
    """The model looks at validation data, and the metric has a number for each of its measures."""
    task.eval()
    batch = next(iter(val_loader(recipe, open_split(recipe, "val"), task.model)))
    _, predictions = predict_batch(task.model, batch.inputs, batch.targets)
    task.metric.update(predictions, batch)
    assert list(task.metric.compute()) == list(task.metric.measures)
    assert recipe.fit.monitor in ("", *task.metric.measures)
