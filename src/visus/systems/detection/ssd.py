"""SSD, the single shot detector (Liu et al., arXiv 1512.02325).

Every cell of several feature maps, fine to coarse, says of a few default boxes around it what they hold and how to move
them onto it. There is no second look: one pass gives all boxes, and a suppression per class thins them out.
`ssd300_vgg16` and `ssd512_vgg16` (in ``ssd_vgg.py``) are the paper's networks, the former with torchvision's parameter
names and numbers; `ssd_lite0` (in ``ssd_lite.py``) is ours for a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from visus.nn.square import SquareTransform
from visus.ops.boxes import clip_boxes, decode_boxes
from visus.systems.detection.default_boxes import BoxLevel, default_boxes
from visus.systems.detection.outputs import Detections, predictions_of, suppress
from visus.systems.detection.roi_heads import BOX_WEIGHTS
from visus.types import ImageBatch, InstancePrediction, InstanceTarget

Predictor = Callable[[int, int], nn.Module]
"""Makes what turns a map of so many channels into one of so many channels at the same resolution."""


@dataclass(frozen=True)
class SSDOutputs:
    """What SSD says of the default boxes of every image, before anything is thinned out.

    ``image_sizes`` is the frame of the boxes: that of the network, to which images were stretched.
    """

    image_sizes: Int64[Tensor, "b 2"]
    class_logits: Float[Tensor, "b a classes"]
    box_deltas: Float[Tensor, "b a 4"]
    default_boxes: Float[Tensor, "a 4"]


@dataclass(frozen=True)
class SSDLimits:
    """What becomes a detection: the least score, the most boxes of a class that are looked at, the most overlap within
    a class, the most boxes of an image."""

    score: float = 0.01
    candidates: int = 400
    iou: float = 0.45
    count: int = 200


class SSD(nn.Module):
    """Transform, backbone, head on every feature map.

    Args:
        transform: stretches images to the one size that the default boxes are made for, and normalises.
        backbone: the feature maps of an image, finest first.
        head: classifies and moves the default boxes.
        levels: the default boxes of each feature map.
        limits: what becomes a detection.
    """

    channels_last = True
    adapts = False
    default_boxes: Tensor

    def __init__(
        self,
        *,
        transform: SquareTransform,
        backbone: nn.Module,
        head: SSDHead,
        levels: Sequence[BoxLevel],
        limits: SSDLimits | None = None,
    ) -> None:
        super().__init__()
        self.transform, self.backbone, self.head = transform, backbone, head
        self.limits = limits or SSDLimits()
        self.register_buffer("default_boxes", default_boxes(transform.size, levels), persistent=False)

    def forward(self, images: ImageBatch, targets: Sequence[InstanceTarget] | None = None) -> SSDOutputs:
        """Logits and deltas of all default boxes; ``targets`` are not needed, only the losses look at them."""
        pixels = self.transform(images)
        features = self.backbone(pixels)
        class_logits, box_deltas = self.head(features)
        image_sizes = torch.full_like(images.sizes, self.transform.size)
        return SSDOutputs(image_sizes, class_logits, box_deltas, self.default_boxes)

    @torch.no_grad()
    def postprocess(self, outputs: SSDOutputs, sizes: Sequence[tuple[int, int]]) -> list[InstancePrediction]:
        """The objects of each image, best first, in the pixels of images of ``sizes`` (h, w)."""
        found = detect(outputs, (self.transform.size, self.transform.size), self.limits)
        return predictions_of(found, outputs.image_sizes, sizes)


class SSDHead(nn.Module):
    """For every feature map one predictor of classes and one of boxes; parameter names are torchvision's.

    Args:
        channels: the channels of each feature map.
        levels: the default boxes of each feature map.
        num_classes: categories without the background, which takes logit 0.
        predictor: makes the predictors; the paper's are 3x3 convolutions.
    """

    def __init__(
        self, *, channels: Sequence[int], levels: Sequence[BoxLevel], num_classes: int, predictor: Predictor
    ) -> None:
        super().__init__()
        shapes = [(width, level.boxes_per_cell) for width, level in zip(channels, levels, strict=True)]
        columns = num_classes + 1
        self.classification_head = LevelPredictors([predictor(c, k * columns) for c, k in shapes], columns)
        self.regression_head = LevelPredictors([predictor(c, k * 4) for c, k in shapes], 4)

    def forward(
        self, features: Sequence[Float[Tensor, "b _ _ _"]]
    ) -> tuple[Float[Tensor, "b a classes"], Float[Tensor, "b a 4"]]:
        """Class logits (background first) and box deltas of all default boxes, in fp32."""
        return self.classification_head(features).float(), self.regression_head(features).float()


class LevelPredictors(nn.Module):
    """One predictor for each feature map, whose answers are concatenated.

    Args:
        predictors: one for each map.
        columns: how many numbers each says of a default box.
    """

    def __init__(self, predictors: Sequence[nn.Module], columns: int) -> None:
        super().__init__()
        self.module_list = nn.ModuleList(predictors)
        self.columns = columns

    def forward(self, features: Sequence[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b a columns"]:
        """The answers in the order of the default boxes: map by map, then rows, columns and shapes."""
        maps = [predict(feature) for predict, feature in zip(self.module_list, features, strict=True)]
        rows = [answer.permute(0, 2, 3, 1).unflatten(3, (-1, self.columns)).flatten(1, 3) for answer in maps]
        return torch.cat(rows, dim=1)


def detect(outputs: SSDOutputs, frame: tuple[int, int], limits: SSDLimits) -> Detections:
    """The detections of all images in the pixels of the network's ``frame`` (h, w) (section 2.2 of the paper)."""
    found = candidates(outputs, frame, limits, limits.score)
    return suppress(found, images=len(outputs.class_logits), iou=limits.iou, count=limits.count)


def candidates(
    outputs: SSDOutputs, frame: tuple[int, int], limits: SSDLimits, least: float | Float[Tensor, ""]
) -> Detections:
    """The best default boxes of every class that score more than ``least``, before any is suppressed."""
    scores = outputs.class_logits.softmax(dim=-1)[:, :, 1:].transpose(1, 2)  # [b, classes, a]
    boxes = clip_boxes(decode_boxes(outputs.box_deltas, outputs.default_boxes, weights=BOX_WEIGHTS), frame)
    best, places = scores.topk(min(limits.candidates, scores.shape[2]), dim=-1)
    image, label, rank = (best > least).nonzero(as_tuple=True)
    return Detections(boxes[image, places[image, label, rank]], image, label, best[image, label, rank])
