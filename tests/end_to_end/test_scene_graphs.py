"""Scene graphs through the command line: train, evaluate, predict, ask."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from visus.cli import main
from visus.data.readers.vrd import write_fake
from visus.data.vignettes import Vignettes


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that knows next to nothing."""
    folder = tmp_path_factory.mktemp("runs") / "motifs"
    small = ["--data.train-length", "4", "--data.val-length", "2", "--data.batch-size", "2", "--data.workers", "0"]
    options = ["--model-options.size", "64", "--model-options.mode", "predcls"]
    assert main(["train", "motifs_vignettes", "--run", str(folder), *small, *options, "--fit.accelerator", "cpu"]) == 0
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for index in range(2):
        scene = Vignettes(split="test", length=2, size=96)[index].input
        Image.fromarray(scene.permute(1, 2, 0).numpy()).save(folder / f"scene_{index}.png")
    return folder


def test_numbers_stand_beside_their_conventions(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["conventions"].startswith("predcls: given boxes and classes of the objects; IoU of both boxes")
    assert {"R@20", "mR@50", "pooled mR@100", "ng R@20", "zR@20", "A@20", "attribute mAP"} <= metrics.keys()
    assert "Conventions" in (run / "report.html").read_text()


def test_predictions_are_graphs_with_a_caption(run: Path, images: Path, tmp_path: Path) -> None:
    assert main(["predict", str(run), str(images), "--out", str(tmp_path / "out"), "--min-score", "0.01"]) == 0
    entries = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [entry["file_name"] for entry in entries] == ["scene_0.png", "scene_1.png"]
    for entry in entries:
        assert isinstance(entry["caption"], str)
        places = {relation[end] for relation in entry["relationships"] for end in ("subject", "object")}
        assert places <= set(range(len(entry["objects"])))


def test_freq_counts_where_the_data_has_no_attributes(tmp_path: Path) -> None:
    """Nothing has a gradient then, and the counts are all that a training leaves."""
    write_fake(tmp_path / "vrd")
    small = ["--data.batch-size", "2", "--data.workers", "0", "--fit.epochs", "1", "--model-options.size", "64"]
    data = ["--data.dataset", "vrd", "--data.root", str(tmp_path / "vrd"), "--data.val", "test"]
    run = str(tmp_path / "freq")
    words = ["train", "freq_vignettes", "--run", run, *small, *data, "--fit.accelerator", "cpu"]
    assert main([*words, "--data.augment.flip", "0"]) == 0
    metrics = json.loads((tmp_path / "freq" / "metrics.json").read_text())
    assert metrics["R@20"] == 0.5  # two shapes, each left or right of the other, whatever their classes
    assert "attribute mAP" not in metrics or metrics["attribute mAP"] == -1


def test_phrases_and_questions_are_answered(
    run: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", str(run), str(images), "sleeping cat on top of sofa", "--out", str(tmp_path / "a")]) == 0
    assert "looked for: sleeping cat on top of couch" in capsys.readouterr().out
    found = json.loads((tmp_path / "a" / "answers.json").read_text())
    assert set(found["scores"]) == {"scene_0.png", "scene_1.png"}
    assert main(["ask", str(run), str(images), "how many dogs are there?", "--out", str(tmp_path / "b")]) == 0
    assert set(json.loads((tmp_path / "b" / "answers.json").read_text())["answers"]) == {"scene_0.png", "scene_1.png"}


@pytest.mark.parametrize(
    ("words", "message"),
    [("zebra", "the model knows no 'zebra'"), ("cat on", "needs an object behind it"), ("why?", "knows no 'why'|ask")],
)
def test_what_says_nothing_is_refused_and_leaves_nothing(
    words: str, message: str, run: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", str(run), str(images), words, "--out", str(tmp_path / "c")]) == 2
    said = capsys.readouterr().err
    assert any(part in said for part in message.split("|"))
    assert "Traceback" not in said
    assert not (tmp_path / "c").exists() or not any((tmp_path / "c").iterdir())
