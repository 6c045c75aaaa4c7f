"""Mask R-CNN's branches and losses against hand-made cases."""

from __future__ import annotations

import pytest
import torch

from visus.systems.instances.heads import KeypointPredictor, MaskPredictor
from visus.systems.instances.losses import keypoint_loss, mask_loss
from visus.systems.instances.mask_rcnn import keypointrcnn_resnet50_fpn, maskrcnn_lite0_fpn, maskrcnn_resnet50_fpn
from visus.systems.instances.outputs import InstanceRegions
from visus.types import ImageBatch, InstanceTarget


def one_target(size: tuple[int, int] = (32, 32)) -> InstanceTarget:
    masks = torch.zeros(1, *size, dtype=torch.bool)
    masks[0, 8:24, 8:16] = True
    return InstanceTarget(
        boxes_xyxy=torch.tensor([[8.0, 8, 16, 24]]),
        labels=torch.tensor([1]),
        areas=torch.tensor([128.0]),
        is_crowd=torch.tensor([False]),
        size=size,
        masks=masks,
        keypoints_xyv=torch.tensor([[[9.0, 9.0, 2.0], [15.9, 23.9, 1.0], [0.0, 0.0, 0.0], [30.0, 9.0, 2.0]]]),
    )


def regions_of(boxes: torch.Tensor) -> InstanceRegions:
    count = len(boxes)
    return InstanceRegions(
        boxes_xyxy=boxes,
        image_index=torch.zeros(count, dtype=torch.int64),
        matched=torch.zeros(count, dtype=torch.int64),
        classes=torch.full((count,), 2),
        class_logits=torch.zeros(count, 3),
        box_deltas=torch.zeros(count, 12),
    )


def test_mask_loss_is_zero_for_the_mask_itself_and_large_for_its_opposite() -> None:
    regions = regions_of(torch.tensor([[8.0, 8, 24, 24]]))
    wanted = torch.full((1, 8, 8), -30.0)
    wanted[:, :, :4] = 30.0
    rois = torch.tensor([0])
    edge = mask_loss(wanted, regions, rois, [one_target()], [(32, 32)])
    opposite = mask_loss(-wanted, regions, rois, [one_target()], [(32, 32)])
    # Only the cells along the edge average over both sides of it; everything else is exact.
    assert float(edge) < 0.15 * float(opposite)
    assert float(opposite) > 20


def test_mask_loss_brings_regions_to_the_pixels_of_the_target() -> None:
    regions = regions_of(torch.tensor([[4.0, 4, 12, 12]]))
    logits = torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(0))
    half = mask_loss(logits, regions, torch.tensor([0]), [one_target()], [(16, 16)])
    full = mask_loss(
        logits, regions_of(torch.tensor([[8.0, 8, 24, 24]])), torch.tensor([0]), [one_target()], [(32, 32)]
    )
    assert float(half) == pytest.approx(float(full), abs=1e-6)


def test_keypoint_loss_counts_labelled_keypoints_inside_the_region_only() -> None:
    regions = regions_of(torch.tensor([[8.0, 8, 16, 24]]))
    logits = torch.zeros(1, 4, 8, 8)
    rois = torch.tensor([0])
    # Two of four count (one is not labelled, one lies outside): each costs log 64 where all cells are equal.
    even = keypoint_loss(logits, regions, rois, [one_target()], [(32, 32)])
    assert float(even) == pytest.approx(4.158883, abs=1e-5)
    logits[0, 0, 0, 1] = logits[0, 1, 7, 7] = 50.0
    sure = keypoint_loss(logits, regions, rois, [one_target()], [(32, 32)])
    assert float(sure) == pytest.approx(0, abs=1e-5)


def test_losses_without_regions_are_zero_with_a_gradient() -> None:
    regions, none = regions_of(torch.zeros(0, 4)), torch.zeros(0, dtype=torch.int64)
    masks = torch.zeros(0, 8, 8, requires_grad=True)
    points = torch.zeros(0, 4, 8, 8, requires_grad=True)
    total = mask_loss(masks, regions, none, [], []) + keypoint_loss(points, regions, none, [], [])
    total.backward()
    assert float(total.detach()) == 0


def test_mask_predictor_computes_the_channel_of_the_class() -> None:
    torch.manual_seed(0)
    predictor = MaskPredictor(4, 6, num_classes=3)
    torch.nn.init.normal_(predictor.mask_fcn_logits.bias)
    hidden = torch.randn(5, 4, 7, 7)
    labels = torch.tensor([0, 1, 2, 1, 0])
    every = predictor.mask_fcn_logits(predictor.conv5_mask(hidden).relu())
    torch.testing.assert_close(predictor(hidden, labels), every[torch.arange(5), labels + 1], rtol=1e-5, atol=1e-5)


def test_keypoint_predictor_quadruples_the_resolution() -> None:
    assert KeypointPredictor(3, 5)(torch.randn(2, 3, 14, 14)).shape == (2, 5, 56, 56)


def test_published_numbers_of_parameters_and_keys() -> None:
    mask, keypoint = maskrcnn_resnet50_fpn(norm="frozen"), keypointrcnn_resnet50_fpn(norm="frozen")
    assert (sum(p.numel() for p in mask.parameters()), len(mask.state_dict())) == (44_401_393, 307)
    assert (sum(p.numel() for p in keypoint.parameters()), len(keypoint.state_dict())) == (59_137_258, 313)


def test_only_categories_that_carry_keypoints_get_some() -> None:
    torch.manual_seed(0)
    model = maskrcnn_lite0_fpn(num_classes=2, num_keypoints=3, keypoint_labels=(1,), pretrained=False, size=64).eval()
    for parameter in model.roi_heads.box_predictor.cls_score.parameters():
        torch.nn.init.zeros_(parameter)  # a third for each category and for the background
    found = model.postprocess(model(ImageBatch(torch.rand(1, 3, 64, 64), torch.tensor([[64, 64]]))), [(64, 64)])[0]
    carries = found.labels == 1
    assert 0 < carries.sum() < len(carries), "the comparison needs both categories"
    assert (found.keypoints_xyv[carries][..., 2] == 1).all()
    assert (found.keypoints_xyv[~carries] == 0).all()
