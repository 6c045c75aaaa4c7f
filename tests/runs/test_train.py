"""What `visus train` and `visus.train` take for a recipe: a name, a folder of data, a JSON file such as a run's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import visus
from visus.data.readers import coco
from visus.errors import VisusError
from visus.recipes import RECIPES
from visus.recipes.find import find_recipe, read_recipe, recipe_name
from visus.runs.train import process_rank
from visus.training.recipe import FitRecipe, Recipe, RecipeError
from visus.training.run import RunFolder


@pytest.mark.parametrize("name", ["maskrcnn_vignettes", "hdc_sop"])
def test_the_recipe_of_a_run_repeats_it(name: str, tmp_path: Path) -> None:
    recipe = replace(RECIPES[name](), name="mine")
    run = RunFolder(tmp_path / "run")
    run.create(recipe)
    assert find_recipe(run.path / "recipe.json") == find_recipe(str(run.path / "recipe.json")) == recipe


def test_a_name_a_folder_and_a_file_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    coco.write_fake(tmp_path / "boxes")
    assert find_recipe("maskrcnn_vignettes") == RECIPES["maskrcnn_vignettes"]()
    found = find_recipe("boxes")
    assert (found.name, found.data.dataset, found.data.root) == ("boxes", "coco", "boxes")
    with pytest.raises(VisusError, match=r"'boxs' is neither a recipe nor a recipe\.json nor a folder of data"):
        find_recipe("boxs")


def test_the_name_of_a_folders_runs_needs_no_annotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    coco.write_fake(tmp_path / "boxes")
    for name in ("boxes", "boxes/", str(tmp_path / "boxes"), "maskrcnn_vignettes"):
        assert recipe_name(name) == find_recipe(name).name
    for file in (tmp_path / "boxes").rglob("*.json"):
        file.write_text("{}")
    assert recipe_name("boxes") == "boxes"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"mine\.json: the recipe must be JSON, but line 1 is not"),
        ("[]", r"mine\.json: the recipe must be a JSON object, not \[\]"),
        ('{"name": "x"}', r"mine\.json: the recipe lacks 'model'"),
        ('{"name": "x", "model": "y", "epochs": 3}', r"mine\.json: the recipe has no 'epochs'"),
        ('{"name": "x", "model": "y", "fit": {"epochs": "3"}}', r"mine\.json: fit\.epochs must be a whole number"),
        ('{"name": "x", "model": "y", "fit": {"epochs": 0}}', r"mine\.json: fit\.epochs must be"),
        (b"\xff\xfe", r"mine\.json: no recipe, as it is no text"),
    ],
)
def test_a_file_that_is_no_recipe_is_named(text: str | bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RecipeError, match=message):
        read_recipe(file)
    with pytest.raises(RecipeError, match=message):
        visus.train(file, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "banana"}, "no loss of maskrcnn_lite0_fpn called 'banana'"),
        ({"loss_options": {"banana": 1.0}}, "option of the loss instances called 'banana'"),
        ({"model": "maskrcnn_lite0"}, "no model called 'maskrcnn_lite0'; did you mean maskrcnn_lite0_fpn"),
        ({"model_options": {"banana": 1.0}}, "option of maskrcnn_lite0_fpn called 'banana'"),
        ({"fit": FitRecipe(monitor="box APP")}, r"fit\.monitor must be one of val loss.*box AP.*, not 'box APP'"),
    ],
)
def test_names_that_do_not_exist_train_nothing(change: dict[str, object], message: str, tmp_path: Path) -> None:
    recipe = RECIPES["maskrcnn_vignettes"]()
    recipe = replace(recipe, data=replace(recipe.data, train_length=2, val_length=2, workers=0), **change)
    with pytest.raises(VisusError, match=message):
        visus.train(recipe, run=tmp_path / "run")
    assert not (tmp_path / "run").exists() or not any((tmp_path / "run").iterdir())


def test_a_wrong_recipe_in_python_is_an_error_of_the_recipe() -> None:
    with pytest.raises(RecipeError, match=r"data\.batch_size must be at least 1"):
        replace(RECIPES["maskrcnn_vignettes"]().data, batch_size=0)
    assert Recipe.from_json(RECIPES["maskrcnn_vignettes"]().to_json()) == RECIPES["maskrcnn_vignettes"]()


@pytest.mark.parametrize(
    ("variables", "rank"),
    [
        ({}, 0),
        ({"RANK": "3", "LOCAL_RANK": "1"}, 3),
        ({"SLURM_PROCID": "2"}, 2),
        ({"LOCAL_RANK": "1"}, 1),
        ({"NODE_RANK": "1"}, 1),
    ],
)
def test_the_number_of_a_process(variables: dict[str, str], rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert process_rank() == rank
