"""Shapes through the command line: trained, measured, looked at and reported on tiny data."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
import torch

import visus
from visus.cli import main
from visus.clouds import PointCloud
from visus.data.files.shapes import read_shape
from visus.data.readers import modelnet10_voxels, shape_folder
from visus.data.vignettes3d import Vignettes3D
from visus.data.vignettes3d.fake import write_off

QUICK = ["--data.workers", "0", "--fit.accelerator", "cpu", "--fit.logger", "none", "--fit.max-steps", "2"]
SHORT = [*QUICK, "--data.train-length", "16", "--data.val-length", "6", "--data.batch-size", "4"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes") / "run"
    words = ["train", "pointnet_vignettes3d", "--run", str(folder), *SHORT, "--model-options.points", "64"]
    assert main(words) == 0
    return folder


def test_a_run_has_both_accuracies_and_a_report_that_turns(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert {"overall accuracy", "mean class accuracy", "confusion matrix"} <= metrics.keys()
    report = (run / "report.html").read_text()
    clouds = re.findall(r'data-cloud="([^"]*)"', report)
    assert clouds
    content = json.loads(clouds[0].replace("&quot;", '"'))
    points, owners = (base64.b64decode(content[name]) for name in ("points", "owners"))
    assert len(points) == 6 * len(owners) > 0
    assert max(owners) < len(content["colours"])
    assert "A training batch as the network saw it" in report
    assert not re.search(r"https?://(?!www\.w3\.org)", report), "nothing is loaded from elsewhere"


def test_predict_says_what_a_mesh_is(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_off(tmp_path / "car.off", "car")
    assert main(["predict", str(run), str(path), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().err
    assert "class" in said
    assert "score" in said
    entry = json.loads((tmp_path / "out" / "predictions.json").read_text())[0]
    assert len(entry["classes"]) == 5
    about = json.loads((tmp_path / "out" / "images.json").read_text())
    assert about["images"] == [{"id": 1, "file_name": "car.off", "points": 4096}]
    assert (tmp_path / "out" / "car.off.jpg").stat().st_size > 5000


def test_a_folder_of_shapes_is_looked_at_and_bad_files_are_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("chair", "tree"):
        write_off(tmp_path / "in" / f"{name}.off", name)
    (tmp_path / "in" / "letter.off").write_text("Dear reader")
    assert main(["predict", str(run), str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "letter.off: no OFF file: it begins with 'Dear reader'" in " ".join(said.split())
    assert "Traceback" not in said
    assert {path.name for path in (tmp_path / "out").glob("*.jpg")} == {"chair.off.jpg", "tree.off.jpg"}


def test_an_image_is_refused_by_a_model_of_shapes(run: Path) -> None:
    with pytest.raises(ValueError, match=r"a shape \(PointCloud\) is wanted, not Tensor \[3, 20, 30\]"):
        visus.load(run).predict(torch.zeros(3, 20, 30, dtype=torch.uint8))


def test_python_takes_clouds_and_files_alike(run: Path, tmp_path: Path) -> None:
    model = visus.load(run)
    path = write_off(tmp_path / "table.off", "table")
    cloud = read_shape(path)
    by_file, by_cloud = model.predict([str(path), PointCloud(cloud.points)], batch_size=2)
    torch.testing.assert_close(by_file.prediction.scores, by_cloud.prediction.scores)
    assert by_file.to_dict()["points"] == 4096
    assert "4,096 points" in repr(by_file)
    assert by_cloud.plot().width >= 320


def test_evaluate_measures_other_shapes(run: Path) -> None:
    numbers = visus.evaluate(run, data=Vignettes3D(split="test", length=6), device="cpu")
    assert 0 <= numbers["overall accuracy"] <= 1
    assert (run / "report-vignettes3d.html").is_file()


def test_a_folder_of_meshes_is_recognised_and_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape_folder.write_fake(tmp_path / "meshes")
    words = ["train", str(tmp_path / "meshes"), "--run", str(tmp_path / "run"), *QUICK]
    assert main([*words, "--data.batch-size", "4", "--model-options.points", "64", "--fit.epochs", "1"]) == 0
    assert "shape_folder" in capsys.readouterr().err + (tmp_path / "run" / "recipe.json").read_text()


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ("voxnet_vignettes3d", []),
        ("dgcnn_vignettes3d", ["--model-options.points", "64"]),
        ("pointnet_parts_vignettes3d", ["--model-options.points", "64"]),
    ],
)
def test_the_other_inputs_are_trained_and_drawn(recipe: str, options: list[str], tmp_path: Path) -> None:
    assert main(["train", recipe, "--run", str(tmp_path / "run"), *SHORT, *options]) == 0
    assert "data-cloud" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["pointnet_vignettes3d", "--data.augment.kind", "warp"],
            "it changes Tensor, no PointCloud, for which there is shapes",
        ),
        (["classifier_lite0", "--data.dataset", "vignettes3d"], "(classification) looks at Tensor, but vignettes3d"),
    ],
)
def test_what_does_not_fit_shapes_is_refused(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words, "--run", str(tmp_path / "run"), *SHORT]) != 0
    assert message in " ".join(capsys.readouterr().err.split())


def test_the_table_of_modelnet10_goes_on_where_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    modelnet10_voxels.write_fake(tmp_path / "data")
    words = ["reproduce", "modelnet10", "--data", str(tmp_path / "data"), "--run", str(tmp_path / "table")]
    assert main([*words, "--rows", "voxnet", "--minutes", "0.05"]) == 0
    table = json.loads((tmp_path / "table" / "table.json").read_text())
    assert table["rows"]["voxnet"].keys() >= {"overall accuracy", "mean class accuracy"}
    assert "VoxNet" in capsys.readouterr().out
    before = (tmp_path / "table" / "rows" / "voxnet-seed0" / "weights.safetensors").stat().st_mtime_ns
    assert main([*words, "--rows", "voxnet", "--minutes", "0.05"]) == 0
    assert (tmp_path / "table" / "rows" / "voxnet-seed0" / "weights.safetensors").stat().st_mtime_ns == before
    assert main([*words, "--rows", "banana"]) != 0
    assert "row of the table called 'banana'" in " ".join(capsys.readouterr().err.split())
