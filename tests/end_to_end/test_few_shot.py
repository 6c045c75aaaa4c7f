"""Few-shot learning through the command line, on drawn characters that write_fake wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from visus.catalog import DATASETS
from visus.cli import main
from visus.recipes import RECIPES
from visus.training.recipe import Recipe

FEW = ["--data.episodes.queries", "2", "--data.episodes.train-way", "5", "--data.episodes.train-queries", "1"]
SHORT = ["--data.episodes.per-epoch", "4", "--data.episodes.measured", "6", "--fit.epochs", "1", "--data.workers", "0"]


@pytest.fixture(scope="module")
def characters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("omniglot")
    DATASETS["omniglot"].write_fake(root)
    return root


@pytest.fixture(scope="module")
def run(characters: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "maml"
    words = ["--data.root", str(characters), "--run", str(folder), "--data.batch-size", "2", *FEW, *SHORT]
    assert main(["train", "maml_omniglot", *words]) == 0
    return folder


def test_a_number_stands_with_its_protocol(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--split", "test"]) == 0
    printed = capsys.readouterr().out
    for words in ("accuracy 0.", "95 % interval 0.", "tasks 6", "n_way 5", "k_shot 1", "queries 10", "transductive 1"):
        assert words in printed
    measured = json.loads((run / "metrics-test.json").read_text())
    assert measured["tasks"] == 6
    assert "<img" in (run / "report-test.html").read_text()  # sheets of the best and the worst tasks


def test_single_images_are_refused_with_what_helps(
    run: Path, characters: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = next(characters.rglob("*.png"))
    assert main(["predict", str(run), str(image)]) != 0
    said = capsys.readouterr().err
    assert "looks at episodes" in said
    assert "visus teach" in said
    assert "Traceback" not in said


def test_the_table_has_each_learner_beside_the_published(
    characters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from visus.recipes import few_shot_table

    monkeypatch.setattr(few_shot_table, "QUERIES", 2)  # the miniature has five drawings of a character
    monkeypatch.setattr(few_shot_table, "prototypical_omniglot", small_prototypical)
    words = ["--data", str(characters), "--rows", "prototypical", "--minutes", "0.02", "--measured", "4"]
    for _ in range(2):  # the second time it is read, not trained
        assert main(["reproduce", "few-shot", *words, "--run", str(tmp_path / "table")]) == 0
    assert "Prototypical" in capsys.readouterr().out
    table = (tmp_path / "table" / "table.md").read_text()
    assert "| Prototypical |" in table
    assert "| no | 0.02 | 98.8 |" in table
    assert main(["reproduce", "few-shot", *words, "--n-way", "5", "3", "--run", str(tmp_path / "table")]) == 0
    table = (tmp_path / "table" / "table.md").read_text()
    assert "| 3, 1 |" in table  # measured with the weights of the first training
    assert len(list((tmp_path / "table" / "rows").iterdir())) == 1
    assert main(["reproduce", "few-shot", *words[:3], "banana", "--run", str(tmp_path / "other")]) == 2


def small_prototypical() -> Recipe:
    recipe = RECIPES["prototypical_omniglot"]()
    episodes = replace(recipe.data.episodes, train_way=5, train_queries=1, per_epoch=2)
    return replace(recipe, data=replace(recipe.data, episodes=episodes, workers=0))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data.episodes.n-way", "99"], "a task of 99 classes needs as many"),
        (["--data.episodes.queries", "99"], "needs 100 images of each (k_shot + queries)"),
        (["--data.episodes.n-way", "1"], "data.episodes.n_way must be at least 2"),
        (["--data.batches", "shuffled"], "learns from EpisodeTarget"),
    ],
)
def test_tasks_that_cannot_be_get_one_line(
    words: list[str], message: str, characters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ["train", "maml_omniglot", "--data.root", str(characters), "--run", str(tmp_path / "run"), *FEW[2:]]
    assert main([*start, *words]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert message in said, said
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()
