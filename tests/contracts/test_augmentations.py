"""The contract of an augmentation, and what a recipe may ask of it: nothing is left unread without a word."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from contracts.fakes import learnable, quick_model, tensors_of
from visus import catalog
from visus.cli import main
from visus.data.augment import AUGMENTATIONS, mirror_of
from visus.data.records.given import FRAMES
from visus.problem import Problem
from visus.runs.feed import _augmentation, check_recipe
from visus.training.recipe import AugmentRecipe, DataRecipe, Recipe, RecipeError
from visus.types import Episode, Sample

OTHER = AugmentRecipe(
    size=(48, 64),
    flip=0.9,
    scale=(0.8, 1.25),
    stretch=1.2,
    translate=0.1,
    rotate=5.0,
    colour=0.5,
    mixup=0.2,
    cutmix=0.3,
)
"""Another value than the default for every field but the kind."""

OPTIONS = [field.name for field in fields(AugmentRecipe) if field.name not in ("kind", "options")]
PROBLEMS = list(catalog.PROBLEMS.values())
VARIED = [problem for problem in PROBLEMS if Episode not in problem.inputs]
UNVARIED = [problem for problem in PROBLEMS if problem not in VARIED]
UNCHANGING = {"none"}
"""Augmentations that change nothing."""


class Few:
    """The samples of a problem as a data set."""

    def __init__(self, problem: Problem) -> None:
        self.samples, self.schema = learnable(problem.name).samples, learnable(problem.name).schema

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


def recipe_of(problem: Problem, **augment: Any) -> Recipe:
    name = quick_model(problem.architectures[0])
    return Recipe(name="contract", model=name, data=DataRecipe(augment=AugmentRecipe(**augment)))


def read_by(kind: str, problem: Problem) -> set[str]:
    """The fields that an augmentation or a problem's batches have an argument for."""
    return ({*inspect.signature(AUGMENTATIONS[kind]).parameters} | {*problem.batch_options}) & {*OPTIONS}


def test_every_field_of_a_recipe_is_tried() -> None:
    assert all(getattr(OTHER, name) != getattr(AugmentRecipe(), name) for name in OPTIONS)


def test_every_field_is_read_by_something() -> None:
    read = {name for kind in AUGMENTATIONS for problem in PROBLEMS for name in read_by(kind, problem)}
    assert read == set(OPTIONS)


@pytest.mark.parametrize("problem", VARIED, ids=lambda problem: problem.name)
@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_an_option_that_nothing_reads_is_refused_naming_those_that_are_read(kind: str, problem: Problem) -> None:
    read, data = read_by(kind, problem), Few(problem)
    for option in OPTIONS:
        recipe = recipe_of(problem, kind=kind, **{option: getattr(OTHER, option)})
        if option in read:
            assert "is not used" not in check_or_reason(recipe, problem)
            continue
        with pytest.raises(RecipeError, match=rf"^data\.augment\.{option} is not used[^\n]*$") as error:
            check_recipe(recipe, problem, data)
        assert {word.strip(",") for word in str(error.value).split(" reads ")[1].split()} == (read or {"nothing"})


@pytest.mark.parametrize("problem", VARIED, ids=lambda problem: problem.name)
def test_data_with_targets_that_the_model_does_not_learn_from_is_refused(problem: Problem) -> None:
    strange = [other for other in PROBLEMS if not {*other.targets} & {*problem.targets}]
    assert strange
    for other in strange:
        with pytest.raises(RecipeError, match=problem.name) as error:
            check_recipe(recipe_of(problem), problem, Few(other))
        assert problem.targets[0].__name__ in str(error.value)
        assert type(Few(other)[0].target).__name__ in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("problem", VARIED, ids=lambda problem: problem.name)
