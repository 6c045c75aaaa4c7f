"""Region proposal network (Ren et al., Faster R-CNN, arXiv 1506.01497, section 3; on pyramids, arXiv 1612.03144, 4.1).

A small convolution slides over every pyramid level and says, for each anchor, whether it covers an object and how to
move it onto that object. All levels of all images go through one non-maximum suppression. Parameter names are
torchvision's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from visus.ops.anchors import base_anchors, grid_anchors, top_of_levels
from visus.ops.boxes import decode_boxes, large_boxes
from visus.ops.nms import batched_nms


@dataclass(frozen=True)
class RPNOutputs:
    """Every anchor's score and deltas, and the boxes that survived.

    Args:
        objectness: the logit of covering an object.
        deltas: how to move each anchor, as `visus.ops.boxes.encode_boxes` with weights 1.
        anchors: the anchors of one image in network pixels; all images of a batch share them.
        proposals: the surviving boxes of each image, best first; constants to autograd.
    """

    objectness: Float[Tensor, "b a"]
    deltas: Float[Tensor, "b a 4"]
    anchors: Float[Tensor, "a 4"]
    proposals: list[Float[Tensor, "_ 4"]]


@dataclass(frozen=True)
class ProposalLimits:
    """How many boxes are kept: per level before suppression and per image after it, in training and otherwise."""

    before: tuple[int, int] = (2000, 1000)
    after: tuple[int, int] = (2000, 1000)
    iou: float = 0.7
    min_score: float = 0.0
    min_side: float = 1e-3


class RegionProposalNetwork(nn.Module):
    """Scores and moves anchors over a feature pyramid, and keeps the best boxes.

    Args:
        channels: channels of every pyramid level.
        anchor_sizes: for each level, the square roots of its anchors' areas in pixels.
        aspect_ratios: height / width of the anchors, the same on all levels.
        limits: how many boxes survive.
        depth: how many 3x3 convolutions precede the two outputs.
    """

    def __init__(
        self,
        *,
        channels: int,
        anchor_sizes: Sequence[Sequence[float]],
        aspect_ratios: Sequence[float] = (0.5, 1.0, 2.0),
        limits: ProposalLimits | None = None,
        depth: int = 1,
    ) -> None:
        super().__init__()
        if len({len(sizes) for sizes in anchor_sizes}) != 1:
            raise ValueError(f"every level needs the same number of anchor sizes, not {anchor_sizes}")
        self.limits = limits or ProposalLimits()
        self.base_anchors = [base_anchors(sizes, aspect_ratios) for sizes in anchor_sizes]
        self.head = RPNHead(channels, len(self.base_anchors[0]), depth)

    def forward(
        self, features: Sequence[Float[Tensor, "b c _ _"]], pixels: tuple[int, int], sizes: Int64[Tensor, "b 2"]
    ) -> RPNOutputs:
        """Proposals from features of images padded to ``pixels`` (h, w), each ``sizes`` (h, w) large."""
        if len(features) != len(self.base_anchors):
            raise ValueError(f"{len(features)} feature levels for {len(self.base_anchors)} levels of anchors")
        scores, deltas = self.head(features)
        grids = [self.anchors_of(level, feature, pixels) for level, feature in enumerate(features)]
        anchors, objectness, moves = torch.cat(grids), torch.cat(scores, 1), torch.cat(deltas, 1)
        proposals = self._proposals(objectness.detach(), moves.detach(), anchors, [len(grid) for grid in grids], sizes)
        return RPNOutputs(objectness, moves, anchors, proposals)

    def anchors_of(
        self, level: int, feature: Float[Tensor, "b c _ _"], pixels: tuple[int, int]
    ) -> Float[Tensor, "a 4"]:
        """The anchors of a level whose features are ``feature``, of images padded to ``pixels`` (h, w)."""
        height, width = feature.shape[-2:]
        base = self.base_anchors[level].to(feature.device)
        return grid_anchors(base, (height, width), (pixels[0] // height, pixels[1] // width))

    @torch.no_grad()
    def _proposals(
        self, objectness: Tensor, deltas: Tensor, anchors: Tensor, counts: list[int], sizes: Tensor
    ) -> list[Tensor]:
        """The best boxes of each image: the top of each level, suppressed level by level, then the top of the image."""
        limits, phase = self.limits, 0 if self.training else 1
        top = top_of_levels(objectness, counts, limits.before[phase])  # [b, t]
        levels = torch.repeat_interleave(
            torch.arange(len(counts), device=top.device), torch.tensor(counts, device=top.device)
        )[top]  # [b, t]
        scores = objectness.gather(1, top).float().sigmoid()
        moves = deltas.gather(1, top[..., None].expand(-1, -1, 4))  # [b, t, 4]
        boxes = _clip_each(decode_boxes(moves, anchors[top]), sizes)
        kept = large_boxes(boxes.flatten(0, 1), limits.min_side) & (scores.flatten() >= limits.min_score)
        images = torch.arange(len(boxes), device=top.device)[:, None].expand_as(top)
        where = kept.nonzero()[:, 0]
        groups = (images * len(counts) + levels).flatten()[where]
        order = where[batched_nms(boxes.flatten(0, 1)[where], scores.flatten()[where], groups, limits.iou)]
        owner = images.flatten()[order]
        flat = boxes.flatten(0, 1)
        return [flat[order[owner == image]][: limits.after[phase]] for image in range(len(boxes))]


class RPNHead(nn.Module):
    """3x3 convolutions, then one logit and four deltas per anchor at every place (figure 3 of the paper)."""

    def __init__(self, channels: int, anchors: int, depth: int) -> None:
        super().__init__()
        blocks = [nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()) for _ in range(depth)]
        self.conv = nn.Sequential(*blocks)
        self.cls_logits = nn.Conv2d(channels, anchors, 1)
        self.bbox_pred = nn.Conv2d(channels, 4 * anchors, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(
        self, features: Sequence[Float[Tensor, "b c _ _"]]
    ) -> tuple[list[Float[Tensor, "b _"]], list[Float[Tensor, "b _ 4"]]]:
        """For each level the logits and deltas of its anchors, in the order row, column, shape; in fp32."""
        scores, deltas = [], []
        for feature in features:
            hidden = self.conv(feature)
            scores.append(self.cls_logits(hidden).permute(0, 2, 3, 1).flatten(1).float())  # [b, h*w*k]
            deltas.append(self.bbox_pred(hidden).permute(0, 2, 3, 1).unflatten(3, (-1, 4)).flatten(1, 3).float())
        return scores, deltas


def _clip_each(boxes: Float[Tensor, "b t 4"], sizes: Int64[Tensor, "b 2"]) -> Float[Tensor, "b t 4"]:
    """Boxes of each image cut at its own (h, w)."""
    limit = sizes.flip(1).repeat(1, 2)[:, None].to(boxes)  # [b, 1, 4] as w, h, w, h
    return torch.minimum(boxes.clamp(min=0), limit)
