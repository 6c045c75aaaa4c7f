"""The contract of a model, checked on every entry of the catalog."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from contracts.fakes import POINTS, a_ball
from visus import catalog
from visus.clouds import PointCloud
from visus.nn.model import InputTransform, Model, predict_batch
from visus.nn.weights import load_state, read_weights, save_weights
from visus.systems.detection.roi_heads import RoIHeads
from visus.training.recipe import Recipe
from visus.types import (
    VOID,
    ClassPrediction,
    ClassTarget,
    EmbeddingPrediction,
    Episode,
    EpisodePrediction,
    EpisodeTarget,
    GraphPrediction,
    ImageBatch,
    InstancePrediction,
    InstanceTarget,
    Keypoints,
    PartPrediction,
    PartTarget,
    Schema,
    SemanticPrediction,
    SemanticTarget,
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
# Networks of hundreds of megabytes and of one fixed size; their parts are tested with their problems.
LARGE = {
    "ssd300_vgg16",
    "ssd512_vgg16",
    "fcn32s_vgg16",
    "fcn16s_vgg16",
    "vgg16",
    "resnet101",
    "fcn_resnet101",
    "deeplabv3_resnet101",
    "mvcnn_vgg16",
}
SIZES = [(64, 96), (64, 64)]


def build(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    known = inspect.signature(catalog.MODELS[name]).parameters
    wanted = {"min_size": 64, "max_size": 96, "size": 64, "boxes": True, "pretrained": False, "hidden": 16}
    wanted |= {"points": 32, "views": 2}
    model = catalog.build_model(name, SCHEMA, {key: value for key, value in wanted.items() if key in known})
    for module in model.modules():
        if isinstance(module, RoIHeads):  # a hundred detections, each through the mask and keypoint heads, take seconds
            module.limits = replace(module.limits, count=8)
    return model


def criterion_of(name: str, model: torch.nn.Module) -> Any:
    loss = "contrastive" if name.startswith("descriptor") else ""
    return catalog.problem_of(name).criterion(model, Recipe(name=name, model=name, loss=loss), SCHEMA)


def looked_at(name: str) -> type:
    """The kind of input that a model looks at."""
    return catalog.problem_of(name).inputs[0]


def inputs_of(name: str, model: Any) -> Any:
    """Two inputs as a model takes them."""
    return INPUTS[looked_at(name)](model)


def clouds(model: Any) -> Any:
    """Two balls of points."""
    return model.transform.batch([a_ball(POINTS[0]), squeezed(a_ball(POINTS[0]))])


def squeezed(cloud: PointCloud) -> PointCloud:
    return PointCloud(cloud.points * torch.tensor([1.0, 0.4, 0.7]), cloud.normals)


def images() -> ImageBatch:
    pixels = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    pixels[1, :, :, 64:] = 0
    return ImageBatch(pixels, torch.tensor(SIZES))


def in_own_frames(inputs: Any) -> Any:
    """The same inputs, of which images were of another size before."""
    return replace(inputs, originals=((128, 192), (32, 32))) if type(inputs) is ImageBatch else inputs


def tasks(side: int = 28) -> list[Episode]:
    """Two tasks of five classes, an image and two queries of each."""
    generator = torch.Generator().manual_seed(1)
    grey = torch.randint(0, 256, (2, 15, 1, side, side), generator=generator, dtype=torch.uint8)
    return [Episode(tuple(some[:5]), torch.arange(5), tuple(some[5:])) for some in grey.expand(-1, -1, 3, -1, -1)]


INPUTS: dict[type, Callable[[Any], Any]] = {
    Tensor: lambda model: images(),
    PointCloud: clouds,
    Episode: lambda model: model.transform.batch(tasks()),
}
"""What a model is given, by the kind of input that it looks at."""


def episode_targets(empty: bool, times: int) -> list[EpisodeTarget]:
    """A task always has classes, and its targets know nothing of the size of its images."""
    labels = torch.arange(5).repeat(2)
    return [EpisodeTarget(labels, torch.arange(5), (140 * times, 84 * times), image_id=i) for i in range(2)]


def targets_of(name: str, *, empty: bool = False, times: int = 1) -> list[Any]:
    """What the problem of a model learns from; ``empty``: images in which there is nothing to learn."""
    problem = catalog.problem_of(name)
    kinds = problem.inputs[0], problem.targets[0]
    make = pair_of_classes if problem.unseen_classes and kinds == (Tensor, ClassTarget) else TARGETS[kinds]
    return make(empty, times)


def class_of_shapes(empty: bool, times: int) -> list[ClassTarget]:
    """A shape always has a class."""
    return [ClassTarget(torch.tensor(label), POINTS, image_id=label) for label in (0, 1)]


def parts_of_shapes(empty: bool, times: int) -> list[PartTarget]:
    """The parts of a shape of each of two categories; there is no shape without."""
    parts = torch.arange(POINTS[0])
    return [PartTarget(parts % 2, torch.tensor(0), POINTS, 0), PartTarget(0 * parts + 2, torch.tensor(1), POINTS, 1)]


def objects_of_each(empty: bool, times: int) -> list[InstanceTarget]:
    return [scaled(objects(0 if empty else count, size), times) for count, size in zip((2, 1), SIZES, strict=True)]


def pixels_of_each(empty: bool, times: int) -> list[SemanticTarget]:
    sizes = [(height * times, width * times) for height, width in SIZES]
    return [SemanticTarget(painted(size, empty), size, image_id=i) for i, size in enumerate(sizes)]


def class_of_each(empty: bool, times: int) -> list[ClassTarget]:
    box = None if empty else torch.tensor([10.0, 10.0, 40.0, 50.0]) * times
    return [replace(target, label=torch.tensor(2), box_xyxy=box) for target in pair_of_classes(False, times)]


def pair_of_classes(empty: bool, times: int) -> list[ClassTarget]:
    """Two images of one class; ``empty``: without any positive pair."""
    labels = (0, 1) if empty else (2, 2)
    return [
        ClassTarget(torch.tensor(label), (height * times, width * times), image_id=i)
        for i, (label, (height, width)) in enumerate(zip(labels, SIZES, strict=True))
    ]


TARGETS: dict[tuple[type, type], Callable[[bool, int], list[Any]]] = {
    (Tensor, InstanceTarget): objects_of_each,
    (Tensor, SemanticTarget): pixels_of_each,
    (Tensor, ClassTarget): class_of_each,
    (Episode, EpisodeTarget): episode_targets,
    (PointCloud, ClassTarget): class_of_shapes,
    (PointCloud, PartTarget): parts_of_shapes,
}
"""What is learned from two inputs, by the kinds of input and target."""


def painted(size: tuple[int, int], empty: bool) -> torch.Tensor:
    labels = torch.full(size, VOID if empty else 0, dtype=torch.uint8)
    if not empty:
        labels[size[0] // 4 : size[0] // 2] = 1
        labels[:, : size[1] // 4] = 2
    return labels


def objects(count: int, size: tuple[int, int]) -> InstanceTarget:
    generator = torch.Generator().manual_seed(count)
    corner = torch.rand(count, 2, generator=generator) * 30
    boxes = torch.cat([corner, corner + 10 + 20 * torch.rand(count, 2, generator=generator)], 1)
    masks = torch.zeros(count, *size, dtype=torch.bool)
    for mask, box in zip(masks, boxes.int().tolist(), strict=True):
        mask[box[1] : box[3], box[0] : box[2]] = True
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    keypoints = torch.cat([middle, torch.full((count, 1), 2.0)], 1)[:, None].repeat(1, 2, 1)
    return InstanceTarget(
        boxes_xyxy=boxes,
        labels=torch.arange(count) % 3,
        areas=masks.flatten(1).sum(1).float(),
        is_crowd=torch.zeros(count, dtype=torch.bool),
        size=size,
        masks=masks,
        keypoints_xyv=keypoints,
        attributes=torch.arange(2) == torch.arange(count)[:, None] % 2,
        relationships=torch.tensor([[0, 1, 1]])[: count // 2],
    )


def scaled(one: InstanceTarget, times: int) -> InstanceTarget:
    return replace(
        one,
        boxes_xyxy=one.boxes_xyxy * times,
        areas=one.areas * times**2,
        size=(one.size[0] * times, one.size[1] * times),
        masks=one.masks.repeat_interleave(times, 1).repeat_interleave(times, 2),
        keypoints_xyv=one.keypoints_xyv * torch.tensor([times, times, 1.0]),
    )


def names() -> list[Any]:
    return [pytest.param(n, marks=pytest.mark.slow if n in LARGE else ()) for n in sorted(catalog.MODELS)]


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


def images_of_any_sizes(model: Any) -> tuple[list[Any], list[Any]]:
    """Images, and their frames."""
    generator, sizes = torch.Generator().manual_seed(2), [(70, 50), (40, 90), (64, 64)]
    return [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for size in sizes], sizes


def clouds_of_any_sizes(model: Any) -> tuple[list[Any], list[Any]]:
    """Clouds; where parts are told of every point, all of one length."""
    whole = getattr(model.transform, "whole", False)
    sizes = [(70,), (70,), (70,)] if whole else [(70,), (20,), (64,)]
    return [a_ball(size[0]) for size in sizes], sizes


def tasks_of_any_sizes(model: Any) -> tuple[list[Any], list[Any]]:
    """Tasks, whose images have one size in each."""
    given = [tasks(side)[0] for side in (28, 20, 40)]
    return given, [task.size for task in given]


ANY_SIZES: dict[type, Callable[[Any], tuple[list[Any], list[Any]]]] = {
    Tensor: images_of_any_sizes,
    PointCloud: clouds_of_any_sizes,
    Episode: tasks_of_any_sizes,
}
"""Three inputs of different sizes with their frames, by the kind of input."""


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
    if looked_at(name) is Episode:
        pytest.skip("no episode holds such a thing; its own tests say what it refuses")
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
    for key, value in losses[0].items():
        if key not in ("mask", "keypoint"):  # these are drawn at the resolution of the target
            torch.testing.assert_close(value, losses[1][key], rtol=1e-3, atol=1e-4)


def test_weights_survive_a_file(name: str, model: torch.nn.Module, tmp_path) -> None:
    save_weights(tmp_path / "weights.safetensors", model.state_dict(), {"model": name})
    state, metadata = read_weights(tmp_path / "weights.safetensors")
    assert metadata["model"] == name
    torch.manual_seed(9)
    twin = build(name)
    load_state(twin, state, source="weights.safetensors")
    for key, value in model.state_dict().items():
        assert torch.equal(value, twin.state_dict()[key]), key
