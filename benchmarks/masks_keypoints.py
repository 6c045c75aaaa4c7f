"""Pasting masks and reading keypoint maps against torchvision: what follows the heads of Mask and Keypoint R-CNN.

Run ``python benchmarks/masks_keypoints.py``. An image of 800 x 1088 pixels with 100 masks of 28 x 28, from
probabilities to bool masks, and 20 people of 17 maps of 56 x 56; the boxes have log-uniform sides of 16 to 600 pixels.
"""

from __future__ import annotations

import torch
from interleaved import Cases, run
from torch.nn import functional as F

SIZE = (800, 1088)
SIZES = {"image": SIZE, "masks": 100, "people": 20, "keypoints": 17}


def ours() -> Cases:
    from visus.ops.keypoints import decode_keypoints
    from visus.ops.masks import paste_masks

    masks, boxes, logits = _inputs()
    return {
        "paste 100 masks": lambda: paste_masks(masks, boxes, SIZE),
        "decode keypoints of 20 people": lambda: decode_keypoints(logits, boxes[:20]),
    }


def theirs() -> Cases:
    from torchvision.models.detection.roi_heads import heatmaps_to_keypoints, paste_masks_in_image

    masks, boxes, logits = _inputs()
    return {
        "paste 100 masks": lambda: paste_masks_in_image(masks[:, None], boxes, SIZE) > 0.5,
        "decode keypoints of 20 people": lambda: heatmaps_to_keypoints(logits, boxes[:20]),
    }


def _inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    sides = 16 * (600 / 16) ** torch.rand(100, 2, generator=generator)
    limit = torch.tensor([SIZE[1], SIZE[0]])
    centre = torch.rand(100, 2, generator=generator) * limit
    boxes = torch.cat(((centre - sides / 2).clamp(min=0), torch.minimum(centre + sides / 2, limit)), dim=1)
    logits = F.interpolate(torch.randn(20, 17, 9, 9, generator=generator), size=(56, 56), mode="bicubic")
    return torch.rand(100, 28, 28, generator=generator), boxes, logits


if __name__ == "__main__":
    run(__file__, ours, theirs, SIZES)
