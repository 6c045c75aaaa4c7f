"""The segmentation networks: published counts, sizes of any kind, padding, what a batch of one does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from visus.systems.segmentation import PROBLEM, SegmentationCriterion
from visus.systems.segmentation.bodies import dilated_lite0, dilated_resnet
from visus.systems.segmentation.segmenter import Segmenter
from visus.types import VOID, ImageBatch, SemanticTarget

SMALL = ("deeplabv3_lite0", "fcn_lite0", "segnet_lite0")


def images(*sizes: tuple[int, int]) -> ImageBatch:
    frame = torch.tensor(sizes).amax(0).tolist()
    pixels = torch.zeros(len(sizes), 3, *frame)
    generator = torch.Generator().manual_seed(0)
    for slot, (h, w) in zip(pixels, sizes, strict=True):
        slot[:, :h, :w] = torch.rand(3, h, w, generator=generator)
    return ImageBatch(pixels, torch.tensor(sizes))


def build(name: str, **options: int) -> Segmenter:
    torch.manual_seed(0)
    if name.endswith("s_vgg16"):
        options["hidden"] = 8
    return PROBLEM.models[name](num_classes=4, pretrained=False, **options)


@pytest.mark.parametrize(
    ("name", "parameters", "keys"),
    [
        ("fcn_resnet50", 35_322_218, 334),
        ("fcn_resnet101", 54_314_346, 640),
        ("deeplabv3_resnet50", 42_004_074, 370),
        ("deeplabv3_resnet101", 60_996_202, 676),
        ("deeplabv3_mobilenet_v3_large", 11_029_328, 360),
    ],
)
def test_published_numbers_of_parameters_and_keys(name: str, parameters: int, keys: int) -> None:
    with torch.device("meta"):
        model, without = PROBLEM.models[name](), PROBLEM.models[name](aux=False)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert len(model.state_dict()) == keys
    assert len(without.state_dict()) == keys - 8
    assert {key.split(".")[0] for key in model.state_dict()} == {"backbone", "classifier", "aux_classifier"}


@pytest.mark.parametrize("name", [*SMALL, "fcn8s_vgg16", "fcn16s_vgg16", "fcn32s_vgg16", "segnet_vgg16"])
@pytest.mark.parametrize("size", [(1, 1), (5, 40), (37, 33)])
def test_images_of_any_size(name: str, size: tuple[int, int]) -> None:
    model = build(name).eval()
    with torch.inference_mode():
        outputs = model(images(size))
        [found] = model.postprocess(outputs, [(20, 30)])
    assert outputs.frame == size
    assert torch.isfinite(outputs.logits).all()
    assert found.labels.shape == found.scores.shape == found.size == (20, 30)
    assert int(found.labels.max()) < 4
    assert ((found.scores >= 0.25 - 1e-5) & (found.scores <= 1)).all()


def test_a_torchvision_network_takes_images_smaller_than_its_stride() -> None:
    model = build("deeplabv3_mobilenet_v3_large").eval()
    with torch.inference_mode():
        assert model(images((3, 5))).logits.shape == (1, 4, 1, 1)


@pytest.mark.parametrize("name", [*SMALL, "fcn8s_vgg16", "segnet_vgg16", "deeplabv3_mobilenet_v3_large"])
def test_every_parameter_learns_even_without_labels(name: str) -> None:
    model = build(name).train()
    labels = torch.full((64, 64), VOID, dtype=torch.uint8)
    losses = SegmentationCriterion()(model(images((64, 64), (48, 64))), [SemanticTarget(labels, (64, 64))] * 2)
    torch.stack(list(losses.values())).sum().backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    idle = [key for key, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle


def test_a_batch_of_one_image_trains() -> None:
    model = build("deeplabv3_mobilenet_v3_large").train()
    norm = model.get_submodule("classifier.0.convs.4.2")
    seen = norm.running_mean.clone()
    outputs = model(images((64, 64)))
    outputs.logits.sum().backward()
    assert torch.isfinite(outputs.logits).all()
    assert norm.weight.grad is not None
    assert torch.equal(norm.running_mean, seen)


def test_the_small_deeplab_does_not_norm_the_pooled_image() -> None:
    """Its pooled images may be nearly alike, and a norm would enlarge what little they differ by."""
    model = build("deeplabv3_lite0").train()
    pooling = model.get_submodule("classifier.aspp.convs.4")
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in pooling.modules())
    outputs = model(images((64, 64)))
    outputs.logits.sum().backward()
    assert torch.isfinite(outputs.logits).all()


def test_targets_change_no_logit() -> None:
    model, batch = build("fcn_lite0").eval(), images((64, 64))
    target = SemanticTarget(torch.zeros(64, 64, dtype=torch.uint8), (64, 64))
    with torch.inference_mode():
        assert torch.equal(model(batch).logits, model(batch, [target]).logits)


def test_output_strides_keep_the_features_of_the_classifier() -> None:
    """Dilation computes more cells, and those that the classifier has stay where they are, borders apart."""
    torch.manual_seed(0)
    for build_body in (dilated_lite0, lambda **o: dilated_resnet("resnet50", **o)):
        torch.manual_seed(0)
        coarse = build_body(output_stride=32, pretrained=False).eval()
        fine = build_body(output_stride=16, pretrained=False).eval()
        fine.load_state_dict(coarse.state_dict())
        assert fine.strides == (4, 8, 16, 16)
        pixels = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(2))
        with torch.inference_mode():
            few, many = coarse.stages(pixels)[-1], fine.stages(pixels)[-1]
        assert many.shape[-1] == 2 * few.shape[-1]
        first = 0 if build_body is not dilated_lite0 else 1  # TensorFlow pads an even map right and below
        apart = (many[..., first::2, first::2] - few)[..., 3:5, 3:5].abs().max()
        other = (many[..., 1 - first :: 2, 1 - first :: 2] - few)[..., 3:5, 3:5].abs().max()
        assert float(apart) < 0.05 * float(other)


def test_multi_grid_multiplies_the_dilations_of_the_last_stage() -> None:
    with torch.device("meta"):
        body = dilated_resnet("resnet50", output_stride=16, multi_grid=(1, 2, 4))
    convs = [body.get_submodule(f"layer4.{i}.conv2") for i in range(3)]
    assert [conv.dilation for conv in convs if isinstance(conv, nn.Conv2d)] == [(2, 2), (4, 4), (8, 8)]
    with pytest.raises(ValueError, match=r"multi_grid must be 3 factors"):
        dilated_resnet("resnet50", multi_grid=(1, 2))
    with pytest.raises(ValueError, match="output_stride must be 8, 16 or 32"):
        dilated_resnet("resnet50", output_stride=4)


def test_rates_follow_the_output_stride() -> None:
    with torch.device("meta"):
        heads = [PROBLEM.models["deeplabv3_resnet50"](output_stride=stride).classifier for stride in (8, 16)]
    rates = [[head[0].convs[i][0].dilation[0] for i in (1, 2, 3)] for head in heads]
    assert rates == [[12, 24, 36], [6, 12, 18]]
