"""Pasted masks and heat maps of keypoints equal torchvision's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peer import run_peer
from torch.nn import functional as F

from visus.ops.keypoints import decode_keypoints, encode_keypoints
from visus.ops.masks import masks_to_boxes, paste_masks

pytestmark = pytest.mark.peers

SCRIPT = """
from torchvision.models.detection.roi_heads import heatmaps_to_keypoints, keypoints_to_heatmap, paste_masks_in_image
from torchvision.ops import masks_to_boxes

height, width = inputs["size"].tolist()
soft = paste_masks_in_image(inputs["masks"][:, None], inputs["boxes"], (height, width))[:, 0]
index, valid = keypoints_to_heatmap(inputs["keypoints"], inputs["boxes"], 56)
xyv, scores = heatmaps_to_keypoints(inputs["logits"], inputs["boxes"])
outputs = {
    "soft": soft,
    "index": index,
    "valid": valid,
    "xyv": xyv,
    "scores": scores,
    "around": masks_to_boxes((soft > 0.5)[inputs["large"]]),
}
"""


@pytest.mark.parametrize("m", [28, 14])
def test_masks_and_keypoints(m: int, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(m)
    count, (height, width) = 40, (210, 330)
    corner = torch.rand(count, 2, generator=generator) * torch.tensor([width, height]) * 0.8
    sides = 3 * 80 ** torch.rand(count, 2, generator=generator)
    boxes = torch.cat((corner, corner + sides), dim=1)
    boxes = torch.stack((*boxes[:, :2].unbind(1), boxes[:, 2].clamp(max=width), boxes[:, 3].clamp(max=height)), dim=1)
    noise = torch.randn(count, 17, 9, 9, generator=generator)
    keypoints = torch.rand(count, 17, 3, generator=generator) * 1.1
    keypoints[..., :2] = keypoints[..., :2] * (boxes[:, None, 2:] - boxes[:, None, :2]) + boxes[:, None, :2]
    keypoints[:, 0, :2] = boxes[:, 2:]  # on the far corner, which belongs to the last cell
    keypoints[..., 2] = torch.randint(0, 3, (count, 17), generator=generator)
    inputs = {
        "masks": torch.rand(count, m, m, generator=generator),
        "boxes": boxes,
        "size": torch.tensor([height, width]),
        "logits": 5 * F.interpolate(noise, size=(56, 56), mode="bicubic"),
        "keypoints": keypoints,
        "large": (boxes[:, 2:] - boxes[:, :2]).amin(dim=1) > 20,
    }
    theirs = run_peer(SCRIPT, inputs, tmp_path)

    soft = paste_masks(inputs["masks"], boxes, (height, width), threshold=None)
    torch.testing.assert_close(soft, theirs["soft"], atol=1e-5, rtol=0)
    assert (paste_masks(inputs["masks"], boxes, (height, width)) != (theirs["soft"] > 0.5)).sum() <= 2  # of 2.8 million

    # torchvision's boxes end at the last pixel, ours behind it.
    theirs_around = theirs["around"] + torch.tensor([0.0, 0.0, 1.0, 1.0])
    assert torch.equal(masks_to_boxes((theirs["soft"] > 0.5)[inputs["large"]]), theirs_around)

    index, valid = encode_keypoints(keypoints, boxes, 56)
    assert torch.equal(index, theirs["index"])
    assert torch.equal(valid, theirs["valid"].bool())
    assert 0 < int(valid.sum()) < valid.numel()

    xyv, scores = decode_keypoints(inputs["logits"], boxes)
    torch.testing.assert_close(scores, theirs["scores"], atol=1e-4, rtol=1e-5)
    moved = (xyv - theirs["xyv"]).abs().amax(dim=-1) > 1e-3
    assert int(moved.sum()) <= 1  # of 680: two pixels may be equally high but for the last digit
