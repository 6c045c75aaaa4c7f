"""From what was typed to a recipe, or to what was probably meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from visus.data.readers import yolo
from visus.errors import VisusError
from visus.recipes import RECIPES
from visus.recipes.find import find_recipe


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_names_files_runs_and_folders() -> None:
    recipe = RECIPES["maskrcnn_vignettes"]()
    assert find_recipe("maskrcnn_vignettes") == recipe
    Path("runs/a").mkdir(parents=True)
    Path("runs/a/recipe.json").write_text(recipe.to_json())
    for name in ("runs/a/recipe.json", Path("runs/a/recipe.json"), "runs/a"):
        assert find_recipe(name) == recipe
    yolo.write_fake(Path("boxes"))
    assert find_recipe("boxes").data.dataset == "yolo"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "the name of the recipe is empty"),
        ("maskrcn_lite0", "did you mean maskrcnn_lite0?"),
        ("maskrcnn_lite0_fpn", "is a model, not a recipe; did you mean maskrcnn_lite0 or"),
        ("fcos_lite0_fpn", "did you mean fcos_vignettes, which trains it?"),
        (
            "data/data.yaml",
            "describes data; the folder of the data decides the recipe: did you mean `visus train data`?",
        ),
        ("data/annotations/train.json", "holds annotations, not a recipe"),
        ("data/annotations/train.json", "did you mean `visus train data`?"),
        ("data/annotations/trian.json", "did you mean data/annotations/train.json?"),
        ("runs/a/weights.safetensors", "part of a run, not a recipe; did you mean `visus train runs/a`?"),
        ("dat/x", "dat/x: no such recipe, file or folder"),
    ],
)
def test_what_was_probably_meant(typed: str, said: str) -> None:
    for folder in ("data/annotations", "runs/a"):
        Path(folder).mkdir(parents=True)
    Path("data/data.yaml").write_text("names: [cat]")
    Path("data/annotations/train.json").write_text('{"images": [], "annotations": [], "categories": []}')
    Path("runs/a/recipe.json").write_text(RECIPES["maskrcnn_vignettes"]().to_json())
    Path("runs/a/weights.safetensors").write_text("")
    with pytest.raises(VisusError, match=re.escape(said)):
        find_recipe(typed)
