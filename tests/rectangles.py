"""Samples whose masks, boxes, keypoints and pixels are rectangles, for the tests of augmentation and loaders."""

from __future__ import annotations

import torch

from visus.data.augment.mirror import Mirror
from visus.types import InstanceTarget, Sample

MIRROR = Mirror(flip_pairs=((0, 1),))
"""Of the keypoints of `rectangles`: the left hand, the right hand and the nose."""


def rectangles(size: tuple[int, int], boxes: list[tuple[int, int, int, int]], *, masks: bool = True) -> Sample:
    """A sample of bright rectangles (x1, y1, x2, y2) on black, whose masks are the rectangles themselves."""
    height, width = size
    drawn = torch.zeros(len(boxes), height, width, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(drawn, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    bounds = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)
    points = torch.zeros(len(boxes), 3, 3)
    points[:, 0] = torch.stack((bounds[:, 0], bounds[:, 1], torch.full((len(boxes),), 2.0)), dim=1)
    points[:, 1] = torch.stack((bounds[:, 2], bounds[:, 3], torch.full((len(boxes),), 1.0)), dim=1)
    target = InstanceTarget(
        boxes_xyxy=bounds,
        labels=torch.arange(len(boxes)),
        areas=drawn.sum(dim=(1, 2)).float(),
        is_crowd=torch.zeros(len(boxes), dtype=torch.bool),
        size=size,
        masks=drawn if masks else None,
        keypoints_xyv=points,
    )
    image = (drawn.any(dim=0) * 255).to(torch.uint8).expand(3, -1, -1).clone()
    return Sample(input=image, target=target)
