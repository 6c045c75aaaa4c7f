"""Faster R-CNN's parts against hand-made cases."""

from __future__ import annotations

import pytest
import torch

from visus.names import build
from visus.nn.rpn import ProposalLimits, RegionProposalNetwork, RPNOutputs
from visus.nn.transform import ImageTransform
from visus.ops.boxes import encode_boxes
from visus.ops.padding import pad_images
from visus.systems.detection.faster_rcnn import fasterrcnn_lite0_fpn, fasterrcnn_resnet50_fpn
from visus.systems.detection.losses import DetectionCriterion, region_losses, rpn_losses
from visus.systems.detection.outputs import Regions
from visus.systems.detection.roi_heads import BOX_WEIGHTS
from visus.types import ImageBatch


@pytest.mark.parametrize(("layers", "expected"), list(enumerate([30, 40, 59, 72, 82, 83])))
def test_number_of_trainable_tensors_is_the_published_one(layers: int, expected: int) -> None:
    model = fasterrcnn_resnet50_fpn(norm="frozen", trainable_layers=layers)
    assert sum(p.requires_grad for p in model.parameters()) == expected


def test_published_number_of_parameters_and_keys() -> None:
    model = fasterrcnn_resnet50_fpn(norm="frozen")
    assert sum(p.numel() for p in model.parameters()) == 41_755_286
    assert len(model.state_dict()) == 295
    assert len(fasterrcnn_resnet50_fpn().state_dict()) == 348


def test_transform_gives_published_sizes_and_zero_padding() -> None:
    transform = ImageTransform(min_size=800, max_size=1333)
    assert transform.target_size(480, 640) == (800, 1066)
    assert transform.target_size(500, 2000) == (333, 1333)
    batch = ImageTransform(min_size=None).batch([torch.ones(3, 40, 50), torch.ones(3, 64, 20)])
    assert batch.pixels.shape == (2, 3, 64, 64)
    pixels = ImageTransform(min_size=None)(batch)
    assert pixels[0, :, 40:].abs().sum() == 0
    assert pixels[0, :, :40, :50].abs().min() > 0


def test_batch_mixes_integer_and_float_images() -> None:
    batch = pad_images([torch.full((3, 4, 4), 255, dtype=torch.uint8), torch.ones(3, 4, 4)])
    assert torch.equal(batch.pixels, torch.ones(2, 3, 4, 4))


def test_rpn_proposes_the_anchor_it_is_sure_of() -> None:
    rpn = RegionProposalNetwork(channels=4, anchor_sizes=[(16,), (32,)], limits=ProposalLimits(after=(1, 1))).eval()
    features = [torch.zeros(2, 4, 8, 8), torch.zeros(2, 4, 4, 4)]
    outputs = rpn(features, (64, 64), torch.tensor([[64, 64], [64, 64]]))
    anchors = outputs.anchors
    assert anchors.shape == (8 * 8 * 3 + 4 * 4 * 3, 4)
    scores = torch.full((2, len(anchors)), -4.0)
    scores[0, 100], scores[1, 200] = 4.0, 4.0
    boxes = rpn._proposals(scores, torch.zeros(2, len(anchors), 4), anchors, [192, 48], torch.tensor([[64, 64]] * 2))
    assert torch.equal(boxes[0][0], anchors[100].clamp(0, 64))
    assert torch.equal(boxes[1][0], anchors[200].clamp(0, 64))


def test_losses_vanish_for_perfect_outputs_and_count_as_published() -> None:
    anchors = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]])
    objects = torch.tensor([[1.0, 1, 11, 11]])
    deltas = torch.zeros(1, 3, 4)
    deltas[0, 0] = encode_boxes(objects, anchors[:1])[0]
    perfect = RPNOutputs(torch.tensor([[40.0, -40, -40]]), deltas, anchors, [])
    assert [float(x) for x in rpn_losses(perfect, [objects])] == pytest.approx([0, 0], abs=1e-6)
    off = RPNOutputs(torch.zeros(1, 3), deltas + torch.tensor([1.0, 0, 0, 0]), anchors, [])
    score, box = rpn_losses(off, [objects])
    assert float(score) == pytest.approx(0.6931, abs=1e-4)
    # One positive anchor is off by 1 in one delta: smooth L1 is 1 - beta / 2, over the three sampled anchors.
    assert float(box) == pytest.approx((1 - 1 / 18) / 3, abs=1e-5)


def test_region_losses_look_only_at_the_deltas_of_the_right_class() -> None:
    box, truth = torch.tensor([[0.0, 0, 20, 20]]), torch.tensor([[2.0, 0, 22, 20]])
    deltas = torch.full((1, 3, 4), 9.0)
    deltas[0, 2] = encode_boxes(truth, box, weights=BOX_WEIGHTS)[0]
    regions = Regions(
        boxes_xyxy=box,
        image_index=torch.tensor([0]),
        matched=torch.tensor([0]),
        classes=torch.tensor([2]),
        class_logits=torch.tensor([[0.0, 0.0, 50.0]]),
        box_deltas=deltas.flatten(1),
    )
    assert [float(x) for x in region_losses(regions, [truth])] == pytest.approx([0, 0], abs=1e-6)


def test_the_numbers_of_the_criterion_are_options_of_a_recipe() -> None:
    chosen = {"anchors": 64, "positive_fraction": 0.25, "positive_iou": 0.6, "negative_iou": 0.2}
    assert build(DetectionCriterion, chosen, what="the loss detection") == DetectionCriterion(**chosen)
    for wrong in ({"anchors": 0}, {"positive_fraction": 2.0}, {"positive_iou": 0.2}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            build(DetectionCriterion, wrong, what="the loss detection")


def test_criterion_without_targets_says_what_to_do() -> None:
    model = fasterrcnn_lite0_fpn(num_classes=2, pretrained=False, size=64)
    outputs = model(ImageBatch(torch.rand(1, 3, 64, 64), torch.tensor([[64, 64]])))
    with pytest.raises(ValueError, match="with targets"):
        DetectionCriterion()(outputs, [])


def test_an_image_is_seen_the_same_alone_and_beside_another() -> None:
    torch.manual_seed(0)
    model = fasterrcnn_lite0_fpn(num_classes=2, pretrained=False, size=64).eval()
    image = torch.rand(3, 64, 64)
    alone = model(model.transform.batch([image]))
    both = model(model.transform.batch([image, torch.rand(3, 64, 64)]))
    torch.testing.assert_close(alone.rpn.objectness[0], both.rpn.objectness[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (8000, 200), (3, 700)])
def test_images_of_extreme_shape_come_back_in_their_own_pixels(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = fasterrcnn_lite0_fpn(num_classes=2, pretrained=False, size=64).eval()
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
    found = model.postprocess(model(model.transform.batch([image])), [size])[0]
    assert found.size == size
    assert (found.boxes_xyxy[:, 2] <= size[1] + 1e-3).all()
    assert (found.boxes_xyxy[:, 3] <= size[0] + 1e-3).all()
