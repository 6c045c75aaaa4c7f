"""The contract of a model, checked on every entry of the catalog."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from contracts.fakes import POINTS, a_ball
from contracts.model_inputs import ANY_SIZES, in_own_frames, inputs_of, looked_at, targets_of
from visus import catalog
from visus.clouds import PointCloud
from visus.nn.model import InputTransform, Model, predict_batch
from visus.nn.weights import load_state, read_weights, save_weights
from visus.scenes import SceneGraph
from visus.systems.detection.roi_heads import RoIHeads
from visus.training.recipe import Recipe
from visus.types import (
    ClassPrediction,
    EmbeddingPrediction,
    Episode,
    EpisodePrediction,
    GraphPrediction,
    ImagePrediction,
    InstancePrediction,
    Keypoints,
    PartPrediction,
    Schema,
    SemanticPrediction,
    row,
)

SCHEMA = Schema(
    categories=("cat", "dog", "owl"),
    category_ids=(3, 7, 90),
    has_masks=True,
    keypoints=Keypoints(("nose", "tail"), ((0, 1),), (0.05, 0.1), ((0, 1),)),
    parts=(("cat", ("head", "leg")), ("dog", ("tail",))),
    attributes=("red", "asleep"),
    predicates=("on", "beside"),
)
# The same architectures on backbones of fifty layers and more take minutes here; tests/peers compares them with the
# published networks all the same.
LARGE = re.compile("resnet50|resnet101|resnet34|vgg16|googlenet|bn_inception")


def build(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    known = inspect.signature(catalog.MODELS[name]).parameters
    wanted = {"min_size": 64, "max_size": 96, "size": 64, "boxes": True, "pretrained": False, "hidden": 16}
    wanted |= {"points": 32, "views": 2, "dim": 8, "noise": 2, "width": 4}
    model = catalog.build_model(name, SCHEMA, {key: value for key, value in wanted.items() if key in known})
    for module in model.modules():
        if isinstance(module, RoIHeads):  # a hundred detections, each through the mask and keypoint heads, take seconds
            module.limits = replace(module.limits, count=8)
    return model


def criterion_of(name: str, model: torch.nn.Module) -> Any:
    loss = "contrastive" if name.startswith("descriptor") else ""
    return catalog.problem_of(name).criterion(model, Recipe(name=name, model=name, loss=loss), SCHEMA)


def names() -> list[Any]:
    return [pytest.param(n, marks=pytest.mark.slow if LARGE.search(n) else ()) for n in sorted(catalog.MODELS)]


@pytest.fixture(scope="module", params=names())
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def built(name: str) -> torch.nn.Module:
    return build(name)


@pytest.fixture
def model(built: torch.nn.Module) -> Iterator[torch.nn.Module]:
    yield built
    built.zero_grad(set_to_none=True)


def assert_everything_learns(model: torch.nn.Module, losses: dict[str, torch.Tensor]) -> None:
    assert all(loss.ndim == 0 and torch.isfinite(loss) for loss in losses.values()), losses
    sum(losses.values()).backward()
    idle = [key for key, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle, f"these parameters have no gradient, which stops distributed training: {idle}"
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_one_type_with_and_without_targets_and_every_parameter_learns(name: str, model: torch.nn.Module) -> None:
    targets = targets_of(name)
    plain, aimed = model.eval()(inputs_of(name, model)), model(inputs_of(name, model), targets)
    outputs = model.train()(inputs_of(name, model), targets)
    assert type(plain) is type(aimed) is type(outputs)
    assert_everything_learns(model, criterion_of(name, model)(outputs, targets))


def test_images_with_nothing_to_learn_give_finite_losses_and_gradients(name: str, model: torch.nn.Module) -> None:
    targets = targets_of(name, empty=True)
    outputs = model.train()(inputs_of(name, model), targets)
    assert_everything_learns(model, criterion_of(name, model)(outputs, targets))


def assert_objects_fit(found: InstancePrediction) -> None:
    assert_classes_are_ranked(found)
    assert_inside(found.boxes_xyxy, found.size)
    for part in (found.masks, found.keypoints_xyv, found.keypoint_scores):
        assert part is None or len(part) == len(found)
    assert found.masks is None or found.masks.shape[1:] == found.size


def assert_graph_fits(found: GraphPrediction) -> None:
    assert_objects_fit(found.objects)
    assert found.attribute_scores.shape == (len(found), 2)
    assert (found.relationships[:, ::2] < len(found)).all()
    assert (found.relationship_scores.diff() <= 0).all()


def assert_pixels_fit(found: SemanticPrediction) -> None:
    assert found.labels.shape == found.scores.shape == found.size
    assert int(found.labels.max()) < 3


def assert_class_fits(found: ClassPrediction) -> None:
    assert_classes_are_ranked(found)
    if found.box_xyxy is not None:
        assert_inside(found.box_xyxy, found.size)


def assert_queries_have_probabilities(found: EpisodePrediction) -> None:
    assert torch.allclose(found.scores.sum(1), torch.ones(len(found)))


def assert_embedding_is_finite(found: EmbeddingPrediction) -> None:
    assert found.embedding.ndim == 1
    assert torch.isfinite(found.embedding).all()


def assert_parts_fit(found: PartPrediction) -> None:
    assert (len(found.labels),) == (len(found.scores),) == found.size
    assert int(found.labels.max()) < len(SCHEMA.part_names)


def assert_image_fits(found: ImagePrediction) -> None:
    assert found.pixels.shape[1:] == found.masks.shape[1:] == found.size
    assert len(found.boxes_xyxy) == len(found.masks) == len(found)
    assert_inside(found.boxes_xyxy, found.size)


def assert_classes_are_ranked(found: InstancePrediction | ClassPrediction) -> None:
    assert ((found.labels >= 0) & (found.labels < 3)).all()
    assert (found.scores.diff() <= 0).all()


def assert_inside(boxes_xyxy: torch.Tensor, size: tuple[int, int]) -> None:
    height, width = size
    assert (boxes_xyxy >= 0).all()
    assert (boxes_xyxy <= torch.tensor([width, height, width, height]) + 1e-3).all()


FITS: dict[type, Callable[[Any], None]] = {
    InstancePrediction: assert_objects_fit,
    SemanticPrediction: assert_pixels_fit,
    ClassPrediction: assert_class_fits,
    EmbeddingPrediction: assert_embedding_is_finite,
    EpisodePrediction: assert_queries_have_probabilities,
    PartPrediction: assert_parts_fit,
    GraphPrediction: assert_graph_fits,
    ImagePrediction: assert_image_fits,
}


def assert_predictions_fit(predictions: list[Any], sizes: list[tuple[int, int]]) -> None:
    assert [found.size for found in predictions] == sizes
    for found in predictions:
        row(FITS, found, "the contract of models")(found)


def test_predictions_fit_their_image(name: str, model: torch.nn.Module) -> None:
    sizes: list[Any] = [POINTS, POINTS] if looked_at(name) is PointCloud else [(128, 192), (32, 32)]
    assert_predictions_fit(model.eval().postprocess(model(inputs_of(name, model)), sizes), sizes)


def test_models_have_what_every_problem_uses_and_are_called_alike(model: torch.nn.Module) -> None:
    assert isinstance(model, Model)
    assert isinstance(model.transform, InputTransform)
    assert {type(model.channels_last), type(model.adapts)} == {bool}
    _, targets = inspect.signature(model.forward).parameters.values()
    assert (targets.name, targets.default) == ("targets", None)
    assert list(inspect.signature(model.postprocess).parameters) == ["outputs", "sizes"]


def test_inputs_of_any_sizes_get_predictions_in_their_own_frames(name: str, model: torch.nn.Module) -> None:
    given, sizes = ANY_SIZES[looked_at(name)](model)
    inputs = model.transform.batch(given)
    assert (len(inputs), inputs.frames) == (3, sizes)
    for precision in ("32", "bf16"):
        outputs, predictions = predict_batch(model.eval(), inputs, precision=precision)
        assert_predictions_fit(predictions, sizes)
        assert type(outputs) is type(model(inputs))
        tensors = [value for value in vars(outputs).values() if isinstance(value, torch.Tensor)]
        assert tensors
        assert any(value.requires_grad for value in tensors) == model.adapts


def test_targets_do_not_change_predictions(name: str, model: torch.nn.Module) -> None:
    inputs, predictions = in_own_frames(inputs_of(name, model)), []
    for targets in (None, targets_of(name)):
        predictions.append([vars(found) for found in predict_batch(model.eval(), inputs, targets)[1]])
    torch.testing.assert_close(predictions[1], predictions[0], rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(1, 64, 64), (4, 64, 64), (64, 64), (3, 0, 64), (64, 64, 3)])
def test_what_is_no_image_is_refused_with_its_shape(name: str, model: torch.nn.Module, shape: tuple[int, ...]) -> None:
    if looked_at(name) in (Episode, SceneGraph):
        pytest.skip("no episode and no graph holds such a thing; their own tests say what they refuse")
    good = a_ball(POINTS[0]) if looked_at(name) is PointCloud else torch.zeros(3, 64, 64)
    with pytest.raises(ValueError, match=re.escape(str(list(shape)))):
        model.transform.batch([good, torch.zeros(shape)])


def test_targets_may_be_of_another_size_than_the_images(name: str, model: torch.nn.Module) -> None:
    if looked_at(name) is PointCloud:
        pytest.skip("points are not resized")
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 0.0  # both passes see the same statistics
    losses = []
    for times in (1, 2):
        torch.manual_seed(0)
        targets = targets_of(name, times=times)
        losses.append(criterion_of(name, model)(model(inputs_of(name, model), targets), targets))
    rtol = 2e-2 if looked_at(name) is SceneGraph else 1e-3  # there the target is an image, which is resized
    for key, value in losses[0].items():
        if key not in ("mask", "keypoint"):  # these are drawn at the resolution of the target
            torch.testing.assert_close(value, losses[1][key], rtol=rtol, atol=1e-4)


def test_weights_survive_a_file(name: str, model: torch.nn.Module, tmp_path) -> None:
    save_weights(tmp_path / "weights.safetensors", model.state_dict(), {"model": name})
    state, metadata = read_weights(tmp_path / "weights.safetensors")
    assert metadata["model"] == name
    torch.manual_seed(9)
    twin = build(name)
    load_state(twin, state, source="weights.safetensors")
    for key, value in model.state_dict().items():
        assert torch.equal(value, twin.state_dict()[key]), key
