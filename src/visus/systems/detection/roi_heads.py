"""The second stage of Faster R-CNN (arXiv 1506.01497): sample regions, pool them, classify them and move their boxes.

`RoIHeads.forward` is what training sees: proposals matched with objects, 512 of them sampled, a quarter with an object.
`RoIHeads.detect` is what a user sees: every proposal scored, moved, thinned out by a suppression per class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from visus.ops.boxes import box_iou, decode_boxes, large_boxes
from visus.ops.matching import match_boxes, sample_balanced
from visus.ops.roi import assign_levels, roi_align
from visus.systems.detection.outputs import NO_OBJECT, Detections, Regions, suppress
from visus.types import InstanceTarget

BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)


@dataclass(frozen=True)
class RoISampling:
    """Which regions the second stage learns from: how many of an image, the share with an object, what covers one."""

    count: int = 512
    positive_fraction: float = 0.25
    iou: float = 0.5


@dataclass(frozen=True)
class DetectionLimits:
    """What becomes a detection: the least score, the most overlap within a class, the most boxes, the least side."""

    score: float = 0.05
    iou: float = 0.5
    count: int = 100
    min_side: float = 1e-2


class RoIPooling:
    """RoIAlign from the pyramid level that fits a region's size (arXiv 1612.03144, equation 1).

    Args:
        size: the rows and columns of a pooled region.
        strides: pixels per cell of each level; levels with the same stride count once.
        canonical_size: the side of a region that is pooled from the level of stride 16.
    """

    def __init__(self, size: int, strides: Sequence[int], canonical_size: int = 224) -> None:
        self.size, self.canonical_size = size, canonical_size
        self.strides = list(strides)
        self.first_level = round(math.log2(strides[0]))
        self.num_levels = round(math.log2(strides[-1])) - self.first_level + 1

    def __call__(
        self,
        features: Sequence[Float[Tensor, "b c _ _"]],
        boxes: Float[Tensor, "r 4"],
        image_index: Int64[Tensor, " r"],
    ) -> Float[Tensor, "r c p p"]:
        """Pooled regions of ``boxes`` in network pixels."""
        levels = assign_levels(boxes, self.num_levels, canonical_size=self.canonical_size, first_level=self.first_level)
        used = features[: self.num_levels]
        return roi_align(used, boxes, image_index, self.size, self.strides[: self.num_levels], levels=levels)


class RoIHeads(nn.Module):
    """Box head, box classifier and box regressor.

    Args:
        pooling: how a region is cut out of the pyramid for the box head.
        box_head: from a pooled region to a vector.
        box_predictor: from a vector to logits and deltas.
        num_classes: categories without the background.
        sampling: which regions training looks at.
        limits: what becomes a detection.
    """

    def __init__(
        self,
        *,
        pooling: RoIPooling,
        box_head: nn.Module,
        box_predictor: nn.Module,
        num_classes: int,
        sampling: RoISampling | None = None,
        limits: DetectionLimits | None = None,
    ) -> None:
        super().__init__()
        self.pooling, self.num_classes = pooling, num_classes
        self.box_head, self.box_predictor = box_head, box_predictor
        self.sampling, self.limits = sampling or RoISampling(), limits or DetectionLimits()

    def forward(
        self,
        features: Sequence[Float[Tensor, "b c _ _"]],
        proposals: list[Float[Tensor, "_ 4"]],
        targets: list[InstanceTarget],
    ) -> Regions:
        """Regions sampled against ``targets`` (boxes in network pixels) with what the box head says of them."""
        sampled = [self._sample(boxes, target) for boxes, target in zip(proposals, targets, strict=True)]
        boxes, matched, classes = (torch.cat(parts) for parts in zip(*sampled, strict=True))
        image_index = index_of_images([part[0] for part in sampled])
        logits, deltas = self.score(features, boxes, image_index)
        return Regions(boxes, image_index, matched, classes, logits, deltas)

    def score(
        self,
        features: Sequence[Float[Tensor, "b c _ _"]],
        boxes: Float[Tensor, "r 4"],
        image_index: Int64[Tensor, " r"],
    ) -> tuple[Float[Tensor, "r classes"], Float[Tensor, "r classes*4"]]:
        """Class logits and box deltas of regions, those of the background first."""
        pooled = self.pooling(features, boxes, image_index)
        logits, deltas = self.box_predictor(self.box_head(pooled))
        return logits, deltas

    @torch.no_grad()
    def _sample(self, proposals: Tensor, target: InstanceTarget) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes, matched objects and classes of the regions that one image contributes; its objects are among them."""
        boxes = torch.cat([proposals, target.boxes_xyxy.to(proposals)])
        rule = self.sampling
        matched = match_boxes(box_iou(target.boxes_xyxy.to(boxes), boxes), rule.iou, rule.iou)
        positive, negative = sample_balanced(matched >= 0, matched < 0, rule.count, rule.positive_fraction)
        chosen = torch.cat([positive, negative])
        classes = boxes.new_zeros(len(chosen), dtype=torch.int64)
        classes[: len(positive)] = target.labels[matched[positive]] + 1
        objects = torch.full_like(classes, NO_OBJECT)
        objects[: len(positive)] = matched[positive]
        return boxes[chosen], objects, classes

    @torch.no_grad()
    def detect(
        self,
        features: Sequence[Float[Tensor, "b c _ _"]],
        proposals: list[Float[Tensor, "_ 4"]],
        sizes: Int64[Tensor, "b 2"],
    ) -> Detections:
        """The detections of all images, in network pixels."""
        found = self.candidates(features, torch.cat(proposals), index_of_images(proposals), sizes, self.limits.score)
        images, limits = len(proposals), self.limits
        return suppress(found, images=images, iou=limits.iou, count=limits.count)

    @torch.no_grad()
    def candidates(
        self,
        features: Sequence[Float[Tensor, "b c _ _"]],
        regions: Float[Tensor, "r 4"],
        image_index: Int64[Tensor, " r"],
        sizes: Int64[Tensor, "b 2"],
        least: float | Float[Tensor, ""],
    ) -> Detections:
        """Every class of every region that scores more than ``least``, before any is suppressed, in network pixels."""
        logits, deltas = self.score(features, regions, image_index)
        scores = logits.softmax(1)[:, 1:]  # [r, k]
        moves = deltas.unflatten(1, (-1, 4))[:, 1:]  # type: ignore[no-untyped-call]  # [r, k, 4]
        region, label = (scores > least).nonzero(as_tuple=True)
        boxes = decode_boxes(moves[region, label], regions[region], weights=BOX_WEIGHTS)
        boxes = torch.minimum(boxes.clamp(min=0), sizes.flip(1).repeat(1, 2)[image_index[region]].to(boxes))
        large = large_boxes(boxes, self.limits.min_side).nonzero()[:, 0]
        return Detections(boxes[large], image_index[region][large], label[large], scores[region, label][large])


def index_of_images(boxes: Sequence[Float[Tensor, "_ 4"]]) -> Int64[Tensor, " r"]:
    """The image of each box once the boxes of all images are concatenated."""
    counts = torch.tensor([len(part) for part in boxes], device=boxes[0].device)
    return torch.repeat_interleave(torch.arange(len(boxes), device=boxes[0].device), counts)
