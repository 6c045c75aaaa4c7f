"""Data, loss, augmentation and backbone of a program: used, recorded, and asked for again."""

from __future__ import annotations

import inspect
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import visus
from tiny_backbone import TinyBackbone
from visus import catalog
from visus.catalog import LOSSES, MODELS, PROBLEMS
from visus.clouds import PointCloud
from visus.data import ListDataset
from visus.data.errors import AnnotationError
from visus.errors import VisusError
from visus.names import UnknownNameError
from visus.nn.backbones import Backbone, resnet18
from visus.nn.model import predict_batch
from visus.nn.weights import read_weights
from visus.recipes import RECIPES
from visus.runs.own import Own, qualified
from visus.training.recipe import OwnRecipe, RecipeError
from visus.training.run import RunFolder
from visus.types import Sample, Schema

TINY = {"model_options": {"size": 64}, "data.workers": 0, "fit.accelerator": "cpu"}


def pairs(count: int, split: str = "train") -> ListDataset:
    """Drawn scenes as a program may have them: pairs, boxes in a dict."""
    scenes = visus.open_dataset("vignettes", split)
    listed = []
    for place in range(count):
        target = scenes[place].target
        listed.append((scenes[place].input, {"boxes": target.boxes_xyxy.tolist(), "labels": target.labels.tolist()}))
    return ListDataset(listed, scenes.schema.categories)


def my_loss(outputs: Any, targets: Any) -> Tensor:
    """The criterion of the catalog, its terms summed."""
    return sum(LOSSES["detection"]()(outputs, targets).values())


def darker(sample: Sample, generator: torch.Generator) -> Sample:
    gain = 0.5 + 0.5 * float(torch.rand((), generator=generator))
    return replace(sample, input=(sample.input * gain).to(torch.uint8))


def test_everything_of_a_program_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = visus.train(
        "fasterrcnn_lite0",
        run=tmp_path / "run",
        data=pairs(4),
        val=pairs(2, "val"),
        loss=my_loss,
        augment=darker,
        backbone=TinyBackbone,
        epochs=1,
        batch_size=2,
        lr=0.002,
        seed=4,
        settings=TINY,
    )
    said = capsys.readouterr().out.replace("\n", " ")
    recipe = RunFolder(run).recipe()
    mine = f"{__name__}."
    assert asdict(recipe.own) == {
        "data": "visus.data.records.given.ListDataset",
        "val": "visus.data.records.given.ListDataset",
        "loss": f"{mine}my_loss",
        "augment": f"{mine}darker",
        "backbone": "tiny_backbone.TinyBackbone",
    }
    assert (recipe.fit.epochs, recipe.data.batch_size, recipe.optim.lr, recipe.fit.seed) == (1, 2, 0.002, 4)
    assert (recipe.data.dataset, recipe.data.root) == ("visus.data.records.given.ListDataset", "")
    assert "recipe.json names these, and cannot repeat the run without them." in said
    assert "4 training and 2 validation images" in said
    assert RunFolder(run).history()[0]["train loss"] > 0

    with pytest.raises(VisusError, match=r"backbone of somebody's own, tiny_backbone\.TinyBackbone: give it"):
        visus.load(run)
    predictor = visus.load(run, backbone=TinyBackbone, device="cpu")
    assert type(predictor.model.backbone.body) is TinyBackbone
    learned = read_weights(run / "weights.safetensors")[0]
    assert torch.equal(predictor.model.backbone.body.stem.weight, learned["backbone.body.stem.weight"])
    with pytest.raises(RecipeError, match=r"learned from visus\.data\.records\.given\.ListDataset, .* give data="):
        visus.evaluate(run)
    numbers = visus.evaluate(run, data=pairs(2, "val"), backbone=TinyBackbone, device="cpu")
    assert numbers["box AP"] == RunFolder(run).metrics()["box AP"]
    assert (run / "metrics-listdataset.json").is_file()


def test_the_json_alone_cannot_repeat_it(tmp_path: Path) -> None:
    recipe = replace(RECIPES["fasterrcnn_lite0"](), own=OwnRecipe(loss="mine.loss", backbone="mine.Body"))
    (tmp_path / "recipe.json").write_text(recipe.to_json())
    with pytest.raises(RecipeError, match=r"cannot hold \(loss=mine\.loss, backbone=mine\.Body\): give them"):
        visus.train(tmp_path / "recipe.json", run=tmp_path / "run")
    with pytest.raises(RecipeError, match=r"cannot hold \(backbone=mine\.Body\)"):
        visus.train(tmp_path / "recipe.json", run=tmp_path / "run", loss=my_loss)
    assert not (tmp_path / "run").exists()


def test_data_alone_chooses_the_recipe_and_is_divided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = visus.train(pairs(10), run=tmp_path / "run", epochs=1, settings=TINY)
    recipe = RunFolder(run).recipe()
    assert (recipe.name, recipe.model, recipe.fit.epochs) == ("listdataset", "fasterrcnn_lite0_fpn", 1)
    said = capsys.readouterr().out.replace("\n", " ")
    assert "No val was given: 2 samples of the data are held out to measure on." in said
    assert "8 training and 2 validation images" in said
    again = visus.train(pairs(10), run=run, resume=True, epochs=2)
    assert again == run
    assert len(RunFolder(run).history()) == 2


