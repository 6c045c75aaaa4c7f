"""What a file in fewer bits loses: measured on the run's data, refused by more than half a point, told beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

import visus
from visus import catalog
from visus.cli import main
from visus.errors import VisusError
from visus.export import written
from visus.export.accuracy import Measured, accuracy, calibration
from visus.export.formats import FORMATS
from visus.export.parity import Compared
from visus.metrics.metric import Measure
from visus.predict.exported import Accuracy
from visus.predict.stored import find_weights
from visus.runs.feed import open_split
from visus.training.recipe import DataRecipe, Recipe
from visus.training.run import RunFolder
from visus.types import ClassPrediction

DATA = DataRecipe(dataset="vignettes_objects", val="test", train_length=5, val_length=6)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    recipe = Recipe(name="small", model="classifier_lite0", model_options={"size": 32, "pretrained": False}, data=DATA)
    schema = open_split(recipe, "train").schema
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "small")
    folder.create(recipe)
    folder.save_weights(catalog.build_model(recipe.model, schema, recipe.model_options).state_dict(), recipe, schema)
    return folder.path


class Knowing(nn.Module):
    """What names the right class of one image after the other."""

    adapts = False

    def __init__(self, model: Any, labels: list[int]) -> None:
        super().__init__()
        self.transform, self.labels = model.transform, labels

    def forward(self, inputs: Any, targets: Any = None) -> int:
        return self.labels.pop(0)

    def postprocess(self, outputs: int, sizes: Any) -> list[ClassPrediction]:
        return [ClassPrediction(labels=torch.tensor([outputs]), scores=torch.ones(1), size=tuple(sizes[0]))]


def test_a_file_is_measured_beside_its_network(run: Path) -> None:
    stored = find_weights(run)
    model: Any = stored.network().eval()
    data = open_split(RunFolder(run).recipe(), "val")
    knowing: Any = Knowing(model, [int(data[place].target.label) for place in range(6)])  # type: ignore[union-attr]
    same, right = (accuracy(stored, run, model, file, 6) for file in (model, knowing))
    assert {row.metric for row in same.rows} >= {"top-1"}
    assert {row.images for row in same.rows} == {6}
    assert {loss.lost for loss in same.losses("bf16")} == {0}
    assert (right.rows[0].metric, right.rows[0].file) == ("top-1", 1)
    assert right.rows[0].network == same.rows[0].network < 1
    assert accuracy(stored, run, model, model, 4).rows[0].images == 4


def test_what_cannot_be_measured_says_why(run: Path, tmp_path: Path) -> None:
    stored = find_weights(run)
    model: Any = stored.network().eval()
    assert accuracy(stored, run, model, model, 0).why_not
    assert "is no run" in accuracy(stored, run / "weights.safetensors", model, model, 5).why_not


def test_int8_is_calibrated_with_training_data_or_the_images_that_are_named(run: Path, tmp_path: Path) -> None:
    inputs, said = calibration(run, None)
    assert (len(inputs), said) == (5, "5 training images of vignettes_objects")
    for number in range(3):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(tmp_path / f"{number}.png")
    inputs, said = calibration("nothing", tmp_path)
    assert ([tuple(one.shape) for one in inputs], said) == ([(3, 30, 40)] * 3, f"3 images of {tmp_path.name}")
    with pytest.raises(VisusError, match="int8 needs images to be calibrated with, --images FOLDER: nothing is no run"):
        calibration("nothing", None)


@pytest.fixture
def losing(run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose exported file loses two points."""

    def write(model: Any, wrapper: Any, about: Any, path: Path, calibrating: Any) -> None:
        path.write_text(about.calibration)

    measured = Measured((Accuracy("top-1", 0.5, 0.48, 6),), (Measure(headline=True),))
    monkeypatch.setitem(FORMATS, "openvino", replace(FORMATS["openvino"], modules=(), packages=()))
    monkeypatch.setattr(written, "nncf_module", lambda: torch)  # which has a version, too
    monkeypatch.setattr(written, "_write", write)
    monkeypatch.setattr(written, "load_exported", lambda path: None)
    monkeypatch.setattr(written, "compare", lambda model, file: [Compared("square, 1 image", None, {"score": 0.2})])
    monkeypatch.setattr(written, "accuracy", lambda *given: measured)
    return run


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_file_that_loses_more_than_half_a_point_is_refused(losing: Path, tmp_path: Path, precision: str) -> None:
    with pytest.raises(VisusError, match=f"top-1: {precision} 0.4800, fp32 0.5000: more than half a point is lost"):
        visus.export(losing, to="openvino", precision=precision, out=tmp_path / "model.xml", times=False)
    assert list(tmp_path.iterdir()) == []


def test_it_is_taken_by_force_and_both_numbers_lie_beside_it(
    losing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "model.xml"
    words = [str(losing), "--to", "openvino", "--precision", "int8", "--out", str(place), "--no-times", "--force"]
    assert main(["export", *words]) == 0
    told = json.loads((tmp_path / "model.xml.json").read_text())
    assert told["accuracy"] == [{"metric": "top-1", "network": 0.5, "file": 0.48, "images": 6}]
    assert told["calibration"] == place.read_text() == "5 training images of vignettes_objects"
    assert "top-1: int8 0.4800, fp32 0.5000, 2.00 points lost (6 validation images)" in capsys.readouterr().out


def test_int8_that_nobody_measured_is_refused(losing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "accuracy", lambda *given: Measured(why_not="no data"))
    with pytest.raises(VisusError, match=r"what int8 loses is not known \(no data\); --force"):
        visus.export(losing, to="openvino", precision="int8", out=tmp_path / "model.xml", times=False)
    done = visus.export(losing, to="openvino", precision="bf16", out=tmp_path / "model.xml", times=False)
    assert done.unmeasured == "no data"
