"""The examples run as they are, on little data."""

from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path

import jaxtyping
import pytest
from PIL import Image

from visus.catalog import DATASETS
from visus.systems.faces import is_installed

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_mask_rcnn_draws_a_scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "scene.png"
    runpy.run_path(str(EXAMPLES / "mask_rcnn.py"))["main"](["--steps", "2", "--size", "96", "--out", str(out)])
    assert Image.open(out).size[0] >= 96
    assert "keypoint" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["faster_rcnn", "ssd"])
def test_detectors_train_on_a_folder(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    DATASETS["coco"].write_fake(tmp_path / "coco")
    image = next((tmp_path / "coco" / "val").iterdir())
    words = ["--root", str(tmp_path / "coco"), "--epochs", "1", "--size", "96", "--run", str(tmp_path / "run")]
    runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]([*words, "--image", str(image)])
    assert "box AP" in capsys.readouterr().out
    assert (tmp_path / "run" / "report.html").exists()


def test_relationships_are_drawn_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "graph.png"
    runpy.run_path(str(EXAMPLES / "scene_graphs.py"))["main"](["--steps", "2", "--size", "64", "--out", str(out)])
    said = capsys.readouterr().out
    assert "R@20" in said
    assert "'man sitting on bench' fits by" in said
    assert Image.open(out).size[0] >= 64


def test_a_phrase_becomes_an_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "made.png"
    words = ["--steps", "2", "--width", "2", "--phrase", "a red ball next to a dog", "--out", str(out)]
    runpy.run_path(str(EXAMPLES / "scene_generation.py"))["main"](words)
    assert "category_judge" in capsys.readouterr().out
    assert Image.open(out).size[0] >= 640


def test_fine_tuning_measures_both_ways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--scenes", "8", "--images", "8", "--epochs", "1", "--size", "64", "--runs", str(tmp_path)]
    runpy.run_path(str(EXAMPLES / "fine_tuning.py"))["main"](words)
    said = capsys.readouterr().out
    assert "fine-tuned: box AP" in said
    assert "from ImageNet: box AP" in said
    assert "new: head.classification_head.cls_logits" in said.replace("\n", "")


@pytest.mark.parametrize("name", ["classification", "segmentation"])
def test_classes_are_drawn(name: str, tmp_path: Path) -> None:
    out = tmp_path / "found.png"
    runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](["--steps", "2", "--size", "64", "--out", str(out)])
    assert Image.open(out).size[0] >= 64


@pytest.mark.parametrize("model", ["prototypical_conv4", "maml_conv4"])
def test_new_kinds_are_learned_from_one_image(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model", model, "--steps", "2", "--images", "5", "--tasks", "3"]
    runpy.run_path(str(EXAMPLES / "meta_learning.py"))["main"](words)
    said = capsys.readouterr().out
    assert "after {'accuracy': " in said
    assert "'transductive': 1.0" in said or model == "prototypical_conv4"


@pytest.mark.skipif(not is_installed(), reason="the extra faces is not installed")
def test_faces_are_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (90, 60), (90, 120, 60)).save(tmp_path / "meadow.png")
    runpy.run_path(str(EXAMPLES / "faces.py"))["main"]([str(tmp_path)])
    assert "0 faces of 0 people" in capsys.readouterr().out


def test_a_gallery_is_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found.png"
    runpy.run_path(str(EXAMPLES / "gallery.py"))["main"](["--individuals", "2", "--size", "64", "--out", str(out)])
    assert Image.open(out).size[0] > 200
    assert "added=48" in capsys.readouterr().out


def test_a_shape_is_named_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "shape.png"
    words = ["--steps", "2", "--points", "64", "--batch", "4", "--out", str(out)]
    runpy.run_path(str(EXAMPLES / "shapes3d.py"))["main"](words)
    assert "mean class accuracy" in capsys.readouterr().out
    assert Image.open(out).size[0] >= 320


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="the extra onnx is not installed",
)
def test_a_file_is_run_without_visus(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tmp_path / "exported")
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the checks would make numbers of symbolic sizes
    runpy.run_path(str(EXAMPLES / "export.py"))["main"](["--folder", folder, "--size", "64"])
    said = capsys.readouterr().out
    assert "largest differences" in said
    assert "objects in an image of" in said
