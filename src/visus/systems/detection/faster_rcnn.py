"""Faster R-CNN on feature pyramids (Ren et al., arXiv 1506.01497; Lin et al., arXiv 1612.03144).

One network looks at the image once, proposes boxes that may hold an object, and classifies and corrects each of them.
The builders with torchvision's names have its parameter names and numbers, so that its published weights load.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from visus.nn.pyramid import PyramidBackbone
from visus.nn.rpn import ProposalLimits, RegionProposalNetwork
from visus.nn.transform import ImageTransform, scale_boxes, training_objects
from visus.systems.detection.backbones import lite0_pyramid, mobilenet_pyramid, resnet50_pyramid
from visus.systems.detection.box_heads import BoxPredictor, ConvHead, TwoLayerHead
from visus.systems.detection.outputs import DetectionOutputs, Detections
from visus.systems.detection.roi_heads import RoIHeads, RoIPooling
from visus.systems.detection.small import small_roi_heads, small_rpn, small_transform
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
        objects = [training_objects(t, (int(h), int(w))) for t, (h, w) in zip(targets, images.sizes, strict=True)]
        return DetectionOutputs(images.sizes, features, rpn, self.roi_heads(features, rpn.proposals, objects))

    @torch.no_grad()
    def postprocess(self, outputs: DetectionOutputs, sizes: Sequence[tuple[int, int]]) -> list[InstancePrediction]:
        """The objects of each image, best first, in the pixels of images of ``sizes`` (h, w)."""
        found = self.roi_heads.detect(outputs.features, outputs.rpn.proposals, outputs.image_sizes)
        return [_of_image(found, i, outputs.image_sizes[i], size) for i, size in enumerate(sizes)]


def _of_image(found: Detections, image: int, old: Tensor, size: tuple[int, int]) -> InstancePrediction:
    mine = found.image_index == image
    boxes = scale_boxes(found.boxes_xyxy[mine], (int(old[0]), int(old[1])), size)
    return InstancePrediction(boxes, found.labels[mine], found.scores[mine], size)


def fasterrcnn_resnet50_fpn(
    *,
    num_classes: int = 90,
    pretrained: bool = False,
    norm: Literal["batch", "frozen"] | None = None,
    trainable_layers: int | None = None,
    min_size: int = 800,
    max_size: int = 1333,
) -> FasterRCNN:
    """torchvision's Faster R-CNN with a ResNet-50 pyramid (COCO box AP 37.0).

    Args:
        num_classes: categories without the background.
        pretrained: start from torchvision's ImageNet weights (fetched once).
        norm: batch norm, or frozen batch norm, the default for a pretrained backbone.
        trainable_layers: how many of the backbone's five stages learn, counted from the last; 3 if pretrained, else 5.
        min_size: the shorter side of an image in pixels.
        max_size: the most of its longer side.
    """
    backbone = resnet50_pyramid(pretrained=pretrained, norm=norm, trainable_layers=trainable_layers)
    return FasterRCNN(
        transform=ImageTransform(min_size=min_size, max_size=max_size),
        backbone=backbone,
        rpn=standard_rpn(backbone),
        roi_heads=standard_roi_heads(backbone, num_classes),
    )


def fasterrcnn_resnet50_fpn_v2(
    *,
    num_classes: int = 90,
    pretrained: bool = False,
    trainable_layers: int | None = None,
    min_size: int = 800,
    max_size: int = 1333,
) -> FasterRCNN:
    """torchvision's second Faster R-CNN with a ResNet-50 pyramid (COCO box AP 46.7): batch norm and deeper heads."""
    backbone = resnet50_pyramid(
        pretrained=pretrained, norm="batch", trainable_layers=trainable_layers, pyramid_norm=True
    )
    return FasterRCNN(
        transform=ImageTransform(min_size=min_size, max_size=max_size),
        backbone=backbone,
        rpn=standard_rpn(backbone, depth=2),
        roi_heads=standard_roi_heads(backbone, num_classes, box_head=ConvHead(backbone.out_channels, 7)),
    )


def fasterrcnn_mobilenet_v3_large_fpn(
    *,
    num_classes: int = 90,
    pretrained: bool = False,
    norm: Literal["batch", "frozen"] | None = None,
    trainable_layers: int | None = None,
    min_size: int = 800,
    max_size: int = 1333,
) -> FasterRCNN:
    """torchvision's Faster R-CNN with a MobileNetV3-Large pyramid (COCO box AP 32.8)."""
    backbone = mobilenet_pyramid(pretrained=pretrained, norm=norm, trainable_layers=trainable_layers)
    return FasterRCNN(
        transform=ImageTransform(min_size=min_size, max_size=max_size),
        backbone=backbone,
        rpn=_mobilenet_rpn(backbone, ProposalLimits(min_score=0.05)),
        roi_heads=standard_roi_heads(backbone, num_classes),
    )


def fasterrcnn_mobilenet_v3_large_320_fpn(
    *,
    num_classes: int = 90,
    pretrained: bool = False,
    norm: Literal["batch", "frozen"] | None = None,
    trainable_layers: int | None = None,
    min_size: int = 320,
    max_size: int = 640,
) -> FasterRCNN:
    """The same network for images of 320 to 640 pixels (COCO box AP 22.8)."""
    backbone = mobilenet_pyramid(pretrained=pretrained, norm=norm, trainable_layers=trainable_layers)
    limits = ProposalLimits(before=(2000, 150), after=(2000, 150), min_score=0.05)
    return FasterRCNN(
        transform=ImageTransform(min_size=min_size, max_size=max_size),
        backbone=backbone,
        rpn=_mobilenet_rpn(backbone, limits),
        roi_heads=standard_roi_heads(backbone, num_classes),
    )


def fasterrcnn_lite0_fpn(
    *, num_classes: int = 90, pretrained: bool = True, trainable_layers: int | None = None, size: int = 192
) -> FasterRCNN:
    """Our small Faster R-CNN for a CPU: EfficientNet-Lite0 with the ImageNet weights that come with the install.

    Args:
        num_classes: categories without the background.
        pretrained: start from the ImageNet weights.
        trainable_layers: how many of the backbone's stages learn, counted from the last.
        size: the shorter side of an image in pixels; the longer may be twice that.
    """
    backbone = lite0_pyramid(pretrained=pretrained, trainable_layers=trainable_layers)
    return FasterRCNN(
        transform=small_transform(backbone, size),
        backbone=backbone,
        rpn=small_rpn(backbone, size),
        roi_heads=small_roi_heads(backbone, num_classes, size),
    )


def standard_rpn(backbone: PyramidBackbone, depth: int = 1) -> RegionProposalNetwork:
    """Five levels, one anchor size each, as in the pyramid paper."""
    sizes = [(32,), (64,), (128,), (256,), (512,)]
    return RegionProposalNetwork(channels=backbone.out_channels, anchor_sizes=sizes, depth=depth)


def _mobilenet_rpn(backbone: PyramidBackbone, limits: ProposalLimits) -> RegionProposalNetwork:
    sizes = [(32, 64, 128, 256, 512)] * len(backbone.strides)
    return RegionProposalNetwork(channels=backbone.out_channels, anchor_sizes=sizes, limits=limits)


def standard_roi_heads(backbone: PyramidBackbone, num_classes: int, box_head: nn.Module | None = None) -> RoIHeads:
    """The box branch with the papers' numbers."""
    return RoIHeads(
        pooling=RoIPooling(7, backbone.strides[:-1]),
        box_head=box_head or TwoLayerHead(backbone.out_channels, 7),
        box_predictor=BoxPredictor(1024, num_classes),
        num_classes=num_classes,
    )