def test_a_class_of_images_and_of_pixels_choose_theirs(tmp_path: Path) -> None:
    images = [torch.randint(0, 255, (3, 32, 32), dtype=torch.uint8) for _ in range(6)]
    classes = ListDataset([(image, place % 2) for place, image in enumerate(images)], ["even", "odd"])
    run = visus.train(classes, run=tmp_path / "classes", epochs=1, settings={**TINY, "model_options": {"size": 32}})
    assert RunFolder(run).recipe().model == "classifier_lite0"
    maps = ListDataset([(image, image[0] // 128) for image in images], ["dark", "bright"])
    run = visus.train(maps, run=tmp_path / "maps", epochs=1, batch_size=2, settings=TINY)
    assert RunFolder(run).recipe().model == "deeplabv3_lite0"


class Learned(nn.Module):
    """A loss with a weight that learns, and named terms."""

    def __init__(self) -> None:
        super().__init__()
        self.log_weight = nn.Parameter(torch.tensor(0.0))

    def forward(self, outputs: Any, targets: Any) -> dict[str, Tensor]:
        return {"weighted": my_loss(outputs, targets) * self.log_weight.exp(), "rest": -self.log_weight}


def test_a_loss_may_learn(tmp_path: Path) -> None:
    loss = Learned()
    data, val = pairs(2), pairs(1, "val")
    run = visus.train(
        "fasterrcnn_lite0", run=tmp_path / "run", data=data, val=val, loss=loss, epochs=2, batch_size=2, settings=TINY
    )
    assert {"train weighted", "train rest"} <= RunFolder(run).history()[0].keys()
    assert float(loss.log_weight.detach()) != 0.0


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ({"loss": 3}, RecipeError, "loss must be something that can be called, not 3"),
        ({"augment": "flip"}, RecipeError, "augment must be something that can be called, not 'flip'"),
        ({"augment": lambda sample, generator: None}, RecipeError, "must return the changed Sample, not NoneType"),
        ({"loss": lambda outputs, targets: 0.5}, RecipeError, "must give a scalar tensor or named ones, not 0.5"),
        ({"loss": lambda outputs, targets: {}}, RecipeError, "must give a scalar tensor or named ones"),
        ({"loss": lambda o, t: torch.ones(2, requires_grad=True)}, RecipeError, "must give a scalar tensor"),
        ({"backbone": nn.Linear(2, 2)}, ValueError, r"must be a visus\.nn\.backbones\.Backbone .* Linear is none"),
        ({"backbone": resnet18(num_classes=None)}, UnknownNameError, "takes no backbone of your own; these do"),
        ({"data": [1, 2]}, AnnotationError, "a list is no data set: it lacks schema"),
        ({"val": []}, RecipeError, "val is for data of your own"),
    ],
)
def test_what_is_no_part_is_named(
    parts: dict[str, Any], error: type[Exception], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "resnet50_imagenet" if "takes no" in message else "fasterrcnn_lite0"
    data = {} if {"data", "val"} & parts.keys() else {"data": pairs(2), "val": pairs(1, "val")}
    if "takes no" in message:
        images = [(torch.zeros(3, 8, 8, dtype=torch.uint8), 0)]
        data = {"data": ListDataset(images, ["a"]), "val": ListDataset(images, ["a"])}
    with pytest.raises(error, match=message):
        visus.train(name, run=tmp_path / "run", epochs=1, **data, **parts, settings=TINY)


@pytest.mark.parametrize("thing", [[1], 3, {"a": 1}, None])
def test_what_is_neither_recipe_nor_data(thing: Any, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="is no data set: it lacks"):
        visus.train(thing, run=tmp_path / "run")


def test_two_samples_are_too_few_to_divide() -> None:
    with pytest.raises(RecipeError, match=r"2 samples cannot be divided: give what is measured on \(val="):
        Own(data=pairs(2)).splits()


TAKING = [name for name, builder in MODELS.items() if catalog.BODY in inspect.signature(builder).parameters]


def test_a_model_of_every_problem_takes_a_backbone() -> None:
    without = {
        "meta_learning",
        "scene_generation",
        "scene_graphs",
        "shape_parts",
    }  # networks without one, or a frozen one
    assert {catalog.problem_of(name).name for name in TAKING} == PROBLEMS.keys() - without


@pytest.mark.parametrize("name", TAKING)
def test_models_on_a_backbone_of_a_program(name: str) -> None:
    """The same outputs as any model's; all of the backbone gets gradients."""
    schema = Schema(("a", "b"), (1, 2), has_masks=True)
    body = TinyBackbone()
    model = catalog.build_model(name, schema, {"size": 64}, body=body)
    assert [module for module in model.modules() if isinstance(module, Backbone)] == [body]
    image, cloud = torch.randint(0, 255, (3, 64, 64), dtype=torch.uint8), PointCloud(torch.rand(64, 3) - 0.5)
    given = image if torch.Tensor in catalog.problem_of(name).inputs else cloud
    _, predictions = predict_batch(model.eval(), model.transform.batch([given, given]))
    assert [prediction.size for prediction in predictions] == [(64, 64) if given is image else (64,)] * 2
    with pytest.raises(UnknownNameError, match="body is no option of a recipe: give a backbone of your own"):
        catalog.build_model(name, schema, {"body": "resnet"})


@pytest.mark.parametrize("name", ["fasterrcnn_lite0_fpn", "deeplabv3_lite0", "ssd_lite0"])
def test_other_strides_are_refused(name: str) -> None:
    body = TinyBackbone()
    body.strides = (2, 4, 8, 16)
    with pytest.raises(ValueError, match=r"a TinyBackbone has stages at strides \(2, 4, 8, 16\), not at \(4"):
        catalog.build_model(name, Schema(("a",), (1,)), {}, body=body)


def test_qualified_names() -> None:
    assert qualified(my_loss) == f"{__name__}.my_loss"
    assert qualified(TinyBackbone) == qualified(TinyBackbone()) == "tiny_backbone.TinyBackbone"
