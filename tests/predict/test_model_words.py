"""What is said of a word that means no model, and what was probably meant."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from visus.predict.model_words import why_no_model
from visus.recipes import RECIPES

MODELS = {"maskrcnn_lite0_fpn", "ssd_lite0"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with a run, a run without weights, and an image."""
    monkeypatch.chdir(tmp_path)
    for name in ("runs/bccd", "runs/begun", "photos"):
        Path(name).mkdir(parents=True)
    Path("runs/bccd/weights.safetensors").write_text("")
    for name in ("runs/bccd/recipe.json", "runs/begun/recipe.json", "runs/bccd/last.ckpt", "photos/a.jpg"):
        Path(name).write_text("")


@pytest.mark.parametrize("name", ["runs/bccd", "runs/bccd/weights.safetensors", "maskrcnn_resnet50_fpn", "resnet50_v2"])
def test_what_may_be_a_model(name: str) -> None:
    assert why_no_model(name, models=MODELS, recipes=RECIPES) == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "the name of the model is empty"),
        ("runs/bcd", "no such run folder or weights file; did you mean runs/bccd?"),
        ("bccd", "did you mean runs/bccd?"),
        ("bcdd", "did you mean runs/bccd?"),
        ("runs/begun", "has not reached a validation"),
        ("photos", "no run folder"),
        ("photos/a.jpg", "the model comes first: visus predict MODEL photos/a.jpg"),
        ("runs/bccd/last.ckpt", "part of a run, not its weights; did you mean runs/bccd?"),
        ("maskrcnn_lite0", "is a recipe, not a trained model; train it first (visus train maskrcnn_lite0)"),
        ("ssd_lite0", "has no published weights; train it first"),
        ("maskrcnn_resnet50_fnp", "did you mean maskrcnn_resnet50_fpn?"),
    ],
)
def test_what_was_probably_meant(name: str, said: str) -> None:
    assert said in why_no_model(name, models=MODELS, recipes=RECIPES)


def test_nothing_heavy_is_imported_to_say_so() -> None:
    code = (
        "import sys, visus.predict.model_words, visus.predict.sources; "
        "print({'torch', 'numpy', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
