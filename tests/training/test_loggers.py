"""Where curves are recorded, and what is said where the package for it is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from visus.runs.train import train
from visus.training import loggers
from visus.training.loggers import LOGGERS, PACKAGES, make_loggers, require_logger
from visus.training.recipe import Recipe, RecipeError
from visus.training.run import RunFolder


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_package_is_named_with_the_line_that_installs_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda package: None)
    with pytest.raises(RecipeError, match=f"needs the package {name}, which is not installed: pip install {name}$"):
        require_logger(name)
    recipe = Recipe(name="r", model="ssd_lite0")
    with pytest.raises(RecipeError, match=f"pip install {name}"):  # before any data is opened, or a folder made
        train(replace(recipe, fit=replace(recipe.fit, logger=name)), run=tmp_path / "run")
    assert not any(tmp_path.iterdir())


def test_each_logger_has_its_row_and_an_unknown_one_is_refused(squares: SimpleNamespace) -> None:
    assert LOGGERS.keys() == PACKAGES.keys()
    with pytest.raises(RecipeError, match=r"fit\.logger must be one of tensorboard, wandb, mlflow, none"):
        squares.recipe(logger="csv")


def test_tensorboard_is_the_usual_one_and_nothing_writes_nothing(squares: SimpleNamespace, tmp_path: Path) -> None:
    (usual,) = make_loggers(squares.recipe(), RunFolder(tmp_path), rounds=None)
    usual.log_metrics({"a": 1.0}, step=1)
    assert (tmp_path / "tensorboard").is_dir()
    assert make_loggers(squares.recipe(logger="none"), RunFolder(tmp_path), rounds=None) == []
