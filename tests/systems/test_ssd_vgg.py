"""SSD300 and SSD512: the published numbers of boxes, parameters and layers."""

from __future__ import annotations

import pytest
import torch

from visus.names import build
from visus.systems.detection.ssd_losses import SSDCriterion
from visus.systems.detection.ssd_vgg import ssd300_vgg16, ssd512_vgg16
from visus.types import ImageBatch, InstanceTarget

BUILDERS = {300: ssd300_vgg16, 512: ssd512_vgg16}


@pytest.fixture(scope="module")
def ssd300():
    torch.manual_seed(0)
    return ssd300_vgg16(num_classes=90)


def test_published_number_of_parameters_keys_and_boxes(ssd300) -> None:
    assert sum(p.numel() for p in ssd300.parameters()) == 35_641_826
    assert len(ssd300.state_dict()) == 71
    assert ssd300.default_boxes.shape == (8732, 4)
    assert ssd300.default_boxes[0].tolist() == pytest.approx([-6.5, -6.5, 14.5, 14.5])
    assert ssd300.default_boxes[-1].tolist() == pytest.approx([150 - 92.2779, 0, 150 + 92.2779, 300], abs=1e-3)


@pytest.mark.parametrize(("layers", "expected"), list(enumerate([45, 51, 57, 63, 67, 71])))
def test_number_of_trainable_tensors_is_the_published_one(layers: int, expected: int) -> None:
    with torch.device("meta"):
        model = ssd300_vgg16(trainable_layers=layers)
    assert sum(p.requires_grad for p in model.parameters()) == expected


@pytest.mark.parametrize(("size", "boxes"), [(300, 8732), (512, 24564)])
def test_maps_are_those_of_the_paper(size: int, boxes: int) -> None:
    with torch.device("meta"):
        model = BUILDERS[size](num_classes=20)
        maps = model.backbone(torch.empty(1, 3, size, size))
        logits, deltas = model.head(maps)
    grids = {300: [38, 19, 10, 5, 3, 1], 512: [64, 32, 16, 8, 4, 2, 1]}[size]
    assert [tuple(one.shape[-2:]) for one in maps] == [(grid, grid) for grid in grids]
    assert logits.shape == (1, boxes, 21)
    assert deltas.shape == (1, boxes, 4) == (1, *model.default_boxes.shape)


def test_scales_for_pascal_voc_are_larger_and_others_are_refused() -> None:
    for size, side in ((300, 30), (512, 0.07 * 512)):
        model = BUILDERS[size](num_classes=2, scales="voc")
        first = model.default_boxes[0]
        assert (first[2] - first[0]).item() == pytest.approx(side, rel=1e-5)
    with pytest.raises(ValueError, match=r"scales .*coco.*voc"):
        build(ssd512_vgg16, {"scales": "open_images"}, what="ssd512_vgg16")


def test_conv4_3_has_length_twenty_at_every_cell(ssd300) -> None:
    with torch.no_grad():
        found = ssd300.backbone(ssd300.transform(ImageBatch(torch.rand(1, 3, 300, 300), torch.tensor([[300, 300]]))))
    torch.testing.assert_close(found[0].norm(dim=1), torch.full((1, 38, 38), 20.0))


def test_pixels_enter_as_in_caffe(ssd300) -> None:
    grey = torch.tensor([123, 117, 104], dtype=torch.uint8)[:, None, None].expand(3, 300, 300)
    assert ssd300.transform(ssd300.transform.batch([grey])).abs().max() < 0.01
    brighter = torch.tensor([133, 127, 114], dtype=torch.uint8)[:, None, None].expand(3, 300, 300)
    torch.testing.assert_close(
        ssd300.transform(ssd300.transform.batch([brighter])), torch.full((1, 3, 300, 300), 10.0), atol=0.01, rtol=0
    )


def test_losses_reach_every_parameter(ssd300) -> None:
    objects = InstanceTarget(
        boxes_xyxy=torch.tensor([[10.0, 20, 80, 70]]),
        labels=torch.tensor([89]),
        areas=torch.tensor([3500.0]),
        is_crowd=torch.tensor([False]),
        size=(150, 100),
    )
    batch = ssd300.transform.batch([torch.rand(3, 150, 100)])
    losses = SSDCriterion()(ssd300.train()(batch, [objects]), [objects])
    assert all(torch.isfinite(loss) for loss in losses.values())
    sum(losses.values()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in ssd300.parameters())
