"""The contract of a model, checked on every entry of the catalog."""

from __future__ import annotations

import inspect

import pytest
import torch

from visus import catalog
from visus.nn.weights import load_state, read_weights, save_weights
from visus.types import ImageBatch, InstancePrediction, InstanceTarget, Keypoints, Schema

SCHEMA = Schema(
    categories=("cat", "dog", "owl"),
    category_ids=(3, 7, 90),
    has_masks=True,
    keypoints=Keypoints(("nose", "tail"), ((0, 1),), (0.05, 0.1), ((0, 1),)),
)
CRITERIA = {"detection": "detection", "instances": "instances"}


def build(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    known = inspect.signature(catalog.MODELS[name]).parameters
    options = {"min_size": 64, "max_size": 96} if "min_size" in known else {"size": 64}
    return catalog.build_model(name, SCHEMA, options | {"pretrained": False})


def criterion_of(name: str):
    return catalog.LOSSES[CRITERIA[catalog.task_of(name)]]()


def images() -> ImageBatch:
    pixels = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    pixels[1, :, :, 64:] = 0
    return ImageBatch(pixels, torch.tensor([[64, 96], [64, 64]]))


def target(count: int, size: tuple[int, int]) -> InstanceTarget:
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


@pytest.fixture(params=sorted(catalog.MODELS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_one_type_with_and_without_targets_and_every_parameter_learns(name: str) -> None:
    model, targets = build(name), [target(2, (64, 96)), target(1, (64, 64))]
    plain = model.eval()(images())
    assert type(plain) is type(model(images(), targets)) is type(model.train()(images(), targets))
    outputs = model(images(), targets)
    losses = criterion_of(name)(outputs, targets)
    assert all(loss.ndim == 0 and torch.isfinite(loss) for loss in losses.values())
    sum(losses.values()).backward()
    idle = [key for key, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle, f"these parameters have no gradient, which stops distributed training: {idle}"


def test_images_without_objects_give_finite_losses_and_gradients(name: str) -> None:
    model, targets = build(name).train(), [target(0, (64, 96)), target(0, (64, 64))]
    losses = criterion_of(name)(model(images(), targets), targets)
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    idle = [key for key, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle, f"these parameters have no gradient, which stops distributed training: {idle}"


def test_predictions_lie_in_their_image_and_agree_on_their_number(name: str) -> None:
    model = build(name).eval()
    sizes = [(128, 192), (32, 32)]
    for found, (height, width) in zip(model.postprocess(model(images()), sizes), sizes, strict=True):
        assert isinstance(found, InstancePrediction)
        assert found.size == (height, width)
        assert (found.boxes_xyxy >= 0).all()
        assert (found.boxes_xyxy <= torch.tensor([width, height, width, height]) + 1e-3).all()
        assert ((found.labels >= 0) & (found.labels < 3)).all()
        assert (found.scores.diff() <= 0).all()
        for part in (found.masks, found.keypoints_xyv, found.keypoint_scores):
            assert part is None or len(part) == len(found)
        assert found.masks is None or found.masks.shape[1:] == (height, width)


def test_targets_may_be_of_another_size_than_the_images(name: str) -> None:
    model = build(name).train()
    torch.manual_seed(0)
    same = [target(2, (64, 96)), target(1, (64, 64))]
    losses = criterion_of(name)(model(images(), same), same)
    torch.manual_seed(0)
    doubled = [double(one) for one in same]
    again = criterion_of(name)(model(images(), doubled), doubled)
    for key in ("objectness", "rpn_box", "class", "box"):
        torch.testing.assert_close(losses[key], again[key], rtol=1e-3, atol=1e-4)


def double(one: InstanceTarget) -> InstanceTarget:
    return InstanceTarget(
        boxes_xyxy=one.boxes_xyxy * 2,
        labels=one.labels,
        areas=one.areas * 4,
        is_crowd=one.is_crowd,
        size=(one.size[0] * 2, one.size[1] * 2),
        masks=one.masks.repeat_interleave(2, 1).repeat_interleave(2, 2),
        keypoints_xyv=one.keypoints_xyv * torch.tensor([2.0, 2.0, 1.0]),
    )


def test_weights_survive_a_file(name: str, tmp_path) -> None:
    model = build(name).eval()
    save_weights(tmp_path / "weights.safetensors", model.state_dict(), {"model": name})
    state, metadata = read_weights(tmp_path / "weights.safetensors")
    assert metadata["model"] == name
    torch.manual_seed(9)
    twin = build(name)
    load_state(twin, state, source="weights.safetensors")
    for key, value in model.state_dict().items():
        assert torch.equal(value, twin.state_dict()[key]), key
