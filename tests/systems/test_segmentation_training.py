"""Segmentation networks learn: on drawn scenes in the example, and by the loss that a recipe names."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from visus.data.feed.collate import Collate
from visus.data.vignettes.semantic import SemanticVignettes
from visus.systems.segmentation import PROBLEM, SegmentationCriterion
from visus.training.recipe import Recipe, RecipeError

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "segmentation.py"


def test_the_example_draws_a_scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "classes.png"
    runpy.run_path(str(EXAMPLE))["main"](["--steps", "2", "--size", "96", "--out", str(out)])
    assert Image.open(out).size[0] >= 96
    assert "of the pixels are right" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["fcn_lite0", "segnet_lite0", "deeplabv3_lite0"])
def test_small_networks_learn_a_few_scenes(name: str) -> None:
    torch.manual_seed(0)
    scenes = SemanticVignettes("train", length=4, size=64)
    batch = Collate()([scenes[i] for i in range(4)])
    model = PROBLEM.models[name](num_classes=scenes.schema.num_classes, size=64).train()
    criterion = SegmentationCriterion()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    costs = []
    for _ in range(8):
        loss = torch.stack(list(criterion(model(batch.inputs, batch.targets), batch.targets).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        costs.append(loss.item())
    assert costs[0] == pytest.approx(torch.tensor(20.0).log().item(), abs=0.3)
    assert costs[-1] < 0.75 * costs[0]


def test_the_recipe_names_the_loss_and_its_options() -> None:
    scenes = SemanticVignettes("train", length=1, size=64)
    model = PROBLEM.models["fcn_lite0"](num_classes=scenes.schema.num_classes, pretrained=False)
    recipe = Recipe(name="r", model="fcn_lite0", loss_options={"dice": 0.5})
    criterion = PROBLEM.criterion(model, recipe, scenes.schema)
    losses = criterion(model(Collate()([scenes[0]]).inputs), [scenes[0].target])
    assert list(losses) == ["pixels", "dice"]
    with pytest.raises(RecipeError, match=r"called 'dise'.*dice"):
        PROBLEM.criterion(model, replace(recipe, loss_options={"dise": 0.5}), scenes.schema)
    with pytest.raises(RecipeError, match=r"called 'hinge'.*segmentation"):
        PROBLEM.criterion(model, replace(recipe, loss="hinge"), scenes.schema)
