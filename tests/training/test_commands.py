"""The verbs train and evaluate with a small problem in the catalog."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from visus import catalog, recipes
from visus.cli import main
from visus.cli import train as verbs
from visus.data.entry import DatasetEntry
from visus.errors import VisusError
from visus.metrics import ObjectMetric
from visus.nn.weights import read_weights
from visus.problem import Architecture, Problem
from visus.runs.train import evaluate, find_recipe, train
from visus.training.recipe import Recipe, RecipeError
from visus.training.run import RunFolder
from visus.types import Batch, InstancePrediction, InstanceTarget


def generated(open_split: Any) -> DatasetEntry:
    """A generated data set of the catalog."""
    nothing: dict[str, Any] = dict.fromkeys(("write_fake", "recognise", "check"))
    return DatasetEntry(open=open_split, **nothing, mark="", summary="", licence="", size="", source="")


@pytest.fixture
def small(squares: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Recipe:
    """A catalog with the small problem in it, and its recipe; runs go to a folder of the test."""

    def open_squares(root: Path, split: str, *, for_training: bool) -> object:
        assert for_training == (split == "train")
        return squares.dataset(40, seed={"train": 1, "val": 2, "test": 3}[split])

    problem = Problem(
        name="squares",
        targets=(InstanceTarget,),
        architectures=(Architecture({"finder": squares.finder}, {"squares": lambda: squares.criterion}),),
        metric=lambda model, recipe, schema: squares.metric(),
    )
    recipe = squares.recipe(epochs=2)
    recipe = replace(recipe, data=replace(recipe.data, dataset="squares", train_length=16, val_length=8))
    monkeypatch.setitem(catalog.DATASETS, "squares", generated(open_squares))
    monkeypatch.setitem(catalog.PROBLEMS, "squares", problem)
    monkeypatch.setitem(catalog.MODELS, "finder", squares.finder)
    monkeypatch.setitem(recipes.RECIPES, "squares", lambda: recipe)
    monkeypatch.delenv("VISUS_RUN_FOLDER", raising=False)
    monkeypatch.chdir(tmp_path)
    return recipe


def test_train_leaves_a_complete_run_and_says_where(
    small: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verbs.main(["squares", "--optim.lr", "0.02", "--fit.epochs", "1"]) == 0
    run = RunFolder(Path("runs/squares"))
    assert run.recipe() == replace(
        small, optim=replace(small.optim, lr=0.02), fit=replace(small.fit, epochs=1, precision="32")
    )
    names = {path.name for path in run.path.iterdir()}
    assert names >= {"weights.safetensors", "last.ckpt", "metrics.csv", "metrics.json", "report.html", "tensorboard"}
    assert not [name for name in names if name.endswith(".part")]
    shown = capsys.readouterr().out
    value = run.metrics()["box AP"]
    assert f"box AP {value:.3f}" in shown
    assert "16 training and 8 validation images" in shown
    assert "runs/squares/report.html" in shown
    assert read_weights(run.weights)[1]["model"] == "finder"


def test_the_seed_decides_the_run(small: Recipe) -> None:
    weights = []
    for seed in (1, 1, 2):
        path = train(replace(small, fit=replace(small.fit, epochs=1, seed=seed)))
        weights.append(read_weights(RunFolder(path).weights)[0]["head.weight"].tolist())
    assert weights[0] == weights[1] != weights[2]


def test_an_existing_run_is_kept_and_the_command_says_so(small: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    first = train(replace(small, fit=replace(small.fit, epochs=1)))
    before = {path: path.stat().st_mtime_ns for path in first.iterdir()}
    second = train(replace(small, fit=replace(small.fit, epochs=1)))
    assert (str(first), str(second)) == ("runs/squares", "runs/squares-2")
    assert {path: path.stat().st_mtime_ns for path in first.iterdir()} == before
    assert "runs/squares exists already; this run goes to runs/squares-2" in capsys.readouterr().out


def test_resume_takes_the_recipe_of_the_run(small: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    assert verbs.main(["squares", "--optim.lr", "0.02", "--fit.epochs", "1", "--run", "mine"]) == 0
    assert verbs.main(["squares", "--run", "mine", "--resume", "--fit.epochs", "3"]) == 0
    run = RunFolder(Path("mine"))
    assert run.recipe().optim.lr == 0.02
    assert [row["epoch"] for row in run.history()] == [1, 2, 3]
    assert verbs.main(["squares", "--run=mine", "--resume"]) == 0
    assert "All 3 epochs were trained before; --fit.epochs asks for more" in capsys.readouterr().out


def test_evaluate_repeats_the_measures_of_the_run(small: Recipe) -> None:
    path = train(small)
    run = RunFolder(path)
    before = run.metrics()
    run.metrics_file.unlink()
    assert verbs.evaluate([str(path), "--device", "cpu"]) == 0
    assert run.metrics() == before


def test_evaluate_on_another_split_writes_beside(small: Recipe) -> None:
    path = train(small)
    before = RunFolder(path).metrics_file.read_text()
    metrics = evaluate(path, split="test")
    assert RunFolder(path).metrics_file.read_text() == before
    written = json.loads((path / "metrics-test.json").read_text())
    assert written["pictures"] == 40
    assert written["box AP"] == metrics["box AP"]


class Placed(ObjectMetric):
    """Sees each object where it is: the small problem learns names faster than places."""

    def update(self, predictions: Sequence[InstancePrediction], batch: Batch) -> None:
        pairs = zip(predictions, batch.targets, strict=True)
        super().update([replace(one, boxes_xyxy=target.boxes_xyxy) for one, target in pairs], batch)


@pytest.fixture
def examined(small: Recipe, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The same problem, which is also looked at over the score of its objects, as detection is."""
    problem = replace(
        catalog.PROBLEMS["squares"], examined=lambda schema, threshold: Placed(schema, threshold=threshold)
    )
    monkeypatch.setitem(catalog.PROBLEMS, "squares", problem)
    return small


