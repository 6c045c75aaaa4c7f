"""`visus export`: what is refused in one line, that nothing stays then, and that a file gives what its run gives."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image

import visus
from visus import catalog
from visus.cli import main
from visus.errors import VisusError
from visus.export import written
from visus.export.parity import Compared
from visus.training.recipe import Option, Recipe
from visus.training.run import RunFolder
from visus.types import Schema

SCHEMA = Schema(("cat", "dog", "owl"), (1, 2, 3), attributes=("red",), predicates=("on", "beside"))


def a_run(folder: Path, model: str, **options: Option) -> Path:
    torch.manual_seed(0)
    recipe = Recipe(name="small", model=model, model_options=options)
    network = catalog.build_model(model, SCHEMA, recipe.model_options)
    run = RunFolder(folder)
    run.create(recipe)
    run.save_weights(network.state_dict(), recipe, SCHEMA)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_run(tmp_path_factory.mktemp("runs") / "small", "classifier_lite0", size=32, pretrained=False)


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of an error."""
    assert main(["export", *words]) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    return error


def test_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such run folder" in said([str(tmp_path / "nothing.pt")], capsys)
    assert "no weights.safetensors here" in said([str(tmp_path)], capsys)


def test_an_unknown_format_names_the_one_that_was_meant(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean onnx?" in said([str(run), "--to", "onx"], capsys)
    assert "it has float32" in said([str(run), "--to", "torch-export", "--precision", "int8"], capsys)


def test_a_missing_package_is_named_with_the_line_that_installs_it(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import_module = importlib.import_module

    def without(name: str, *rest: Any) -> ModuleType:
        if name == "openvino":
            raise ModuleNotFoundError("No module named 'openvino'", name="openvino")
        return ModuleType(name) if name in ("onnx", "onnxscript") else import_module(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    assert "pip install 'visus[openvino]'" in said([str(run), "--to", "openvino"], capsys)


def test_nothing_is_written_over(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.pt2").write_text("mine")
    words = [str(run), "--to", "torch-export", "--out"]
    assert "there is something of this name already" in said([*words, str(tmp_path / "model.pt2")], capsys)
    assert "ends in .pt2" in said([*words, str(tmp_path / "model.onnx")], capsys)
    assert (tmp_path / "model.pt2").read_text() == "mine"


def test_a_problem_that_no_graph_holds_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learner = a_run(tmp_path / "learner", "prototypical_conv4", width=8)
    assert "cannot be exported: it learns from" in said([str(learner), "--to", "torch-export"], capsys)
    graphs = a_run(tmp_path / "graphs", "motifs_lite0", size=64, pretrained=False)
    assert "cannot be exported: its pairs" in said([str(graphs), "--to", "torch-export"], capsys)


def test_what_is_not_reproduced_is_not_written(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(model: Any, wrapper: Any, about: Any, path: Path, calibrating: Any) -> None:
        path.write_text("a file")

    monkeypatch.setattr(written, "_write", write)
    monkeypatch.setattr(written, "load_exported", lambda path: None)
    wrong = Compared("square, 1 image", 1, {"missed": 1.0, "score": 0.0})
    monkeypatch.setattr(written, "compare", lambda model, file: [wrong])
    with pytest.raises(VisusError, match=r"square, 1 image: missed differ by 1\); nothing is written"):
        visus.export(run, to="torch-export", out=tmp_path / "new" / "model.pt2")
    assert list(tmp_path.iterdir()) == []


def test_a_file_gives_what_its_run_gives(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = visus.export(run, to="torch-export", out=tmp_path / "model.pt2")
    assert max(done.about.largest_differences.values()) < 1e-3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt2", "model.pt2.json"]
    told = json.loads((tmp_path / "model.pt2.json").read_text())
    assert told["schema"]["categories"] == ["cat", "dog", "owl"]
    assert told["input"]["shape"] == ["batch", 3, "height", "width"]
    assert set(done.seconds) == {"visus", "torch-export"}
    image = Image.effect_noise((70, 50), 80).convert("RGB")
    image.save(tmp_path / "noise.png")
    for model, folder in ((run, "of_run"), (tmp_path / "model.pt2", "of_file")):
        assert main(["predict", str(model), str(tmp_path / "noise.png"), "--out", str(tmp_path / folder)]) == 0
    one, other = (json.loads((tmp_path / name / "predictions.json").read_text()) for name in ("of_run", "of_file"))
    assert [sorted(entry) for entry in one] == [sorted(entry) for entry in other]
    assert [entry["classes"][0]["name"] for entry in one] == [entry["classes"][0]["name"] for entry in other]


def test_files_that_cannot_be_run(tmp_path: Path) -> None:
    (tmp_path / "model.pt2").write_bytes(b"no archive")
    with pytest.raises(VisusError, match=r"no model.pt2.json beside it"):
        visus.load(tmp_path / "model.pt2")
    (tmp_path / "model.pt2.json").write_text("[]")
    with pytest.raises(VisusError, match="must be a JSON object"):
        visus.load(tmp_path / "model.pt2")
    with pytest.raises(VisusError, match="an exported file already"):
        visus.export(tmp_path / "model.pt2")
