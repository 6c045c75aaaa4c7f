"""Boxes, suppression, anchors, matching and RoIAlign equal torchvision's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peer import run_peer
from torch import Tensor

from visus import ops

pytestmark = pytest.mark.peers


def _boxes(count: int, seed: int, extent: float = 300.0, least: float = 1.0) -> Tensor:
    """Boxes of log-uniform sides, some of which hang over the border."""
    generator = torch.Generator().manual_seed(seed)
    sides = least * (extent / least) ** torch.rand(count, 2, generator=generator)
    corner = torch.rand(count, 2, generator=generator) * extent - 0.2 * sides
    return torch.cat((corner, corner + sides), dim=1)


def test_boxes(tmp_path: Path) -> None:
    a, b = _boxes(60, 0), _boxes(60, 1)
    deltas = torch.randn(60, 4, generator=torch.Generator().manual_seed(2)) * 3
    script = """
from torchvision.ops import box_iou, clip_boxes_to_image, generalized_box_iou
from torchvision.models.detection._utils import BoxCoder
a, b = inputs["a"], inputs["b"]
coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
outputs["iou"] = box_iou(a, b)
outputs["giou"] = generalized_box_iou(a, b)
outputs["encoded"] = coder.encode_single(a, b)
outputs["decoded"] = coder.decode_single(inputs["deltas"], b)
outputs["clipped"] = clip_boxes_to_image(a, (200, 150))
"""
    theirs = run_peer(script, {"a": a, "b": b, "deltas": deltas}, tmp_path)
    weights = (10.0, 10.0, 5.0, 5.0)
    assert torch.equal(ops.box_iou(a, b), theirs["iou"])
    torch.testing.assert_close(ops.generalized_box_iou(a, b), theirs["giou"], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(ops.encode_boxes(a, b, weights), theirs["encoded"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ops.decode_boxes(deltas, b, weights), theirs["decoded"], atol=1e-3, rtol=1e-5)
    assert torch.equal(ops.clip_boxes(a, (200, 150)), theirs["clipped"])


def test_nms(tmp_path: Path) -> None:
    boxes = _boxes(150, 3).repeat(12, 1)
    generator = torch.Generator().manual_seed(4)
    boxes = boxes + torch.randn(boxes.shape, generator=generator)
    boxes[::3] = boxes[::3].round()  # sides in whole pixels make overlaps that are exactly the threshold
    scores = torch.rand(len(boxes), generator=generator)
    groups = torch.randint(0, 7, (len(boxes),), generator=generator)
    script = """
from torchvision.ops import boxes as B, nms
for threshold in (0.0, 0.3, 0.5, 0.7, 1.0):
    outputs[f"kept {threshold}"] = nms(inputs["boxes"], inputs["scores"], threshold)
    by_group = B._batched_nms_vanilla(inputs["boxes"], inputs["scores"], inputs["groups"], threshold)
    outputs[f"by group {threshold}"] = by_group
"""
    theirs = run_peer(script, {"boxes": boxes, "scores": scores, "groups": groups}, tmp_path)
    assert 200 < len(theirs["kept 0.5"]) < 1700
    for threshold in (0.0, 0.3, 0.5, 0.7, 1.0):
        assert torch.equal(ops.nms(boxes, scores, threshold), theirs[f"kept {threshold}"])
        assert torch.equal(ops.batched_nms(boxes, scores, groups, threshold), theirs[f"by group {threshold}"])


def test_anchors(tmp_path: Path) -> None:
    script = """
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
sizes = ((32,), (64, 90), (128, 201))
ratios = ((0.5, 1.0, 2.0),) * 3
maps = [torch.zeros(1, 1, 25, 34), torch.zeros(1, 1, 13, 17), torch.zeros(1, 1, 7, 9)]
outputs["anchors"] = AnchorGenerator(sizes, ratios)(ImageList(torch.zeros(1, 3, 200, 272), [(200, 272)]), maps)[0]
"""
    theirs = run_peer(script, {}, tmp_path)["anchors"]
    levels = (((32.0,), (25, 34)), ((64.0, 90.0), (13, 17)), ((128.0, 201.0), (7, 9)))
    ours = [
        ops.grid_anchors(ops.base_anchors(sizes, (0.5, 1.0, 2.0)), grid, (200 // grid[0], 272 // grid[1]))
        for sizes, grid in levels
    ]
    assert torch.equal(torch.cat(ours), theirs)


def test_matching(tmp_path: Path) -> None:
    anchors = _boxes(3000, 5).round()
    objects = anchors[:12] + torch.tensor([-3.0, -3, 3, 3])
    iou = ops.box_iou(objects, torch.cat((anchors, anchors[:500])))  # twins tie for the best overlap
    script = """
