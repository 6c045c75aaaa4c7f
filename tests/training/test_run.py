"""Run folders: found, numbered, written whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from visus.dataclass_json import to_json
from visus.nn.weights import read_weights
from visus.training import run as run_module
from visus.training.recipe import Recipe
from visus.training.run import RunError, RunFolder, new_run, resumable_run, write_whole
from visus.types import Keypoints, Schema

POINTS = Keypoints(("left", "right"), ((0, 1),), (0.1, 0.2), ((0, 1),), (1,))
RECIPE = Recipe(name="a", model="m", model_options={"size": 3})


@pytest.mark.parametrize("keypoints", [None, POINTS])
def test_schema_survives_json(keypoints: Keypoints | None) -> None:
    schema = Schema(categories=("a", "b"), category_ids=(1, 90), has_masks=True, keypoints=keypoints)
    assert Schema.from_json(to_json(schema)) == schema


def test_recipe_and_weights_describe_the_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs" / "a")
    folder.create(RECIPE)
    assert folder.recipe() == RECIPE
    schema = Schema(categories=("a",), category_ids=(7,))
    folder.save_weights({"w": torch.arange(3.0)}, RECIPE, schema)
    state, metadata = read_weights(folder.weights)
    assert state["w"].tolist() == [0, 1, 2]
    assert Schema.from_json(metadata["schema"]) == schema
    assert (metadata["model"], metadata["options"]) == ("m", '{"size": 3}')
    assert metadata["visus"]


def test_history_keeps_gaps_and_six_digits(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    rows = [{"epoch": 1.0, "train loss": 0.123456789}, {"epoch": 2.0, "train loss": 0.1, "box AP": 0.5}]
    run.write_history(rows, [{"step": 5.0}])
    assert run.history() == [{"epoch": 1.0, "train loss": 0.123457}, rows[1]]
    assert run.curves() == [{"step": 5.0}]
    assert run.history_file.read_text().splitlines()[0] == "epoch,train loss,box AP"


def test_metrics_are_read_as_written(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_metrics({"box AP": 0.5, "per category": {"box AP": {"cat": 0.25}}})
    run.write_metrics({"box AP": 0.1}, tmp_path / "metrics-test.json")
    assert run.metrics() == {"box AP": 0.5, "per category": {"box AP": {"cat": 0.25}}}


def test_existing_runs_are_never_taken(tmp_path: Path) -> None:
    wanted = tmp_path / "runs" / "a"
    first = new_run(wanted)
    first.create(RECIPE)
    second = new_run(wanted)
    second.create(RECIPE)
    third = new_run(wanted)
    assert [folder.path.name for folder in (first, second, third)] == ["a", "a-2", "a-3"]
    assert third.path.is_dir()


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    assert new_run(tmp_path / "a").path.name == "a-2"
    assert (tmp_path / "a").read_text() == "mine"


def test_what_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        RunFolder(tmp_path).recipe()
    with pytest.raises(RunError, match="visus evaluate"):
        RunFolder(tmp_path).metrics()
    with pytest.raises(RunError, match="--resume"):
        resumable_run(tmp_path)
    assert RunFolder(tmp_path).history() == []


def test_text_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.json"
    write_whole(path, "old")

    def fail(self: Path, target: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(run_module.Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, "new")
    assert path.read_text() == "old"


def test_an_address_on_the_hub_has_to_be_fetched_first() -> None:
    with pytest.raises(RunError, match=r"`visus hub pull hf://user/name@v1` fetches it and prints its folder"):
        RunFolder(Path("hf://user/name@v1")).recipe()
