"""What a scene-graph network looks at beside the detector's own heads: attributes of objects, regions around pairs."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from visus.ops.graphs import around
from visus.ops.roi import roi_align
from visus.systems.detection.box_heads import TwoLayerHead
from visus.systems.detection.roi_heads import RoIHeads
from visus.systems.scene_graphs.outputs import Objects

_AT_ONCE = 4096
"""So many pairs are pooled at once, at most: 300 objects have 89,700."""
_CROP = 16
"""Pixels of a side of what the attribute head sees of an object."""


class AttributeHead(nn.Module):
    """Which attributes an object has, any number of them: from its region of the pyramid, its pixels and its class.

    The features of a detector tell classes apart whatever the colour; colours and patterns are in the pixels.

    Args:
        channels: of the region.
        pooled: its rows and columns.
        hidden: of the layers.
        num_classes: categories.
        num_attributes: attributes; without any the head is empty.
    """

    def __init__(self, *, channels: int, pooled: int, hidden: int, num_classes: int, num_attributes: int) -> None:
        super().__init__()
        self.num_attributes = num_attributes
        if num_attributes:
            self.layers = TwoLayerHead(channels, pooled, hidden)
            self.texture = nn.Sequential(
                nn.Conv2d(3, hidden // 4, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(hidden // 4, hidden // 2, 3, padding=1),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(4),
                nn.Flatten(),
                nn.Linear(8 * hidden, hidden),
                nn.ReLU(),
            )
            self.logits = nn.Linear(2 * hidden + num_classes, num_attributes)

    def forward(
        self,
        regions: Float[Tensor, "n c p p"],
        pixels: Float[Tensor, "b 3 h w"],
        objects: Objects,
    ) -> Float[Tensor, "n attributes"]:
        """A logit for each attribute.

        Args:
            regions: of the objects, pooled from the pyramid.
            pixels: of the images, normalised.
            objects: their boxes in these pixels, and their classes.
        """
        if not self.num_attributes:
            return objects.class_scores[:, :0]
        crops = roi_align([pixels], objects.boxes_xyxy, objects.image_index, _CROP, [1.0])
        seen = [self.layers(regions), self.texture(crops), objects.class_scores]
        return self.logits(torch.cat(seen, dim=1))  # type: ignore[no-any-return]


class UnionFeatures(nn.Module):
    """The region around two boxes, with where in it the two lie (arXiv 1711.06640, section 4.1).

    Args:
        channels: of the pyramid.
        pooled: rows and columns of a region.
        hidden: numbers of each pair.
    """

    def __init__(self, channels: int, pooled: int, hidden: int) -> None:
        super().__init__()
        self.pooled = pooled
        self.places = nn.Conv2d(2, channels, 3, padding=1)
        self.layers = TwoLayerHead(channels, pooled, hidden)

    def forward(
        self,
        features: list[Float[Tensor, "b c _ _"]],
        boxes: Float[Tensor, "n 4"],
        shares: Float[Tensor, "n 4"],
        images: Int64[Tensor, " n"],
        pairs: Int64[Tensor, "p 2"],
        heads: RoIHeads,
    ) -> Float[Tensor, "p hidden"]:
        """A vector for each pair; of many pairs, some after the others."""
        parts = torch.split(pairs, _AT_ONCE) if len(pairs) else (pairs,)
        return torch.cat([self._some(features, boxes, shares, images, part, heads) for part in parts])

    def _some(
        self, features: list[Tensor], boxes: Tensor, shares: Tensor, images: Tensor, pairs: Tensor, heads: RoIHeads
    ) -> Tensor:
        subjects, objects = pairs.unbind(1)
        with torch.no_grad():
            regions = heads.pooling(features, around(boxes[subjects], boxes[objects]), images[subjects])
            union = around(shares[subjects], shares[objects])
            inside = torch.stack([_inside(shares[one], union, self.pooled) for one in (subjects, objects)], dim=1)
        return self.layers(regions + self.places(inside))  # type: ignore[no-any-return]


class NoUnions(nn.Module):
    """For relation models that look at objects alone."""

    def forward(
        self,
        features: list[Float[Tensor, "b c _ _"]],
        boxes: Float[Tensor, "n 4"],
        shares: Float[Tensor, "n 4"],
        images: Int64[Tensor, " n"],
        pairs: Int64[Tensor, "p 2"],
        heads: RoIHeads,
    ) -> Float[Tensor, "p 0"]:
        """Nothing for each pair."""
        return boxes.new_zeros(len(pairs), 0)


def _inside(boxes: Tensor, frames: Tensor, cells: int) -> Float[Tensor, "p cells cells"]:
    """How much of each cell of a frame a box covers, from -0.5 to 0.5."""
    sides = (frames[:, 2:] - frames[:, :2]).clamp(min=1e-6)
    edges = (boxes.view(-1, 2, 2) - frames[:, None, :2]) / sides[:, None] * cells  # [p, 2, 2]
    starts = torch.arange(cells, device=boxes.device)
    low, high = edges[:, 0, :, None], edges[:, 1, :, None]  # [p, 2, 1]
    covered = (torch.minimum(high, starts + 1) - torch.maximum(low, starts.to(low))).clamp(0, 1)  # [p, 2, cells]
    return covered[:, 1, :, None] * covered[:, 0, None, :] - 0.5
