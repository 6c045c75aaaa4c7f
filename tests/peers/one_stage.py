"""What both one-stage detectors are compared on: two images with objects, and the detections on them."""

from __future__ import annotations

import torch
from torch import Tensor

from visus.types import InstancePrediction, InstanceTarget

SIZES = ((180, 240), (230, 170))


def inputs(smallest: list[float]) -> dict[str, Tensor]:
    """The images and the objects as the peer takes them; its labels count the background."""
    given = {f"image{i}": image for i, image in enumerate(images())}
    for i, one in enumerate(targets(smallest)):
        given |= {f"boxes{i}": one.boxes_xyxy, f"labels{i}": one.labels + 1}
    return given


def images() -> list[Tensor]:
    """Two images of smooth colours."""
    generator = torch.Generator().manual_seed(5)
    coarse = [torch.rand(1, 3, 9, 12, generator=generator), torch.rand(1, 3, 11, 8, generator=generator)]
    return [
        torch.nn.functional.interpolate(one, size=size, mode="bicubic")[0].clamp(0, 1)
        for one, size in zip(coarse, SIZES, strict=True)
    ]


def targets(smallest: list[float]) -> list[InstanceTarget]:
    """Objects on them, of which one has the box ``smallest``."""
    rows = ([[10.0, 20, 60, 90], [100, 30, 220, 170], smallest], [[20.0, 30, 150, 200]])
    return [
        objects(torch.tensor(boxes), torch.arange(len(boxes)) * 5 % 12, size)
        for boxes, size in zip(rows, SIZES, strict=True)
    ]


def objects(boxes: Tensor, labels: Tensor, size: tuple[int, int]) -> InstanceTarget:
    """The target of an image."""
    crowd = torch.zeros(len(boxes), dtype=torch.bool)
    return InstanceTarget(boxes_xyxy=boxes, labels=labels, areas=torch.ones(len(boxes)), is_crowd=crowd, size=size)


def compare_detections(found: list[InstancePrediction], theirs: dict[str, Tensor]) -> None:
    """The same objects; rounding may decide one in a hundred otherwise where an overlap lies on the threshold."""
    for i, mine in enumerate(found):
        boxes, labels, scores = (theirs[f"{key}_of_image{i}"] for key in ("boxes", "labels", "scores"))
        assert len(mine) == len(boxes)
        assert len(mine) > 20
        assert len(mine.labels.unique()) > 2
        distance = torch.cdist(mine.boxes_xyxy, boxes, p=float("inf"))
        distance[mine.labels[:, None] + 1 != labels] = float("inf")
        distance += (mine.scores[:, None] - scores).abs() * 100
        same = distance.amin(dim=1) < 0.05
        assert same.float().mean() >= 0.99, f"{(~same).sum()} of {len(same)} detections differ"
