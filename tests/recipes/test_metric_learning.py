"""The recipes of metric learning agree with the models and the losses that they name, and with the papers' numbers."""

from __future__ import annotations

import inspect

import pytest

from visus.recipes.metric_learning import METRIC_LEARNING
from visus.systems.metric_learning import PROBLEM
from visus.training.recipe import Recipe


@pytest.mark.parametrize("name", METRIC_LEARNING)
def test_options_exist(name: str) -> None:
    recipe = METRIC_LEARNING[name]()
    assert recipe.name == name
    assert recipe.model_options.keys() <= inspect.signature(PROBLEM.models[recipe.model]).parameters.keys()
    (architecture,) = (one for one in PROBLEM.architectures if recipe.model in one.models)
    loss = recipe.loss or next(iter(architecture.losses))
    assert recipe.loss_options.keys() <= inspect.signature(architecture.losses[loss]).parameters.keys()
    if recipe.data.batches in ("classes", "super_classes"):
        assert recipe.data.batch_size % recipe.data.images_per_class == 0
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_every_entry_says_what_it_is() -> None:
    assert METRIC_LEARNING["hdc_sop"].__doc__.startswith("Stanford Online Products: HDC (arXiv 1611.05720), GoogLeNet")
    assert len({recipe.__doc__ for recipe in METRIC_LEARNING.values()}) == len(METRIC_LEARNING) == 35


def test_rates_fall_at_the_papers_steps() -> None:
    recipe = METRIC_LEARNING["abier_cub200"]()
    share = [milestone / recipe.fit.epochs for milestone in recipe.optim.milestones]
    assert share == pytest.approx([0.25, 0.5, 0.75], abs=1e-3)
    assert recipe.fit.max_steps == 100_000
    assert METRIC_LEARNING["hdc_sop"]().data.batches == "super_classes"
    assert METRIC_LEARNING["hdc_cub200"]().data.augment.flip == 0
