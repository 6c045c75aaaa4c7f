"""Fine-tuning: what `init` takes from a run or from published weights, what stays new, and what is said of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import visus
from tiny_backbone import TinyBackbone
from visus import catalog
from visus.dataclass_json import to_json
from visus.nn.backbones import without_pretrained
from visus.nn.norm import FrozenBatchNorm2d
from visus.nn.published import PUBLISHED
from visus.nn.weights import frozen_eps, read_weights, save_weights
from visus.predict import stored
from visus.recipes import RECIPES
from visus.runs.feed import open_split
from visus.runs.initial import build_started
from visus.runs.own import Own
from visus.training.recipe import DataRecipe, FitRecipe, Recipe, RecipeError
from visus.training.run import RunFolder
from visus.types import Keypoints, Schema

ANIMALS = Schema(("cat", "dog"), (1, 2))
TOOLS = Schema(("hammer", "saw", "drill"), (1, 2, 3))
OTHER_TWO = Schema(("hammer", "saw"), (1, 2))


def tiny(model: str = "fasterrcnn_lite0_fpn", **options: object) -> Recipe:
    """A recipe of one step on two drawn scenes."""
    data = DataRecipe(dataset="vignettes", train_length=2, val_length=2, batch_size=2, workers=0)
    fit = FitRecipe(epochs=1, accelerator="cpu", seed=5)
    return Recipe(name="tiny", model=model, model_options={"size": 64, **options}, data=data, fit=fit)


def write_run(folder: Path, schema: Schema, model: str = "fasterrcnn_lite0_fpn", eps: str = "") -> dict[str, Tensor]:
    """A run whose weights are no network's first ones; returns them."""
    with without_pretrained():
        network = catalog.build_model(model, schema, {})
    state = {name: torch.rand_like(value.float()) for name, value in network.state_dict().items()}
    metadata = {"model": model, "options": "{}", "schema": to_json(schema)}
    save_weights(folder / "weights.safetensors", state, metadata | ({"frozen_eps": eps} if eps else {}))
    return state


