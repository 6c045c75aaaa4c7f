"""Detectors as exported graphs: what their ``forward`` and ``postprocess`` do, for any number of images in tensors.

The networks keep the boxes of each image apart in lists, which a graph cannot for a number of images that it does not
know. Here all boxes of a batch lie in one tensor, with the number of the image of each beside it. Everything else is
asked of the networks' own parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64, Shaped, UInt8
from torch import Tensor, nn

from visus.export.resizing import Looked, as_number, resizing_of
from visus.export.taken_apart import without_transform
from visus.nn.rpn import RegionProposalNetwork
from visus.ops.anchors import grid_anchors
from visus.ops.boxes import decode_boxes, large_boxes
from visus.ops.keypoints import decode_keypoints
from visus.ops.masks import paste_masks
from visus.ops.nms import batched_nms
from visus.systems.detection import fcos, ssd
from visus.systems.detection.faster_rcnn import FasterRCNN
from visus.systems.detection.outputs import Detections
from visus.systems.instances.mask_rcnn import MaskRCNN

Tensors = tuple[Shaped[Tensor, " ..."], ...]
OBJECTS = ("boxes", "labels", "scores", "image_index")


class ExportedTwoStage(nn.Module):
    """Faster R-CNN.

    Args:
        model: the network.
    """

    kind = "objects"
    outputs: tuple[str, ...] = OBJECTS

    def __init__(self, model: FasterRCNN) -> None:
        super().__init__()
        self.resizing, self.network = resizing_of(model.transform), without_transform(model)
        self.least = {"min_score": model.roi_heads.limits.score}

    def forward(self, images: UInt8[Tensor, "b 3 h w"], min_score: Float[Tensor, ""]) -> Tensors:
        """Boxes in the pixels of the images, labels, scores, and the image of each."""
        looked = self.resizing(images)
        features = self.network.backbone(looked.pixels)
        boxes, owner = proposals(self.network.rpn, features, looked)
        heads = self.network.roi_heads
        limits = heads.limits
        found = heads.candidates(features, boxes, owner, looked.sizes, min_score)
        found = survivors(found, len_of(images), classes=heads.num_classes, iou=limits.iou, count=limits.count)
        return self.in_images(features, found, images, looked)

    def in_images(
        self,
        features: Sequence[Float[Tensor, "b c _ _"]],
        found: Detections,
        images: UInt8[Tensor, "b 3 h w"],
        looked: Looked,
    ) -> Tensors:
        """The detections in the pixels of the images."""
        return objects(found, images, looked.sizes)


class ExportedMaskRCNN(ExportedTwoStage):
    """Mask R-CNN: also ``masks`` in the pixels of the images, ``keypoints`` and ``keypoint_scores``."""

    def __init__(self, model: MaskRCNN) -> None:
        super().__init__(model)
        heads: Any = model.roi_heads
        masks = () if heads.mask is None else ("masks",)
        points = () if heads.keypoint is None else ("keypoints", "keypoint_scores")
        self.outputs = (*OBJECTS, *masks, *points)

    def in_images(
        self,
        features: Sequence[Float[Tensor, "b c _ _"]],
        found: Detections,
        images: UInt8[Tensor, "b 3 h w"],
        looked: Looked,
    ) -> Tensors:
        """As of Faster R-CNN, with outlines and keypoints."""
        heads = self.network.roi_heads
        regions, owner = with_one_more(found.boxes_xyxy, found.image_index)
        labels = torch.cat((found.labels, found.labels.new_zeros(1)))
        boxes, *rest = objects(found, images, looked.sizes)
        if heads.mask is not None:
            probabilities = heads.mask(features, regions, owner, labels)[:-1].sigmoid()
            size = (images.shape[2], images.shape[3])
            rest.append(paste_masks(probabilities, boxes, size, threshold=self.network.mask_threshold))
        if heads.keypoint is not None:
            maps = heads.keypoint(features, regions, owner)[:-1]
            places, scores = decode_keypoints(maps, found.boxes_xyxy)
            x, y = growth(images, looked.sizes).unbind()
            places = places * torch.stack((x, y, torch.ones_like(x)))
            kinds = found.labels.new_tensor(heads.keypoint.labels or range(heads.num_classes))
            carries = (found.labels[:, None] == kinds).any(1)
            rest += [torch.where(carries[:, None, None], places, 0.0), torch.where(carries[:, None], scores, 0.0)]
        return (boxes, *rest)


class ExportedSSD(nn.Module):
    """SSD."""

    kind = "objects"
    outputs = OBJECTS

    def __init__(self, model: ssd.SSD) -> None:
        super().__init__()
        self.resizing, self.network = resizing_of(model.transform), without_transform(model)
        self.size, self.least = model.transform.size, {"min_score": model.limits.score}

    def forward(self, images: UInt8[Tensor, "b 3 h w"], min_score: Float[Tensor, ""]) -> Tensors:
        """As of Faster R-CNN."""
        looked = self.resizing(images)
        class_logits, deltas = self.network.head(self.network.backbone(looked.pixels))
        outputs = ssd.SSDOutputs(looked.sizes, class_logits, deltas, self.network.default_boxes)
        limits = self.network.limits
        found = ssd.candidates(outputs, (self.size, self.size), limits, min_score)
        classes = class_logits.shape[2] - 1
        found = survivors(found, len_of(images), classes=classes, iou=limits.iou, count=limits.count)
        return objects(found, images, looked.sizes)


class ExportedFCOS(nn.Module):
    """FCOS."""

    kind = "objects"
    outputs = OBJECTS

    def __init__(self, model: fcos.FCOS) -> None:
        super().__init__()
        logits: Any = model.head.classification_head["cls_logits"]
        self.resizing, self.network = resizing_of(model.transform), without_transform(model)
        self.least = {"min_score": model.limits.score}
        self.classes = int(logits.out_channels) - 1

    def forward(self, images: UInt8[Tensor, "b 3 h w"], min_score: Float[Tensor, ""]) -> Tensors:
        """As of Faster R-CNN."""
        looked, limits = self.resizing(images), self.network.limits
        levels = zip(self.network.backbone(looked.pixels), self.network.backbone.strides, strict=True)
        parts = [fcos.candidates(self.of_level(level, stride, looked), limits, min_score) for level, stride in levels]
        found = Detections(
            torch.cat([part.boxes_xyxy for part in parts]),
            torch.cat([part.image_index for part in parts]),
            torch.cat([part.labels for part in parts]),
            torch.cat([part.scores for part in parts]),
        )
        found = survivors(found, len_of(images), classes=self.classes, iou=limits.iou, count=limits.count)
        return objects(found, images, looked.sizes)

    def of_level(self, feature: Float[Tensor, "b c _ _"], stride: int, looked: Looked) -> fcos.FCOSOutputs:
        """What the locations of one level say: the levels apart, as their sizes are no numbers to a graph."""
        logits, distances, centres = self.network.head([feature])
        rows, columns = feature.shape[-2:]
        steps = (looked.frame[0] // rows, looked.frame[1] // columns)
        points = grid_anchors(torch.zeros(1, 4), (rows, columns), steps)[:, :2]
        strides = torch.full_like(points[:, 0], stride)
        places = fcos.Locations(points, strides, points, (points.shape[0],))
        return fcos.FCOSOutputs(looked.sizes, logits, distances, centres, places)


def proposals(
    rpn: RegionProposalNetwork, features: Sequence[Float[Tensor, "b c _ _"]], looked: Looked
) -> tuple[Float[Tensor, "r 4"], Int64[Tensor, " r"]]:
    """The boxes of all images that survive in a region proposal network, an empty one, and the image of each."""
    limits = rpn.limits
    edges = looked.sizes[0].flip(0).repeat(2)  # w, h, w, h: all images of a batch have one size
    images, parts = looked.pixels.shape[0], []
    for level, (scores, deltas) in enumerate(zip(*rpn.head(features), strict=True)):
        count = torch.sym_min(limits.before[1], scores.shape[1])  # type: ignore[no-untyped-call]
        best, place = scores.topk(count, dim=1)
        moves = deltas.gather(1, place[..., None].expand(-1, -1, 4))
        anchors = rpn.anchors_of(level, features[level], looked.frame)[place]
        parts.append((best.float().sigmoid(), decode_boxes(moves, anchors), torch.full_like(place, level)))
    score, boxes, levels = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
    boxes = torch.minimum(boxes.clamp(min=0), edges.to(boxes)).flatten(0, 1)
    score = score.flatten()
    owner = torch.arange(images, device=boxes.device)[:, None].expand_as(levels)
    groups, owner = (owner * len(parts) + levels).flatten(), owner.flatten()
    where = (large_boxes(boxes, limits.min_side) & (score >= limits.min_score)).nonzero()[:, 0]
    kept = where[batched_nms(boxes[where], score[where], groups[where], limits.iou)]
    kept = kept[best_of_images(owner[kept], images, limits.after[1])]
    return with_one_more(boxes[kept], owner[kept])


def with_one_more(
    boxes: Float[Tensor, "n 4"], owner: Int64[Tensor, " n"]
) -> tuple[Float[Tensor, "m 4"], Int64[Tensor, " m"]]:
    """Boxes with an empty one behind them, which no detection is made of: convolutions want at least one."""
    return torch.cat((boxes, boxes.new_zeros(1, 4))), torch.cat((owner, owner.new_zeros(1)))


def survivors(found: Detections, images: int, *, classes: int, iou: float, count: int) -> Detections:
    """As `visus.systems.detection.outputs.suppress`, for a number of images that a graph does not know."""
    kept = batched_nms(found.boxes_xyxy, found.scores, found.image_index * classes + found.labels, iou)
    kept = kept[best_of_images(found.image_index[kept], images, count)]
    return Detections(found.boxes_xyxy[kept], found.image_index[kept], found.labels[kept], found.scores[kept])


def best_of_images(owner: Int64[Tensor, " n"], images: int, count: int) -> Int64[Tensor, " m"]:
    """The places of the first ``count`` of each image, image by image.

    Args:
        owner: the image of each, the best first.
        images: how many there are.
        count: how many of an image are wanted.
    """
    order = torch.argsort(owner, stable=True)
    owner = owner[order]
    each = (owner[:, None] == torch.arange(images, device=owner.device)).sum(0)
    first = each.cumsum(0) - each
    rank = torch.arange(owner.shape[0], device=owner.device) - first[owner]
    return order[(rank < count).nonzero()[:, 0]]


def objects(found: Detections, images: UInt8[Tensor, "b 3 h w"], sizes: Int64[Tensor, "b 2"]) -> Tensors:
    """The boxes in the pixels of the images, labels, scores, and the image of each."""
    boxes = found.boxes_xyxy * growth(images, sizes).repeat(2)
    return boxes, found.labels, found.scores, found.image_index


def growth(images: UInt8[Tensor, "b 3 h w"], sizes: Int64[Tensor, "b 2"]) -> Float[Tensor, " 2"]:
    """How many pixels of the images one of the network's is wide and high."""
    own = torch.stack([as_number(side) for side in (images.shape[3], images.shape[2])])
    return (own / sizes[0].flip(0)).float()


def len_of(images: Shaped[Tensor, "b ..."]) -> int:
    """The number of images, which a graph may not know."""
    return images.shape[0]
