"""The precision of a training: asked for, tried out, or float32."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from visus.errors import VisusError
from visus.runs.resume import resumed_recipe
from visus.training import trial
from visus.training.run import RunFolder
from visus.training.trial import Trial, refuse_monitor, settled, tried
from visus.types import Batch


def first(squares: SimpleNamespace, recipe: Any) -> Batch:
    batch: Batch = next(iter(squares.loaders(recipe)[0]))
    return batch


def test_a_trial_leaves_everything_as_it_was(squares: SimpleNamespace) -> None:
    recipe = squares.recipe()
    task, seen = squares.task(recipe), []
    task.model.head.register_forward_hook(lambda layer, args, found: seen.append((layer.training, found.dtype)))
    task.eval()
    before = {name: value.clone() for name, value in task.state_dict().items()}
    batch = first(squares, recipe)
    draws = torch.random.get_rng_state()
    times = tried(task, batch)
    assert times.float32 > 0
    assert times.bfloat16 > 0
    assert seen == [(True, torch.float32), (True, torch.bfloat16)] * 4
    assert all(torch.equal(value, before[name]) for name, value in task.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), draws)
    assert not task.training
    assert all(parameter.grad is None for parameter in task.parameters())


@pytest.mark.parametrize(
    ("steps", "able", "half", "changes", "taken"),
    [
        (500, True, 0.5, {}, "bf16"),
        (500, True, 0.5, {"max_minutes": 4.0}, "bf16"),
        (500, True, 0.95, {}, "32"),
        (500, False, 0.5, {}, "32"),
        (50, True, 0.5, {}, "32"),
        (500, True, 0.5, {"max_minutes": 0.5}, "32"),
        (500, True, 0.5, {"devices": 2}, "32"),
        (500, True, 0.5, {"accelerator": "cuda"}, "32"),
        (500, True, 0.5, {"precision": "32"}, "32"),
        (50, False, 0.95, {"precision": "bf16"}, "bf16"),
    ],
)
def test_bfloat16_where_it_is_worth_it(
    squares: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
    able: bool,
    half: float,
    changes: dict[str, Any],
    taken: str,
) -> None:
    recipe = squares.recipe()
    recipe = replace(recipe, fit=replace(recipe.fit, **{"accelerator": "cpu", "precision": "auto", **changes}))
    monkeypatch.setattr(trial, "tried", lambda task, batch: Trial(1.0, half))
    task = squares.task(recipe)
    found, lines = settled(recipe, task, lambda: first(squares, recipe), steps=steps, bf16_products=lambda: able)
    assert found == replace(recipe, fit=replace(recipe.fit, precision=taken))
    tells = taken == "bf16" and recipe.fit.precision == "auto"
    assert lines == (["A step takes 0.50 s in bfloat16 and 1.00 s in float32: training in bfloat16 (--fit.precision 32 "
                      "for float32)."] if tells else [])  # fmt: skip


def test_a_run_goes_on_in_the_precision_it_took(squares: SimpleNamespace, tmp_path: Path) -> None:
    recipe = squares.recipe()
    took = replace(recipe, fit=replace(recipe.fit, precision="bf16"))
    run = RunFolder(tmp_path / "run")
    run.create(took)
    assert resumed_recipe(replace(recipe, fit=replace(recipe.fit, precision="auto")), run) == took


@pytest.mark.parametrize("monitor", ["", "loss", "val loss", "box AP"])
def test_numbers_that_will_be_measured_are_monitored(squares: SimpleNamespace, monitor: str) -> None:
    recipe = squares.recipe(monitor=monitor)
    task = squares.task(recipe)
    before = {name: value.clone() for name, value in task.state_dict().items()}
    refuse_monitor(recipe, task, lambda: first(squares, recipe))
    assert all(torch.equal(value, before[name]) for name, value in task.state_dict().items())


def test_others_are_refused_before_the_first_step(squares: SimpleNamespace) -> None:
    recipe = squares.recipe(monitor="box APP")
    with pytest.raises(VisusError, match=r"fit\.monitor must be one of val loss.*box AP.*, not 'box APP'"):
        refuse_monitor(recipe, squares.task(recipe), lambda: first(squares, recipe))
