"""Fields of a recipe by their dotted names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from visus.recipes import RECIPES
from visus.training.recipe import Recipe, RecipeError
from visus.training.settings import SHORT, changed

RECIPE = RECIPES["maskrcnn_lite0"]()


def test_fields_are_changed_and_nothing_else() -> None:
    new = changed(
        RECIPE,
        {
            "optim.lr": 1,
            "data.augment.flip": 0.0,
            "data.augment.size": [64, 96],
            "fit.max_minutes": np.float64(2.5),
            "fit.epochs": np.int64(3),
            "model_options.size": 128,
            "optim.lr_factors.backbone": 0.1,
            "name": "mine",
        },
    )
    assert (new.optim.lr, new.data.augment.flip, new.data.augment.size) == (1.0, 0.0, (64, 96))
    assert (new.fit.max_minutes, new.fit.epochs, type(new.fit.epochs)) == (2.5, 3, int)
    assert (new.model_options, new.optim.lr_factors, new.name) == ({"size": 128}, {"backbone": 0.1}, "mine")
    assert changed(new, {"model_options": {}}).model_options == {}
    assert changed(RECIPE, {}) == RECIPE == RECIPES["maskrcnn_lite0"]()
    assert Recipe.from_json(new.to_json()) == new


@pytest.mark.parametrize("name", SHORT.values())
def test_short_names_are_fields(name: str) -> None:
    changed(RECIPE, {name: "" if name == "init" else 3})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fit.epoch": 3}, r"a recipe has no field 'fit\.epoch'; did you mean fit\.epochs\?"),
        ({"epochs": 3}, r"a recipe has no field 'epochs'; did you mean fit\.epochs\?"),
        ({"lr": 3}, r"did you mean optim\.lr\?"),
        ({"optim.lr.x": 3}, r"a recipe has no field 'optim\.lr\.x'"),
        ({"optim": {}}, r"optim has fields of its own; change one, such as optim\.name"),
        ({"fit.epochs": 2.5}, r"fit\.epochs must be a whole number, not 2\.5"),
        ({"fit.epochs": "3"}, r"fit\.epochs must be a whole number, not '3'"),
        ({"fit.epochs": 0}, r"fit\.epochs must be at least 1"),
        ({"optim.lr": -1.0}, r"optim\.lr must be above 0"),
        ({"data.augment.size": [64]}, r"data\.augment\.size must be"),
    ],
)
def test_what_cannot_be_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        changed(RECIPE, settings)