from torchvision.models.detection._utils import Matcher
for allowed in (False, True):
    outputs[f"match {allowed}"] = Matcher(0.7, 0.3, allowed)(inputs["iou"])
"""
    theirs = run_peer(script, {"iou": iou}, tmp_path)
    assert 0 < (theirs["match False"] >= 0).sum() < (theirs["match True"] >= 0).sum()
    for allowed in (False, True):
        assert torch.equal(ops.match_boxes(iou, 0.7, 0.3, allowed), theirs[f"match {allowed}"])


def test_roi_align(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(7)
    features = torch.randn(2, 8, 25, 34, generator=generator)
    boxes, image = _boxes(120, 8, extent=400), torch.arange(120) % 2
    kinds = [(bins, ratio, a) for bins, ratio in (((7, 7), 2), ((14, 9), 2), ((3, 5), 1), ((2, 2), 4)) for a in (0, 1)]
    script = f"""
from torchvision.ops import roi_align
features = inputs["features"].requires_grad_()
rois = torch.cat((inputs["image"][:, None].float(), inputs["boxes"]), dim=1)
for bins, ratio, aligned in {kinds}:
    out = roi_align(features, rois, bins, spatial_scale=0.125, sampling_ratio=ratio, aligned=bool(aligned))
    outputs[f"out {{bins}} {{ratio}} {{aligned}}"] = out
    outputs[f"gradient {{bins}} {{ratio}} {{aligned}}"], = torch.autograd.grad(out.square().sum(), features)
"""
    theirs = run_peer(script, {"features": features, "image": image, "boxes": boxes}, tmp_path)
    features.requires_grad_()
    for bins, ratio, aligned in kinds:
        out = ops.roi_align([features], boxes, image, bins, [8], sampling_ratio=ratio, aligned=bool(aligned))
        torch.testing.assert_close(out, theirs[f"out {bins} {ratio} {aligned}"], atol=1e-4, rtol=1e-4)
        gradient = torch.autograd.grad(out.square().sum(), features)[0]
        torch.testing.assert_close(gradient, theirs[f"gradient {bins} {ratio} {aligned}"], atol=1e-3, rtol=1e-4)


def test_pyramid(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(9)
    maps = [torch.randn(2, 8, 200 // s, 272 // s, generator=generator) for s in (4, 8, 16, 32)]
    boxes, image = _boxes(300, 10, extent=800, least=8), torch.arange(300) // 150
    script = """
from torchvision.ops import MultiScaleRoIAlign
pool = MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
maps = {str(i): inputs[f"map{i}"] for i in range(4)}
outputs["out"] = pool(maps, list(inputs["boxes"].split(150)), [(200, 272)] * 2)
outputs["levels"] = pool.map_levels(list(inputs["boxes"].split(150)))
"""
    theirs = run_peer(script, {**{f"map{i}": map_ for i, map_ in enumerate(maps)}, "boxes": boxes}, tmp_path)
    levels = ops.assign_levels(boxes, 4)
    assert torch.equal(levels, theirs["levels"])
    out = ops.roi_align(maps, boxes, image, 7, (4, 8, 16, 32), levels=levels)
    torch.testing.assert_close(out, theirs["out"], atol=1e-4, rtol=1e-4)