def test_the_threshold_is_kept_in_the_run_said_and_used_on_other_data(
    examined: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    path = train(examined)
    run = RunFolder(path)
    threshold = run.threshold()
    assert threshold is not None
    assert 0 < threshold < 1
    assert f"A score of {threshold:.2f} gives the best F1: visus predict draws objects from it on" in (
        capsys.readouterr().out
    )
    page = (path / "report.html").read_text()
    for part in (
        "Precision over recall",
        "F1 over the score threshold",
        "Confusion matrix",
        "own best",
        "nothing there",
    ):
        assert part in page
    for part in ("images <b>16 train, 8 val</b>", "best epoch", "parameters", "images a second", "minutes"):
        assert part in page
    for part in ("Objects of each category", "A training batch as the network saw it", "Quality: 1 where"):
        assert part in page
    numbers = evaluate(path, split="test")
    assert numbers["score threshold"] == threshold  # it was chosen on the validation data
    assert run.threshold() == threshold
    page = (path / "report-test.html").read_text()
    assert "40 test" in page


def test_a_run_is_measured_where_its_training_data_is_gone(examined: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    path = train(replace(examined, fit=replace(examined.fit, epochs=1)))
    before, entry = RunFolder(path).metrics(), catalog.DATASETS["squares"]

    def open_others(root: Path, split: str, *, for_training: bool) -> object:
        if split == "train":
            raise FileNotFoundError("gone")
        return entry.open(root, split, for_training=for_training)

    monkeypatch.setitem(catalog.DATASETS, "squares", generated(open_others))
    evaluate(path)
    assert RunFolder(path).metrics() == before
    assert "A training batch as the network saw it" not in (path / "report.html").read_text()


def test_runs_are_compared_on_one_page_that_is_never_written_over(
    examined: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    one = train(replace(examined, fit=replace(examined.fit, epochs=1)))
    two = train(replace(examined, optim=replace(examined.optim, lr=0.02)))
    capsys.readouterr()
    assert main(["report", str(one), str(two)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["squares", "squares-2"]
    assert lines[-1] == "Report   runs/comparison.html"
    page = Path("runs/comparison.html").read_text()
    for part in ("optim.lr", "fit.epochs", "box AP, in hundredths", "train loss", "Measured on val of squares"):
        assert part in page
    assert main(["report", str(one), str(two)]) == 0
    assert Path("runs/comparison-2.html").is_file()
    assert main(["report", str(one), "--out", "runs/comparison.html"]) == 2
    assert main(["report", str(one), "nowhere"]) == 2
    assert main(["report"]) == 2


def test_a_short_run_has_curves(small: Recipe) -> None:
    path = train(replace(small, fit=replace(small.fit, epochs=20, max_steps=40)))
    steps = [line["step"] for line in RunFolder(path).curves() if "train loss" in line]
    assert steps[:20] == list(range(1, 21))
    assert len(steps) >= 30


def test_evaluate_refuses_data_with_other_categories(small: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    path = train(small)
    entry = catalog.DATASETS["squares"]

    def open_others(root: Path, split: str, *, for_training: bool) -> object:
        dataset = entry.open(root, split, for_training=for_training)
        dataset.schema = replace(dataset.schema, categories=("red", "green", "violet"))
        return dataset

    monkeypatch.setitem(catalog.DATASETS, "squares", generated(open_others))
    with pytest.raises(VisusError, match=r"has categories that the run .* lacks \(violet\)"):
        evaluate(path)


def test_evaluate_refuses_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(VisusError, match=r"no recipe\.json"):
        evaluate(tmp_path)


def test_unknown_recipes_list_the_known_ones() -> None:
    with pytest.raises(VisusError, match=r"'maskrcnn_vignets' is neither a recipe nor .* mean maskrcnn_vignettes"):
        find_recipe("maskrcnn_vignets")


def test_a_folder_gets_the_recipe_that_suits_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(recipes, "for_folder", lambda path, **options: asked.append(path) or "its recipe")
    assert find_recipe(tmp_path) == "its recipe"
    assert asked == [tmp_path]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["squares", "--optim.lr", "-1"], "optim.lr must be above 0"),
        (["squares", "--optim.learning-rate", "1"], "--optim.learning-rate"),
        (["squares", "--fit.precision", "fp16"], "fp16"),
    ],
)
def test_wrong_overrides_are_refused(
    small: Recipe, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        verbs.main(words)
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert message in " ".join((captured.out + captured.err).split())
    assert not Path("runs").exists()


def test_usage_lists_the_recipes(small: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    assert verbs.main(["--help"]) == 0
    assert verbs.main([]) == 2
    assert verbs.main(["--optim.lr", "1"]) == 2
    captured = capsys.readouterr()
    assert captured.out.count("maskrcnn_vignettes") == 2
    assert "recipe comes first" in captured.err


def test_devices_that_are_not_there_are_refused_before_work_begins(
    small: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    if torch.cuda.is_available():
        pytest.skip("needs a machine without a GPU")
    with pytest.raises(VisusError, match=r"fit\.accelerator is 'cuda', but PyTorch .* finds no such device here"):
        verbs.main(["squares", "--fit.accelerator", "cuda"])
    assert not Path("runs").exists()
    path = train(replace(small, fit=replace(small.fit, epochs=1)))
    capsys.readouterr()
    for name in ("cuda", "cuda:7", "gpu"):
        with pytest.raises(VisusError, match=f"the device '{name}' cannot be used"):
            verbs.evaluate([str(path), "--device", name])
    assert capsys.readouterr().out == ""


def test_another_recipe_is_refused_when_a_run_goes_on(small: Recipe) -> None:
    path = train(replace(small, fit=replace(small.fit, epochs=1)))
    before = (path / "recipe.json").read_bytes()
    with pytest.raises(RecipeError, match="trained with the recipe 'squares' and another name"):
        train("maskrcnn_vignettes", run=path, resume=True)
    with pytest.raises(RecipeError, match=r"another data\.batch_size: leave --resume out"):
        train(replace(small, data=replace(small.data, batch_size=2)), run=path, resume=True)
    with pytest.raises(RecipeError, match=r"another optim\.name, optim\.weight_decay"):
        verbs.main([str(path), "--resume", "--optim.name", "adamw", "--optim.weight-decay", "0.3"])
    assert (path / "recipe.json").read_bytes() == before
    assert train(str(path), resume=True) == path
    assert train("squares", run=path, resume=True) == path
    assert verbs.main([str(path), "--resume", "--fit.epochs", "2"]) == 0
    assert len(RunFolder(path).history()) == 2
    assert verbs.main([str(path)]) == 0, "without --resume the recipe of a run is trained again, elsewhere"
    assert RunFolder(Path("runs/squares-2")).recipe().fit.epochs == 2
