"""The contract of a model, checked on every entry of the catalog."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from visus import catalog
from visus.nn.weights import load_state, read_weights, save_weights
from visus.training.recipe import Recipe
from visus.types import (
    VOID,
    ClassPrediction,
    ClassTarget,
    EmbeddingPrediction,
    ImageBatch,
    InstancePrediction,
    InstanceTarget,
    Keypoints,
    Schema,
    SemanticPrediction,
    SemanticTarget,
)

SCHEMA = Schema(
    categories=("cat", "dog", "owl"),
    category_ids=(3, 7, 90),
    has_masks=True,
    keypoints=Keypoints(("nose", "tail"), ((0, 1),), (0.05, 0.1), ((0, 1),)),
)
# Networks of hundreds of megabytes and of one fixed size; their parts are tested in their rooms.
LARGE = {
    "ssd300_vgg16",
    "ssd512_vgg16",
    "fcn32s_vgg16",
    "fcn16s_vgg16",
    "vgg16",
    "resnet101",
    "fcn_resnet101",
    "deeplabv3_resnet101",
}
SIZES = [(64, 96), (64, 64)]


def build(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    known = inspect.signature(catalog.MODELS[name]).parameters
    wanted = {"min_size": 64, "max_size": 96, "size": 64, "boxes": True, "pretrained": False, "hidden": 16}
    return catalog.build_model(name, SCHEMA, {key: value for key, value in wanted.items() if key in known})


def criterion_of(name: str, model: torch.nn.Module) -> Any:
    loss = "contrastive" if name.startswith("descriptor") else ""
    return catalog.build_task(model, Recipe(name=name, model=name, loss=loss), SCHEMA).criterion


def images() -> ImageBatch:
    pixels = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    pixels[1, :, :, 64:] = 0
    return ImageBatch(pixels, torch.tensor(SIZES))


def targets_of(name: str, *, empty: bool = False, times: int = 1) -> list[Any]:
    """What the room of a model learns from; ``empty``: images in which there is nothing to learn."""
    room = catalog.task_of(name)
    sizes = [(height * times, width * times) for height, width in SIZES]
    if room in ("detection", "instances"):
        return [scaled(objects(0 if empty else count, size), times) for count, size in zip((2, 1), SIZES, strict=True)]
    if room == "segmentation":
        return [SemanticTarget(painted(size, empty), size, image_id=i) for i, size in enumerate(sizes)]
    box = None if empty or room == "metric_learning" else torch.tensor([10.0, 10.0, 40.0, 50.0]) * times
    labels = (0, 1) if empty and room == "metric_learning" else (2, 2)  # without any positive pair
    return [
        ClassTarget(torch.tensor(label), size, image_id=i, box_xyxy=box)
        for i, (label, size) in enumerate(zip(labels, sizes, strict=True))
    ]


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
    plain, aimed = model.eval()(images()), model(images(), targets)
    outputs = model.train()(images(), targets)
    assert type(plain) is type(aimed) is type(outputs)
    assert_everything_learns(model, criterion_of(name, model)(outputs, targets))


def test_images_with_nothing_to_learn_give_finite_losses_and_gradients(name: str, model: torch.nn.Module) -> None:
    targets = targets_of(name, empty=True)
    assert_everything_learns(model, criterion_of(name, model)(model.train()(images(), targets), targets))


def test_predictions_fit_their_image(name: str, model: torch.nn.Module) -> None:
    sizes = [(128, 192), (32, 32)]
    for found, (height, width) in zip(model.eval().postprocess(model(images()), sizes), sizes, strict=True):
        assert found.size == (height, width)
        if isinstance(found, SemanticPrediction):
            assert found.labels.shape == found.scores.shape == (height, width)
            assert int(found.labels.max()) < 3
            continue
        if isinstance(found, EmbeddingPrediction):
            assert found.embedding.ndim == 1
            assert torch.isfinite(found.embedding).all()
            continue
        boxes = found.boxes_xyxy if isinstance(found, InstancePrediction) else found.box_xyxy
        if boxes is not None:
            assert (boxes >= 0).all()
            assert (boxes <= torch.tensor([width, height, width, height]) + 1e-3).all()
        assert ((found.labels >= 0) & (found.labels < 3)).all()
        assert (found.scores.diff() <= 0).all()
        if isinstance(found, ClassPrediction):
            continue
        for part in (found.masks, found.keypoints_xyv, found.keypoint_scores):
            assert part is None or len(part) == len(found)
        assert found.masks is None or found.masks.shape[1:] == (height, width)


def test_targets_may_be_of_another_size_than_the_images(name: str, model: torch.nn.Module) -> None:
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 0.0  # both passes see the same statistics
    losses = []
    for times in (1, 2):
        torch.manual_seed(0)
        targets = targets_of(name, times=times)
        losses.append(criterion_of(name, model)(model(images(), targets), targets))
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