def fresh(recipe: Recipe, schema: Schema, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return catalog.build_model(recipe.model, schema, recipe.model_options)


def tensors(model: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize("schema", [TOOLS, OTHER_TWO], ids=["another number", "other names"])
def test_all_but_the_heads_is_the_runs_and_the_heads_are_seeded(tmp_path: Path, schema: Schema) -> None:
    """The same number of other classes makes new heads, too."""
    state = write_run(tmp_path / "run", ANIMALS)
    recipe = replace(tiny(), init=str(tmp_path / "run"))
    torch.manual_seed(7)
    model, started = build_started(recipe, schema)
    assert started.new == ("roi_heads.box_predictor",)
    assert str(started) == (
        f"Starts from {tmp_path / 'run'} (fasterrcnn_lite0_fpn): backbone, rpn, roi_heads.box_head; "
        "new: roi_heads.box_predictor."
    )
    new = fresh(recipe, schema, 7).state_dict()
    for name, value in tensors(model).items():
        expected = new if name.startswith("roi_heads.box_predictor") else state
        assert torch.equal(value, expected[name]), name


def test_the_same_classes_keep_the_heads(tmp_path: Path) -> None:
    state = write_run(tmp_path / "run", ANIMALS)
    model, started = build_started(replace(tiny(), init=str(tmp_path / "run")), replace(ANIMALS, category_ids=(7, 9)))
    assert started.new == ()
    assert str(started).endswith("backbone, rpn, roi_heads.")
    assert all(torch.equal(value, state[name]) for name, value in tensors(model).items())


@pytest.mark.parametrize("source", ["classifier_lite0", "descriptor_lite0", "deeplabv3_lite0"])
def test_the_backbone_alone_of_another_problem(tmp_path: Path, source: str) -> None:
    state = write_run(tmp_path / "run", ANIMALS, source)
    model, started = build_started(replace(tiny(), init=str(tmp_path / "run")), TOOLS)
    assert (started.model, started.taken) == (source, ("backbone.body",))
    assert started.new == ("backbone.fpn", "rpn", "roi_heads")
    inside = {"classifier_lite0": "network.features.", "deeplabv3_lite0": "backbone."}.get(source, "backbone.body.")
    for name, value in tensors(model.backbone.body).items():
        assert torch.equal(value, state[inside + name])


def test_other_keypoints_make_a_new_keypoint_head(tmp_path: Path) -> None:
    points = Keypoints(("nose", "tail"), (), (0.1, 0.1))
    learned = replace(ANIMALS, keypoints=points, has_masks=True)
    write_run(tmp_path / "run", learned, "maskrcnn_lite0_fpn")
    recipe = replace(tiny("maskrcnn_lite0_fpn"), init=str(tmp_path / "run"))
    _, same = build_started(recipe, learned)
    _, other = build_started(recipe, replace(learned, keypoints=replace(points, names=("ear", "paw"))))
    assert same.new == ()
    assert other.new == ("roi_heads.keypoint_predictor",)


def test_published_weights_by_name_keep_their_epsilon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the network, in the run's weights, in a resumed training and in what `load` and `evaluate` make of them."""
    name = "fasterrcnn_mobilenet_v3_large_320_fpn"
    monkeypatch.setitem(PUBLISHED, name, replace(PUBLISHED[name], frozen_eps=0.125))
    with without_pretrained():
        published = catalog.build_model(name, Schema(("c",) * 90, tuple(range(90))), {"pretrained": True})
    torch.save(published.state_dict(), tmp_path / "published.pth")
    monkeypatch.setattr(stored, "fetch", lambda *_, **__: tmp_path / "published.pth")
    recipe = replace(tiny(name, pretrained=True, min_size=64, max_size=64), init=name)
    recipe = replace(recipe, model_options={k: v for k, v in recipe.model_options.items() if k != "size"})
    model, started = build_started(recipe, ANIMALS)
    assert started.new == ("roi_heads.box_predictor",)
    frozen = [module for module in model.modules() if isinstance(module, FrozenBatchNorm2d)]
    assert frozen
    assert all(module.eps == 0.125 for module in frozen)
    assert not any(p.requires_grad for p in next(iter(model.backbone.body.groups()[0])).parameters())

    run = visus.train(recipe, run=tmp_path / "run")
    assert read_weights(run / "weights.safetensors")[1]["frozen_eps"] == "0.125"
    assert frozen_eps(visus.load(run, device="cpu").model) == 0.125
    metrics = RunFolder(run).metrics()
    visus.evaluate(run, device="cpu")
    assert RunFolder(run).metrics() == metrics
    (tmp_path / "published.pth").unlink()  # a resumed run looks at its checkpoint alone
    longer = replace(recipe, fit=replace(recipe.fit, epochs=2))
    visus.train(longer, run=run, resume=True)
    assert read_weights(run / "weights.safetensors")[1]["frozen_eps"] == "0.125"
    assert torch.load(run / "last.ckpt", weights_only=True)["frozen_eps"] == 0.125


def test_a_run_starts_from_another_and_its_recipe_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkey = replace(tiny(), name="first")
    first = visus.train(monkey, run=tmp_path / "first")
    capsys.readouterr()
    second = visus.train(tiny(), run=tmp_path / "second", init=first)
    said = capsys.readouterr().out
    assert f"Starts from {first} (fasterrcnn_lite0_fpn): backbone, rpn, roi_heads." in said.replace("\n", "")
    assert RunFolder(second).recipe().init == str(first)
    assert "Starts from" not in _resumed(second, capsys)
    learned = read_weights(first / "weights.safetensors")[0]
    recipe = RunFolder(second).recipe()
    model, _ = build_started(recipe, open_split(recipe, "train").schema)
    assert all(torch.equal(value, learned[name]) for name, value in tensors(model).items())


def _resumed(run: Path, capsys: pytest.CaptureFixture[str]) -> str:
    recipe = RunFolder(run).recipe()
    visus.train(replace(recipe, fit=replace(recipe.fit, epochs=2)), run=run, resume=True)
    return capsys.readouterr().out


def test_a_backbone_of_a_program_is_taken_along(tmp_path: Path) -> None:
    body = TinyBackbone()
    network = catalog.build_model("classifier_lite0", ANIMALS, {}, body=body)
    metadata = {"model": "classifier_lite0", "options": "{}", "schema": to_json(ANIMALS)}
    own = {"own": '{"backbone": "tiny_backbone.TinyBackbone"}'}
    save_weights(tmp_path / "run" / "weights.safetensors", network.state_dict(), metadata | own)
    recipe = replace(tiny(), init=str(tmp_path / "run"))
    for given in (TinyBackbone, TinyBackbone()):
        model, started = build_started(recipe, TOOLS, Own(backbone=given))
        assert started.taken == ("backbone.body",)
        assert all(torch.equal(value, body.state_dict()[name]) for name, value in tensors(model.backbone.body).items())
    with pytest.raises(visus.errors.VisusError, match="stands on a backbone of somebody's own"):
        build_started(recipe, TOOLS)


def test_what_does_not_fit_says_what_would(tmp_path: Path) -> None:
    write_run(tmp_path / "run", ANIMALS, "resnet18")
    with pytest.raises(RecipeError) as found:
        build_started(replace(tiny(), init=str(tmp_path / "run")), TOOLS)
    said = str(found.value)
    assert re.match(r"init '.*run' \(resnet18\) does not fit fasterrcnn_lite0_fpn: its backbone is a ResNet", said)
    fitting = said.partition("weights of these fit: ")[2].split(", ")
    assert {"fasterrcnn_lite0_fpn", "maskrcnn_lite0_fpn", "classifier_lite0", "descriptor_lite0"} <= set(fitting)
    assert not {"resnet18", "abe2_lite0", "ssd300_vgg16"} & set(fitting)
    assert "\n" not in said


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("runs/nothing", "runs/nothing: no such run folder or weights file"),
        ("fasterrcnn_resnet50", "did you mean fasterrcnn_resnet50_fpn"),
        ("maskrcnn_lite0_fpn", "maskrcnn_lite0_fpn has no published weights; train it first"),
    ],
)
def test_weights_that_are_not_there(tmp_path: Path, init: str, message: str) -> None:
    with pytest.raises(visus.errors.VisusError, match=message):
        visus.train(tiny(), run=tmp_path / "run", init=init)
    assert not (tmp_path / "run").exists()


def test_the_command_line_has_the_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from visus.cli import main

    words = ["train", "ssd_vignettes", "--init", "runs/nothing", "--data.train-length", "2"]
    assert main([*words, "--run", str(tmp_path / "run")]) == 2
    assert "runs/nothing: no such run folder or weights file" in capsys.readouterr().err
    assert "init" in RECIPES["ssd_vignettes"]().to_json()
