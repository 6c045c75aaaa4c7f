"""Recipes refuse what cannot be, and survive the way to JSON and back."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace

import pytest

from visus.training.recipe import AugmentRecipe, DataRecipe, FitRecipe, OptimRecipe, Recipe, RecipeError

RECIPE = Recipe(
    name="try",
    model="maskrcnn",
    model_options={"size": 192, "pretrained": True, "dropout": 0.5, "neck": "fpn"},
    data=DataRecipe(root="./coco", train_length=10, augment=AugmentRecipe(scale=(0.5, 2.0))),
    optim=OptimRecipe(schedule="step", milestones=(3, 5), clip_norm=2.0),
    fit=FitRecipe(max_minutes=3.0, ema_decay=0.99, precision="bf16"),
)


def test_json_round_trip_is_exact() -> None:
    assert Recipe.from_json(RECIPE.to_json()) == RECIPE


def test_left_out_keys_take_their_defaults() -> None:
    assert Recipe.from_json('{"name": "a", "model": "b"}') == Recipe(name="a", model="b")


def test_whole_numbers_are_taken_for_numbers() -> None:
    recipe = Recipe.from_json('{"name": "a", "model": "b", "optim": {"lr": 1}, "fit": {"max_minutes": 2}}')
    assert (recipe.optim.lr, recipe.fit.max_minutes) == (1.0, 2.0)
    assert isinstance(recipe.fit.max_minutes, float)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("optim", "leer"), 1, r"optim has no 'leer'\. It has: name, lr, weight_decay"),
        (("epochs",), 1, r"the recipe has no 'epochs'\. It has: name, model, .*loss_options, .*data"),
        (("optim", "lr"), "big", r"optim\.lr must be a number, not 'big'"),
        (("fit", "epochs"), 1.5, r"fit\.epochs must be a whole number, not 1\.5"),
        (("fit", "epochs"), True, r"fit\.epochs must be a whole number, not True"),
        (("fit", "max_steps"), "3", r"fit\.max_steps must be a whole number or null, not '3'"),
        (("optim", "name"), "adam", r"optim\.name must be 'sgd' or 'adamw' or 'rmsprop' or 'learned', not 'adam'"),
        (("data", "augment", "scale"), [1.0], r"data\.augment\.scale must be a list, not \[1\.0\]"),
        (("data", "augment"), 3, r"data\.augment must be a JSON object, not 3"),
        (("model_options", "sizes"), [1], r"model_options\.sizes must be true or false or a whole number"),
        (("optim", "lr"), -1, r"optim\.lr must be above 0, not -1"),
    ],
)
def test_wrong_json_is_refused_by_name(path: tuple[str, ...], value: object, message: str) -> None:
    values = json.loads(RECIPE.to_json())
    place = values
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(RecipeError, match=message):
        Recipe.from_json(json.dumps(values))


def test_json_errors_say_where() -> None:
    with pytest.raises(RecipeError, match="line 2"):
        Recipe.from_json('{"name": "a",\n model: 3}')
    with pytest.raises(RecipeError, match="lacks 'model'"):
        Recipe.from_json('{"name": "a"}')
    with pytest.raises(RecipeError, match="must be a JSON object"):
        Recipe.from_json("[]")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: OptimRecipe(lr=0), r"optim\.lr must be above 0, not 0"),
        (lambda: OptimRecipe(lr=float("nan")), r"optim\.lr"),
        (lambda: OptimRecipe(name="adam"), r"optim\.name must be 'sgd', 'adamw', 'rmsprop' or 'learned', not 'adam'"),
        (lambda: OptimRecipe(momentum=1.0), r"optim\.momentum must be from 0 to below 1"),
        (lambda: OptimRecipe(schedule="step"), r"optim\.milestones must be at least one epoch"),
        (lambda: OptimRecipe(milestones=(5, 3)), r"optim\.milestones must be rising"),
        (lambda: OptimRecipe(clip_norm=0), r"optim\.clip_norm must be above 0, or None"),
        (lambda: DataRecipe(batch_size=0), r"data\.batch_size must be at least 1"),
        (lambda: DataRecipe(train_length=0), r"data\.train_length must be at least 1, or None"),
        (lambda: DataRecipe(workers=-2), r"data\.workers"),
        (lambda: AugmentRecipe(scale=(2.0, 1.0)), r"data\.augment\.scale must be two numbers above 0"),
        (lambda: AugmentRecipe(flip=1.5), r"data\.augment\.flip must be a probability"),
        (lambda: FitRecipe(epochs=0), r"fit\.epochs must be at least 1"),
        (lambda: FitRecipe(precision="fp16"), r"fit\.precision must be 'auto', '32' or 'bf16', not 'fp16'"),
        (lambda: FitRecipe(ema_decay=1.0), r"fit\.ema_decay must be between 0 and 1"),
        (lambda: FitRecipe(max_minutes=0), r"fit\.max_minutes must be above 0"),
        (lambda: FitRecipe(devices=0), r"fit\.devices"),
        (lambda: Recipe(name="a/b", model="m"), r"name must be a name without a slash"),
    ],
)
def test_impossible_values_are_refused_at_once(build: object, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        build()


def test_recipes_are_frozen_and_replaced() -> None:
    with pytest.raises(FrozenInstanceError):
        RECIPE.name = "other"
    assert replace(RECIPE, fit=replace(RECIPE.fit, epochs=3)).fit.epochs == 3


def test_recipe_and_run_do_not_load_the_engine() -> None:
    code = "import sys, visus.training, visus.dataclass_json, visus.training.run, visus.training.evaluation; "
    code += "print('pytorch_lightning' in sys.modules, 'lightning' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
