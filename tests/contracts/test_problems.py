"""The contract of a problem: what it says of itself is complete, unique, and what everything outside of it reads."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from contracts.fakes import kind_measured, learnable, model_of, quick_model
from visus import catalog
from visus.metrics.metric import Measure, Metric, headlines
from visus.nn.model import Model
from visus.problem import Architecture, Problem
from visus.training.recipe import AugmentRecipe, Recipe, RecipeError
from visus.types import Batch, Prediction, Target

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURES = [(problem, one) for problem in catalog.PROBLEMS.values() for one in problem.architectures]
BUILDERS = [
    pytest.param(name, builder, id=name)
    for _, one in ARCHITECTURES
    for name, builder in {**one.models, **one.losses}.items()
]
DECIDED = {
    "num_classes",
    "num_attributes",
    "num_predicates",
    "num_keypoints",
    "keypoint_labels",
    "masks",
    "num_parts",
    catalog.BODY,
}
"""Arguments of models that the data decides."""


@pytest.fixture(params=catalog.PROBLEMS.values(), ids=lambda problem: problem.name)
def problem(request: pytest.FixtureRequest) -> Problem:
    problem: Problem = request.param
    return problem


def test_a_problem_is_called_by_its_package(problem: Problem) -> None:
    package = importlib.import_module(f"visus.systems.{problem.name}")
    assert package.PROBLEM is problem
    assert catalog.PROBLEMS[problem.name] is problem
    assert (package.__doc__ or "").strip()


def test_names_are_unique_over_the_catalog() -> None:
    for kind in ("models", "losses"):
        names = [name for _, one in ARCHITECTURES for name in getattr(one, kind)]
        assert sorted(names) == sorted(set(names))
        assert set(names) == set(getattr(catalog, kind.upper()))
    taken = [*catalog.MODELS, *catalog.LOSSES, *catalog.METRICS, *catalog.PROBLEMS]
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in taken), taken


def test_each_architecture_has_models_and_a_usual_loss(problem: Problem) -> None:
    assert problem.architectures
    for one in problem.architectures:
        assert one.models
        assert one.losses


@pytest.mark.parametrize(("name", "builder"), BUILDERS)
def test_a_builder_says_what_it_takes(name: str, builder: Any) -> None:
    """Named arguments of plain kinds, each described; so a recipe, a command line and a reader can use it."""
    parameters = inspect.signature(builder).parameters
    assert all(one.kind is inspect.Parameter.KEYWORD_ONLY for one in parameters.values()), parameters
    assert len(parameters.keys() - DECIDED) <= 8, "more than eight options are two objects"
    assert (builder.__doc__ or "").strip()
    hints = get_type_hints(builder.__init__ if inspect.isclass(builder) else builder)
    assert parameters.keys() <= hints.keys()


def is_plain(hint: Any) -> bool:
    """Whether a recipe's JSON can hold a value of this kind."""
    return (
        hint in (bool, int, float, str, type(None)) or get_origin(hint) is Literal or any(map(is_plain, get_args(hint)))
    )


@pytest.mark.parametrize("name", catalog.MODELS)
def test_a_model_s_options_can_stand_in_a_recipe(name: str) -> None:
    hints = get_type_hints(catalog.MODELS[name])
    known = inspect.signature(catalog.MODELS[name]).parameters
    assert all(is_plain(hints[option]) for option in known.keys() - DECIDED)
    assert all(known[option].default is not inspect.Parameter.empty for option in known.keys() - DECIDED)


def test_targets_are_kinds(problem: Problem) -> None:
    assert problem.targets
    assert set(problem.targets) <= set(get_args(Target))


def test_the_metric_is_one_of_the_catalog_and_has_a_headline(problem: Problem) -> None:
    for one in problem.architectures:
        name = quick_model(one)
        metric = problem.metric(model_of(name), Recipe(name="contract", model=name), learnable(problem.name).schema)
        assert isinstance(metric, Metric)
        assert type(metric) in catalog.METRICS.values()
        assert kind_measured(metric) in get_args(Prediction)
        assert metric.measures
        assert all(isinstance(measure, Measure) for measure in metric.measures.values())
        assert metric.measures[headlines(metric.measures)[0]].headline


@pytest.mark.parametrize(("problem", "one"), ARCHITECTURES, ids=lambda part: getattr(part, "name", ""))
def test_facts_are_arguments_of_a_loss(problem: Problem, one: Architecture) -> None:
    taken = {name for builder in one.losses.values() for name in inspect.signature(builder).parameters}
    assert one.facts(model_of(quick_model(one))).keys() <= taken


def test_what_batches_read_are_fields_of_a_recipe(problem: Problem) -> None:
    assert set(problem.batch_options) <= {field.name for field in fields(AugmentRecipe)}
    assert problem.vary is not None or not problem.batch_options, "nothing reads them"
    if problem.vary is not None:
        recipe = Recipe(name="contract", model=next(iter(problem.models)))
        assert problem.vary(recipe, learnable(problem.name).schema) is None, "training batches change unasked"


@pytest.mark.parametrize(("problem", "one"), ARCHITECTURES, ids=lambda part: getattr(part, "name", ""))
def test_models_keep_the_protocol(problem: Problem, one: Architecture) -> None:
    model = model_of(quick_model(one))
    assert isinstance(model, Model)
    assert isinstance(learnable(problem.name).batch(model), Batch)


def test_the_documents_name_everything() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    names = [*catalog.MODELS, *catalog.LOSSES, *catalog.METRICS, *catalog.DATASETS]
    missing = [name for name in names if not re.search(rf"(?<![A-Za-z0-9_]){name}(?![A-Za-z0-9_])", text)]
    assert not missing, f"no page says what these are: {missing}"
    headings = (ROOT / "README.md").read_text(encoding="utf-8").split("## What exists now")[1].split("\n\n")[1].lower()
    words = {name: name.replace("_", " ").removesuffix("s") for name in catalog.PROBLEMS}
    assert all(word in headings for word in words.values()), "a row in README.md for each problem"


def test_a_recipe_may_name_another_metric_of_its_problem(problem: Problem) -> None:
    name = quick_model(problem.architectures[0])
    model, schema = model_of(name), learnable(problem.name).schema
    recipe = Recipe(name="contract", model=name)
    assert type(problem.metric_of(model, recipe, schema)) is type(problem.metric(model, recipe, schema))
    for other in problem.metrics:
        metric = problem.metric_of(model, replace(recipe, metric=other), schema)
        assert any(type(metric) is kind for kind in catalog.METRICS.values())
    with pytest.raises(RecipeError, match=f"no metric of {name} called 'banana'"):
        problem.metric_of(model, replace(recipe, metric="banana"), schema)


def test_pascal_s_measure_counts_recall_in_elevenths_before_2010() -> None:
    problem, recipe = catalog.PROBLEMS["detection"], Recipe(name="contract", model="ssd_lite0", metric="voc07")
    schema = learnable("detection").schema
    metrics = [problem.metric_of(None, replace(recipe, metric=name), schema) for name in ("voc", "voc07")]
    assert [metric.rule for metric in metrics] == ["10+", "07"]
