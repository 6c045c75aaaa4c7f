"""Descriptors: pooling, unit length, squares, and the criterion that a recipe names."""

from __future__ import annotations

import pytest
import torch
from tiny_networks import backbone, idle, images, targets, transform
from torch import nn

from visus.nn.square import SquareTransform
from visus.systems.metric_learning import PROBLEM
from visus.systems.metric_learning.backbones import NeckedBackbone, SplitBackbone, lite0_backbone
from visus.systems.metric_learning.descriptor import Descriptor, descriptor_lite0
from visus.systems.metric_learning.pooling import POOLINGS, AveragePooling, GeM, LayoutPooling, Pooling, make_pooling
from visus.types import ImageBatch


def tiny(normalise: bool = True, pooling: Pooling | None = None) -> Descriptor:
    torch.manual_seed(0)
    pool = pooling or AveragePooling()
    return Descriptor(
        transform=transform(),
        backbone=backbone(),
        pooling=pool,
        head=nn.Linear(pool.width((4, 8, 8)), 5),
        normalise=normalise,
    )


def test_gem_is_the_mean_at_one_and_nears_the_maximum() -> None:
    x = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)) + 0.1
    torch.testing.assert_close(GeM(1.0)([x]), x.mean((2, 3)))
    torch.testing.assert_close(GeM(200.0)([x]), x.amax((2, 3)), rtol=0.03, atol=0)
    two = torch.tensor([[[[1.0, 2.0]]]])
    torch.testing.assert_close(GeM(3.0)([two]), torch.tensor([[4.5 ** (1 / 3)]]))


