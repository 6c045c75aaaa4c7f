"""Scene generation through the command line: train, generate from phrases, JSON and images, change a word, measure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import visus
from visus.cli import main
from visus.data.vignettes import Vignettes
from visus.errors import VisusError
from visus.predict.generate import changed, graph_words
from visus.predict.predictor import load
from visus.recipes.scene_table import SCENE_ROWS
from visus.runs.feed import open_dataset
from visus.runs.scene_generation import comparison, measure_generation, measure_row, write_scenes

SMALL = ["--data.train-length", "4", "--data.val-length", "2", "--data.batch-size", "2", "--data.workers", "0"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that knows next to nothing."""
    folder = tmp_path_factory.mktemp("runs") / "scenes"
    options = [f"--model-options.{name}={value}" for name, value in {"dim": 8, "noise": 2, "width": 2}.items()]
    words = ["train", "scene_generation_vignettes", "--run", str(folder), *SMALL, *options]
    assert main([*words, "--loss-options.width", "4", "--fit.accelerator", "cpu"]) == 0
    return folder


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene-graph model that knows as little."""
    folder = tmp_path_factory.mktemp("runs") / "freq"
    options = ["--model-options.size", "64"]
    words = ["train", "freq_vignettes", "--run", str(folder), *SMALL, *options, "--fit.accelerator", "cpu"]
    assert main(words) == 0
    return folder


def test_numbers_name_their_network_and_the_images(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert {"FD (Lite0 at 128)", "IS (Lite0 at 128)", "box IoU", "images"} <= metrics.keys()
    assert metrics["images"] == 2
    assert "<img" in (run / "report.html").read_text()


def test_a_phrase_becomes_images(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["generate", str(run), "a red ball on top of a table", "--samples", "2", "--seed", "5", "--out", str(out)]
    assert main(words) == 0
    assert "2 images of: red ball, table, " in capsys.readouterr().out
    assert sorted(file.name for file in out.iterdir()) == ["graphs.json", "image-1.png", "image-2.png", "sheet.png"]
    assert Image.open(out / "image-1.png").size == (64, 64)
    first, second = json.loads((out / "graphs.json").read_text())
    assert first["objects"][0]["name"] == "ball"
    assert first["relationships"][0] == {"subject": 0, "predicate": "on top of", "object": 1}
    assert first != second


def test_what_generate_writes_it_reads(run: Path, tmp_path: Path) -> None:
    assert main(["generate", str(run), "a cat", "--samples", "1", "--out", str(tmp_path / "a")]) == 0
    graphs = str(tmp_path / "a" / "graphs.json")
    assert main(["generate", str(run), graphs, "--samples", "1", "--out", str(tmp_path / "b")]) == 0
    one, two = (json.loads((tmp_path / name / "graphs.json").read_text())[0] for name in "ab")
    for old, new in zip(one["objects"], two["objects"], strict=True):
        assert new["box_xyxy"] == pytest.approx(old["box_xyxy"], abs=0.02)


def test_an_image_becomes_a_graph_and_an_image_again(run: Path, graphs: Path, tmp_path: Path) -> None:
    """By what predict writes, and at once."""
    scene = Vignettes(split="test", length=1, size=96)[0].input
    photo = tmp_path / "scene.png"
    Image.fromarray(scene.permute(1, 2, 0).numpy()).save(photo)
    assert main(["predict", str(graphs), str(photo), "--out", str(tmp_path / "seen")]) == 0
    [entry] = json.loads((tmp_path / "seen" / "predictions.json").read_text())
    assert (entry["width"], entry["height"]) == (96, 96)
    for thing in entry["objects"]:
        thing["score"] = 1.0  # the model is sure of nothing
    (tmp_path / "sure.json").write_text(json.dumps([entry | {"objects": entry["objects"][:5], "relationships": []}]))
    out = tmp_path / "again"
    if entry["objects"]:
        assert main(["generate", str(run), str(tmp_path / "sure.json"), "--samples", "1", "--out", str(out)]) == 0
        assert (out / "image-1.png").is_file()
    words = ["generate", str(run), "--like", str(photo), "--graphs", str(graphs), "--out", str(tmp_path / "like")]
    assert main(words) in (0, 2)  # 2: nothing that it is sure of


def test_one_word_changes_and_the_rest_stays(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["generate", str(run), "a red ball next to a dog", "--change", "ball=car", "--samples", "1"]
    assert main([*words, "--out", str(out)]) == 0
    before, after = json.loads((out / "graphs.json").read_text())
    assert [thing["name"] for thing in after["objects"]] == ["car", *(t["name"] for t in before["objects"][1:])]
    for old, new in zip(before["objects"][1:], after["objects"][1:], strict=True):
        assert new["box_xyxy"] == pytest.approx(old["box_xyxy"], abs=0.02)
    assert (out / "changed-1.png").read_bytes() != (out / "image-1.png").read_bytes()


def test_attributes_and_predicates_change_too(run: Path) -> None:
    [made] = visus.load(run).generate("a red ball on top of a table")
    recoloured = changed(made, "red", "blue")
    assert graph_words(recoloured, made.schema)[:2] == ["blue ball", "table"]
    assert recoloured.boxes.isfinite().all()
    moved = changed(made, "on top of", "under")
    assert moved.relationships[0, 1] == made.schema.predicates.index("under")
    assert moved.boxes.isfinite().all(dim=1).tolist()[:2] == [False, True]
    for old, new, message in (
        ("dog", "cat", "has no 'dog'"),
        ("red", "cat", "like for like"),
        ("red ball", "cat", "one"),
    ):
        with pytest.raises(VisusError, match=message):
            changed(made, old, new)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a purple zebra"], "the model knows no 'zebra'"),
        ([], "takes a phrase or a .json file"),
        (["a cat", "--samples", "0"], "--samples must be at least 1"),
        (["a cat", "--change", "ball"], "--change takes OLD=NEW"),
        (["a cat", "--graphs", "runs/x"], "goes with --like"),
        (["--like", "a.png"], "needs --graphs RUN"),
        (["missing.json"], "missing.json"),
        ([__file__], "a graph is read from a .json file"),
        (["a cat", "--change", "dog=ball"], "the graph has no 'dog'"),
    ],
)
def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    words: list[str], message: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", str(run), *words, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_models_of_other_problems_make_no_images(
    graphs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", str(graphs), "a cat", "--out", str(tmp_path / "out")]) == 2
    assert "this model makes no images" in capsys.readouterr().err


def test_the_table_has_a_row_for_each_variant_and_one_for_real_images(
    run: Path, graphs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that is there is measured, not trained."""
    numbers = measure_row(SCENE_ROWS["full"], load(graphs), run, minutes=1.0, seed=0, images=2)
    write_scenes(tmp_path, {"full": numbers, "no-discriminators": numbers}, {"protocol": "Two of them."})
    said = capsys.readouterr().out
    assert [name in said for name in ("full", "no discriminators", "real images", "2 images. Two of them.")] == [
        True
    ] * 4
    assert json.loads((tmp_path / "table.json").read_text())["rows"]["full"] == numbers
    for words, message in ((["--minutes", "0"], "--minutes must be above 0"), (["--images", "0"], "at least 1")):
        assert main(["reproduce", "scene-generation", "--graphs", str(graphs), *words]) == 2
        assert message in capsys.readouterr().err


def test_made_images_are_judged_by_a_model_of_real_ones(run: Path, graphs: Path) -> None:
    dataset = open_dataset("vignettes_graphs", "test")
    samples = [dataset[index] for index in range(2)]
    numbers = measure_generation(load(run), load(graphs), samples)
    kinds = {f"{kind}{name}" for kind in ("", "given ", "real ") for name in ("recognised", "found", "relations")}
    assert set(numbers) == {*kinds, "images"}
    assert numbers["images"] == 2
    assert all(-1 <= value <= 1 for name, value in numbers.items() if name != "images")
    assert comparison({"tiny": load(run)}, samples).width > 600
