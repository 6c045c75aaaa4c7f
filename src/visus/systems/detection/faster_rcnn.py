"""Faster R-CNN on feature pyramids (Ren et al., arXiv 1506.01497; Lin et al., arXiv 1612.03144).

One network looks at the image once, proposes boxes that may hold an object, and classifies and corrects each of them.
The builders with torchvision's names have its parameter names and numbers, so that its published weights load.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from visus.names import named
from visus.nn.backbones import Backbone
from visus.nn.pyramid import PyramidBackbone
from visus.nn.rpn import ProposalLimits, RegionProposalNetwork
from visus.nn.transform import ImageTransform, small_transform, training_targets
from visus.systems.detection.outputs import DetectionOutputs, predictions_of
from visus.systems.detection.roi_heads import RoIHeads
from visus.systems.detection.two_stage import (
    Published,
    SmallLimits,
    lite0_pyramid,
    mobilenet_pyramid,
    mobilenet_rpn,
    published,
    published_v2,
    resnet50_pyramid,
    small_roi_heads,
    small_rpn,
    standard_roi_heads,
    standard_rpn,
)
from visus.types import ImageBatch, InstancePrediction, InstanceTarget


class FasterRCNN(nn.Module):
    """Transform, pyramid, region proposal network, heads on regions.

    Args:
        transform: resizing and normalising.
        backbone: a pyramid of features, finest first.
        rpn: proposes boxes from all levels.
        roi_heads: classifies and corrects them; Mask R-CNN's also outline them.
    """

    channels_last = True
    adapts = False

    def __init__(
        self, *, transform: ImageTransform, backbone: nn.Module, rpn: RegionProposalNetwork, roi_heads: RoIHeads
    ) -> None:
        super().__init__()
        self.transform, self.backbone, self.rpn, self.roi_heads = transform, backbone, rpn, roi_heads

    def forward(self, images: ImageBatch, targets: Sequence[InstanceTarget] | None = None) -> DetectionOutputs:
        """Features and proposals; with targets also the sampled regions that the losses look at."""
        pixels = self.transform(images)
        features = self.backbone(pixels)
        rpn = self.rpn(features, tuple(pixels.shape[-2:]), images.sizes)
        if targets is None:
            return DetectionOutputs(images.sizes, features, rpn)
        objects = training_targets(targets, images.sizes)
        return DetectionOutputs(images.sizes, features, rpn, self.roi_heads(features, rpn.proposals, objects))

    @torch.no_grad()
    def postprocess(self, outputs: DetectionOutputs, sizes: Sequence[tuple[int, int]]) -> list[InstancePrediction]:
        """The objects of each image, best first, in the pixels of images of ``sizes`` (h, w)."""
        found = self.roi_heads.detect(outputs.features, outputs.rpn.proposals, outputs.image_sizes)
        return predictions_of(found, outputs.image_sizes, sizes)


def _standard(transform: ImageTransform, backbone: PyramidBackbone, num_classes: int) -> FasterRCNN:
    rpn, heads = standard_rpn(backbone), standard_roi_heads(backbone, num_classes)
    return FasterRCNN(transform=transform, backbone=backbone, rpn=rpn, roi_heads=heads)


def _deeper(transform: ImageTransform, backbone: PyramidBackbone, num_classes: int) -> FasterRCNN:
    rpn, heads = standard_rpn(backbone, depth=2), standard_roi_heads(backbone, num_classes, convolutions=True)
    return FasterRCNN(transform=transform, backbone=backbone, rpn=rpn, roi_heads=heads)


def _mobilenet(transform: ImageTransform, backbone: PyramidBackbone, num_classes: int) -> FasterRCNN:
    rpn = mobilenet_rpn(backbone, ProposalLimits(min_score=0.05))
    heads = standard_roi_heads(backbone, num_classes)
    return FasterRCNN(transform=transform, backbone=backbone, rpn=rpn, roi_heads=heads)


def _mobilenet_320(transform: ImageTransform, backbone: PyramidBackbone, num_classes: int) -> FasterRCNN:
    rpn = mobilenet_rpn(backbone, ProposalLimits(before=(2000, 150), after=(2000, 150), min_score=0.05))
    heads = standard_roi_heads(backbone, num_classes)
    return FasterRCNN(transform=transform, backbone=backbone, rpn=rpn, roi_heads=heads)


fasterrcnn_resnet50_fpn = named(
    "fasterrcnn_resnet50_fpn",
    published,
    Published(resnet50_pyramid, _standard),
    "torchvision's Faster R-CNN with a ResNet-50 pyramid (COCO box AP 37.0).",
)
fasterrcnn_resnet50_fpn_v2 = named(
    "fasterrcnn_resnet50_fpn_v2",
    published_v2,
    _deeper,
    "torchvision's second Faster R-CNN with a ResNet-50 pyramid (COCO box AP 46.7): batch norm and deeper heads.",
)
fasterrcnn_mobilenet_v3_large_fpn = named(
    "fasterrcnn_mobilenet_v3_large_fpn",
    published,
    Published(mobilenet_pyramid, _mobilenet),
    "torchvision's Faster R-CNN with a MobileNetV3-Large pyramid (COCO box AP 32.8).",
)
fasterrcnn_mobilenet_v3_large_320_fpn = named(
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    published,
    Published(mobilenet_pyramid, _mobilenet_320),
    "torchvision's Faster R-CNN with a MobileNetV3-Large pyramid for images of 320 to 640 pixels (COCO box AP 22.8).",
    min_size=320,
    max_size=640,
)


def fasterrcnn_lite0_fpn(
    *,
    num_classes: int = 90,
    pretrained: bool = True,
    trainable_layers: int | None = None,
    size: int = 192,
    smallest: float = 1 / 16,
    largest: float = 1.0,
    detections: int = 100,
    body: Backbone | None = None,
) -> FasterRCNN:
    """Our small Faster R-CNN for a CPU: EfficientNet-Lite0 with the ImageNet weights that come with the install.

    Args:
        num_classes: categories without the background.
        pretrained: start from the ImageNet weights.
        trainable_layers: how many of the backbone's stages learn, counted from the last.
        size: the shorter side of an image in pixels; the longer may be twice that.
        smallest: the side of the smallest anchor, as a share of ``size``.
        largest: that of the largest.
        detections: the most objects that are found in an image; above 100, more regions are looked at, too.
        body: a backbone of your own in place of EfficientNet-Lite0, with stages at strides 4, 8, 16 and 32.
    """
    limits = SmallLimits(size, smallest, largest, detections)
    backbone = lite0_pyramid(pretrained=pretrained, trainable_layers=trainable_layers, body=body)
    return FasterRCNN(
        transform=small_transform(size, backbone.body),
        backbone=backbone,
        rpn=small_rpn(backbone, limits),
        roi_heads=small_roi_heads(backbone, num_classes, limits),
    )