def test_an_unknown_kind_is_refused_naming_those_that_there_are(problem: Problem) -> None:
    with pytest.raises(ValueError, match="no augmentation called 'banana'") as error:
        check_recipe(recipe_of(problem, kind="banana"), problem, Few(problem))
    assert all(kind in str(error.value) for kind in AUGMENTATIONS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fasterrcnn_lite0", "--data.dataset", "image_folder"], "learns from InstanceTarget, .* has ClassTarget"),
        (["ssd_vignettes", "--data.augment.kind", "ssd", "--data.augment.scale", "0.5", "1"], "scale is not used"),
        (["ssd_vignettes", "--data.augment.mixup", "0.2"], "mixup is not used"),
        (["ssd_vignettes", "--data.augment.kind", "banana"], "no augmentation called 'banana'.* ssd, warp"),
    ],
    ids=["targets", "scale", "mixup", "kind"],
)
def test_the_command_line_refuses_them_in_a_sentence(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    catalog.DATASETS["image_folder"].write_fake(root)
    assert main(["train", *words, "--data.root", str(root), "--run", str(tmp_path / "run")]) != 0
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(message, said), said
    assert "Traceback" not in said


# --- what an augmentation does ---


def check_or_reason(recipe: Recipe, problem: Problem) -> str:
    """Why a recipe is refused; empty where it is not."""
    try:
        check_recipe(recipe, problem, Few(problem))
    except RecipeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("problem", VARIED, ids=lambda problem: problem.name)
@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_a_variation_fits_and_follows_from_the_generator(kind: str, problem: Problem) -> None:
    """Image and target agree in size, one seed gives one variation, another another; the sample stays as it was.

    An augmentation that does not know the targets of a problem is refused before training, by what it knows.
    """
    data = Few(problem)
    sample = data[0]
    if reason := check_or_reason(recipe_of(problem, kind=kind), problem):
        assert kind in reason
        assert {type(sample.target).__name__, type(sample.input).__name__} & {*re.findall(r"\w+", reason)}
        assert "\n" not in reason
        return
    known = inspect.signature(AUGMENTATIONS[kind]).parameters
    asked = {name: getattr(OTHER, name) for name in OPTIONS if name in known}
    vary = AUGMENTATIONS[kind](**asked, mirror=mirror_of(data.schema))
    before = [one.clone() for one in tensors_of(sample.input)]
    first, again, other = (vary(sample, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert type(first.target) is type(sample.target)
    assert [one.dtype for one in tensors_of(first.input)] == [one.dtype for one in before]
    wanted = OTHER.size if "size" in known else sample.target.size
    assert FRAMES[type(first.input)](first.input) == tuple(first.target.size) == wanted
    assert alike(first.input, again.input)
    assert alike(first.input, other.input) == (kind in UNCHANGING)
    assert alike(sample.input, before)
    assert replace(first, target=None, input=None) == replace(sample, target=None, input=None)


def alike(one: Any, other: Any) -> bool:
    """Whether two inputs, or what they hold, are the same."""
    left, right = (given if isinstance(given, list) else tensors_of(given) for given in (one, other))
    return len(left) == len(right) and all(map(torch.equal, left, right))


def test_further_options_reach_the_augmentation_and_wrong_ones_are_refused() -> None:
    """``data.augment.options`` are arguments of the augmentation that have no field of their own."""
    problem = catalog.PROBLEMS["detection"]
    good = recipe_of(problem, kind="ssd", size=(48, 64), options={"zoom_out": 1.0, "largest_zoom": 2})
    dataset: Any = Few(problem)
    check_recipe(good, problem, dataset)
    augment: Any = _augmentation(good, dataset)
    assert (augment.zoom_out, augment.largest_zoom, augment.size) == (1.0, 2.0, (48, 64))
    with pytest.raises(RecipeError, match=r"option of the augmentation ssd called 'zoomout'; did you mean zoom_out"):
        check_recipe(recipe_of(problem, kind="ssd", options={"zoomout": 1.0}), problem, dataset)
    with pytest.raises(RecipeError, match="zoom_out must be a number, not 'far'"):
        check_recipe(recipe_of(problem, kind="ssd", options={"zoom_out": "far"}), problem, dataset)


@pytest.mark.parametrize("problem", UNVARIED, ids=lambda problem: problem.name)
@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_what_is_no_image_is_changed_by_nothing(kind: str, problem: Problem) -> None:
    reason = check_or_reason(recipe_of(problem, kind=kind), problem)
    if kind in UNCHANGING:
        assert reason == ""
    else:
        assert f"data.augment.kind '{kind}' does not suit" in reason
        assert reason.endswith("for which there is 'none'")
        assert "\n" not in reason