def test_gem_has_exact_gradients_in_features_and_exponent() -> None:
    pooling = GeM().double()
    x = torch.rand(2, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.1

    def of(x: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(pooling, {"p": p}, ([x],))

    p = torch.tensor([2.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(of, (x.requires_grad_(), p))
    assert GeM()([torch.zeros(1, 2, 2, 2)]).isfinite().all()


def test_layout_pooling_tells_where_things_are() -> None:
    before, last = torch.zeros(3, 1, 6, 6), torch.ones(3, 2, 3, 3)
    before[0, 0, 0, 0], before[1, 0, 5, 5] = 40.0, 4.0
    before[2, 0, 0, 0], before[2, 0, 1, 1], before[2, 0, 5, 5] = 2.0, 1.0, 4.0  # a cell is 2 x 2
    pooled = LayoutPooling(3)([torch.rand(3, 5, 9, 9), before, last])
    cells = torch.zeros(3, 9)
    cells[0, 0], cells[1, 8], cells[2, 0], cells[2, 8] = 1.0, 1.0, 0.6, 0.8
    torch.testing.assert_close(pooled, torch.cat((torch.ones(3, 2), 2**0.5 * cells), 1))  # both are as long
    assert LayoutPooling(3)([torch.zeros(1, 1, 6, 6), last[:1]]).isfinite().all()
    assert pooled.shape[1] == LayoutPooling(3).width((5, 1, 2))
    mirrored = before.flip(2, 3)
    torch.testing.assert_close(AveragePooling()([mirrored]), AveragePooling()([before]))
    assert (LayoutPooling(3)([mirrored, last]) - pooled).abs().max() > 0.1
    with pytest.raises(ValueError, match="cells"):
        LayoutPooling(0)


@pytest.mark.parametrize("name", ["descriptor_lite0", "abier_lite0", "abe2_lite0"])
def test_networks_pool_as_they_are_told(name: str) -> None:
    widths = {}
    for pooling in POOLINGS:
        model = PROBLEM.models[name](size=64, pooling=pooling, pretrained=False)
        linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
        widths[pooling] = {layer.in_features for layer in linear}
        batch = ImageBatch(torch.rand(2, 3, 64, 64), torch.full((2, 2), 64))
        assert model(batch).embeddings.shape[0] == 2
    assert widths == {"average": {1280}, "gem": {1280}, "layout": {1280 + 9 * 112}}


def test_embeddings_have_unit_length_where_the_descriptor_says_so() -> None:
    unit, free = tiny()(images()).embeddings, tiny(normalise=False)(images()).embeddings
    torch.testing.assert_close(unit.norm(dim=1), torch.ones(6))
    torch.testing.assert_close(unit, free / free.norm(dim=1, keepdim=True))
    assert (free.norm(dim=1) - 1).abs().min() > 0.01


def test_predictions_carry_the_embeddings_and_the_asked_sizes() -> None:
    model = tiny().eval()
    outputs = model(images(2))
    found = model.postprocess(outputs, [(10, 20), (30, 40)])
    assert [one.size for one in found] == [(10, 20), (30, 40)]
    torch.testing.assert_close(torch.stack([one.embedding for one in found]), outputs.embeddings)
    assert not found[0].embedding.requires_grad


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_parameter_gets_a_gradient(pooling: str) -> None:
    model = tiny(pooling=make_pooling(pooling))  # type: ignore[arg-type]
    model(images()).embeddings[:, 0].sum().backward()
    assert not idle(model)


def test_images_of_any_shape_become_squares_without_padding() -> None:
    square = SquareTransform(size=48)
    batch = square.batch([torch.full((3, 30, 90), 255, dtype=torch.uint8), torch.zeros(3, 70, 50, dtype=torch.uint8)])
    assert batch.pixels.shape == (2, 3, 48, 48)
    assert batch.sizes.tolist() == [[48, 48]] * 2
    torch.testing.assert_close(batch.pixels[0].float().mean(), torch.tensor(1.0))


def test_the_baseline_without_a_head_is_the_pooled_features_of_imagenet() -> None:
    model = descriptor_lite0(head="none", normalise=False, trainable_layers=0, size=64).eval()
    batch = ImageBatch(torch.rand(2, 3, 64, 64), torch.full((2, 2), 64))
    network = lite0_backbone().eval()
    expected = network(model.transform(batch)).mean((2, 3))
    torch.testing.assert_close(model(batch).embeddings, expected)
    assert expected.shape == (2, 1280)
    assert not any(p.requires_grad for p in model.parameters())


def test_only_the_last_groups_of_a_pretrained_body_learn() -> None:
    model = descriptor_lite0(trainable_layers=1)
    learning = {key for key, p in model.named_parameters() if p.requires_grad}
    assert {"backbone.neck.conv.weight", "head.weight", "backbone.body.blocks.15.project.conv.weight"} <= learning
    assert not {key for key in learning if "blocks.10." in key or "stem" in key}


def test_a_cut_backbone_computes_what_the_whole_one_does() -> None:
    torch.manual_seed(0)
    for whole in (backbone(), lite0_backbone()):
        whole.eval()
        pixels = torch.rand(2, 3, 64, 64)
        with torch.no_grad():
            stages = whole.stages(pixels)
            halves = SplitBackbone(whole, 1)
            lower = halves.lower(pixels)
            torch.testing.assert_close(lower, stages[1])
            torch.testing.assert_close(halves.upper(lower), stages[-1])
        assert halves.channels == (stages[1].shape[1], stages[-1].shape[1])


def test_a_backbone_that_cannot_be_cut_says_so() -> None:
    with pytest.raises(ValueError, match=r"stage must lie in 0\.\.1 for this backbone, not 2"):
        SplitBackbone(backbone(), 2)
    body = backbone().body
    body.groups = lambda: [[]]  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="a TinyBody cannot be cut"):
        SplitBackbone(NeckedBackbone(body), 0)


def test_unknown_poolings_and_heads_are_refused() -> None:
    with pytest.raises((ValueError, TypeError), match="pooling"):
        make_pooling("max")  # type: ignore[arg-type]
    with pytest.raises((ValueError, TypeError), match="head"):
        descriptor_lite0(head="conv", pretrained=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["descriptor_bn_inception", "descriptor_googlenet"])
def test_bodies_from_scratch_describe(name: str) -> None:
    model = PROBLEM.models[name](size=64, embedding_dim=16)
    outputs = model.train()(ImageBatch(torch.rand(2, 3, 64, 64), torch.full((2, 2), 64)), targets(0, 1))
    assert outputs.embeddings.shape == (2, 16)
    outputs.embeddings[:, 0].sum().backward()
    assert not idle(model)
