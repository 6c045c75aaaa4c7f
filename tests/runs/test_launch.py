"""Which folder and which numbers the processes of torchrun take."""

from __future__ import annotations

from pathlib import Path

import pytest

from visus.runs.launch import as_launched, left_behind, mark, run_folder, unmark
from visus.terminal import console
from visus.training.recipe import FitRecipe, Recipe
from visus.training.run import RunFolder

RECIPE = Recipe(name="mine", model="finder", fit=FitRecipe(devices=2))


def launched(patch: pytest.MonkeyPatch, name: str, *, restarts: int = 0, port: int = 29500) -> None:
    """The variables that torchrun sets for the first of three processes on as many machines."""
    values = {"TORCHELASTIC_RUN_ID": name, "TORCHELASTIC_RESTART_COUNT": restarts, "MASTER_ADDR": "here"}
    values |= {"VISUS_RUN_FOLDER": "", "MASTER_PORT": port, "RANK": 0, "WORLD_SIZE": 3, "LOCAL_WORLD_SIZE": 1}
    for variable, value in values.items():
        patch.setenv(variable, str(value))


def begun(folder: Path) -> RunFolder:
    run = RunFolder(folder)
    run.create(RECIPE)
    mark(run)
    return run


def test_a_launch_finds_its_run_until_the_training_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(tmp_path / "mine")  # by a single process, without a launch
    launched(monkeypatch, "job-1")
    assert left_behind(tmp_path / "mine") is None
    run = run_folder(tmp_path / "mine", False, console())
    assert run.path == tmp_path / "mine-2"
    begun(run.path)
    assert left_behind(tmp_path / "mine") == run
    assert run_folder(tmp_path / "mine", False, console()) == run, "no third folder"
    launched(monkeypatch, "job-2")
    assert left_behind(tmp_path / "mine") is None
    launched(monkeypatch, "job-1")
    unmark(run)
    assert left_behind(tmp_path / "mine") is None


def test_a_launch_without_a_name_is_known_by_its_restart_and_its_meeting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched(monkeypatch, "none")
    run = begun(tmp_path / "mine")
    assert left_behind(run.path) is None, "perhaps of yesterday"
    launched(monkeypatch, "none", restarts=1)
    assert left_behind(run.path) == run
    launched(monkeypatch, "none", restarts=1, port=29501)
    assert left_behind(run.path) is None


def test_torchrun_tells_how_many_processes_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert as_launched(RECIPE) == (RECIPE, [])
    launched(monkeypatch, "job")
    recipe, told = as_launched(RECIPE)
    assert (recipe.fit.devices, recipe.fit.nodes) == (1, 3)
    assert told == ["torchrun has started 3 processes: fit.devices and fit.nodes, which ask for 2, give way."]
