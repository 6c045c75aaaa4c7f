"""What two-stage detectors are put together from: pyramids and stages with the published numbers, and ours for a CPU.

The published ones have torchvision's numbers and share one signature. Those for a CPU (``small_...``) are the papers'
networks, narrower, with anchors and levels for small images. All their sizes follow from the side of the images in
pixels: the anchors cover objects from an eighth of the image to all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import nn

from visus.nn.backbones import DETECTOR_TAPS, Backbone, backbone, lite0_or
from visus.nn.norm import NormName
from visus.nn.pyramid import PyramidBackbone
from visus.nn.rpn import ProposalLimits, RegionProposalNetwork
from visus.nn.transform import ImageTransform
from visus.systems.detection.box_heads import BoxPredictor, ConvHead, TwoLayerHead
from visus.systems.detection.roi_heads import DetectionLimits, RoIHeads, RoIPooling, RoISampling

SMALL_CHANNELS = 64

BOX_CANONICAL_SHARE = 0.6
"""A region of this share of the image's side is pooled from stride 16 for its class and box."""

DETAIL_CANONICAL_SHARE = 2.4
"""The same for outlines and keypoints, which need fine cells more than context: all but large regions use stride 4."""

Detector = TypeVar("Detector")
Pyramid = TypeVar("Pyramid", bound=PyramidBackbone)


@dataclass(frozen=True)
class Published(Generic[Pyramid, Detector]):
    """A published detector.

    Args:
        pyramid: builds what it stands on, from ``pretrained``, ``norm`` and ``trainable_layers``.
        assemble: makes it from its transform, its pyramid and the number of categories.
    """

    pyramid: Callable[..., Pyramid]
    assemble: Callable[[ImageTransform, Pyramid, int], Detector]


def published(
    parts: Published[Pyramid, Detector],
    /,
    *,
    num_classes: int = 90,
    pretrained: bool = False,
    norm: NormName | None = None,
    trainable_layers: int | None = None,
    min_size: int = 800,
    max_size: int = 1333,
) -> Detector:
    """A published detector for images of any shape.

    Args:
        num_classes: categories without the background.
        pretrained: start from torchvision's ImageNet weights (fetched once).
        norm: batch norm, or frozen batch norm, the default for a pretrained backbone.
        trainable_layers: how many of the backbone's groups of layers learn, counted from the last; 3 if pretrained,
            else all.
        min_size: the shorter side of an image in pixels.
        max_size: the most of its longer side.
    """
    pyramid = parts.pyramid(pretrained=pretrained, norm=norm, trainable_layers=trainable_layers)
    return parts.assemble(ImageTransform(min_size=min_size, max_size=max_size), pyramid, num_classes)


def published_v2(
    assemble: Callable[[ImageTransform, PyramidBackbone, int], Detector],
    /,
    *,
    num_classes: int = 90,
    pretrained: bool = False,
    trainable_layers: int | None = None,
    min_size: int = 800,
    max_size: int = 1333,
) -> Detector:
    """A detector of torchvision's second recipes: always with batch norm, behind the pyramid's convolutions too.

    Args:
        num_classes: categories without the background.
        pretrained: start from torchvision's ImageNet weights (fetched once).
        trainable_layers: how many of the backbone's five stages learn, counted from the last; 3 if pretrained, else 5.
        min_size: the shorter side of an image in pixels.
        max_size: the most of its longer side.
    """
    body = backbone("resnet50", pretrained=pretrained, norm="batch", trainable_layers=trainable_layers)
    transform = ImageTransform(min_size=min_size, max_size=max_size)
    return assemble(transform, PyramidBackbone(body, norm=nn.BatchNorm2d), num_classes)


def resnet50_pyramid(*, pretrained: bool, norm: NormName | None, trainable_layers: int | None) -> PyramidBackbone:
    """P2 to P6 on a ResNet-50, 256 channels each."""
    return PyramidBackbone(backbone("resnet50", pretrained=pretrained, norm=norm, trainable_layers=trainable_layers))


def mobilenet_pyramid(*, pretrained: bool, norm: NormName | None, trainable_layers: int | None) -> PyramidBackbone:
    """Three levels on the last two stages of a MobileNetV3-Large, 256 channels each."""
    body = backbone(
        "mobilenet_v3_large", pretrained=pretrained, norm=norm, trainable_layers=trainable_layers, taps=DETECTOR_TAPS
    )
    return PyramidBackbone(body)


def standard_rpn(backbone: PyramidBackbone, depth: int = 1) -> RegionProposalNetwork:
    """Five levels, one anchor size each, as in the pyramid paper."""
    sizes = [(32,), (64,), (128,), (256,), (512,)]
    return RegionProposalNetwork(channels=backbone.out_channels, anchor_sizes=sizes, depth=depth)


def mobilenet_rpn(backbone: PyramidBackbone, limits: ProposalLimits) -> RegionProposalNetwork:
    """All five anchor sizes on every level."""
    sizes = [(32, 64, 128, 256, 512)] * len(backbone.strides)
    return RegionProposalNetwork(channels=backbone.out_channels, anchor_sizes=sizes, limits=limits)


def standard_roi_heads(backbone: PyramidBackbone, num_classes: int, *, convolutions: bool = False) -> RoIHeads:
    """The box branch with the papers' numbers; the second recipes' has ``convolutions``."""
    return RoIHeads(
        pooling=RoIPooling(7, backbone.strides[:-1]),
        box_head=(ConvHead if convolutions else TwoLayerHead)(backbone.out_channels, 7),
        box_predictor=BoxPredictor(1024, num_classes),
        num_classes=num_classes,
    )


def lite0_pyramid(
    *, pretrained: bool = True, trainable_layers: int | None = None, body: Backbone | None = None
) -> PyramidBackbone:
    """P2 to P6 on an EfficientNet-Lite0, or on a body like it, 64 channels each."""
    body = lite0_or(body, pretrained=pretrained, trainable_layers=trainable_layers)
    return PyramidBackbone(body, out_channels=SMALL_CHANNELS, norm=nn.BatchNorm2d)


@dataclass(frozen=True)
class SmallLimits:
    """What a detector for a CPU looks at and finds. `visus.recipes.folder` chooses them for a data set.

    Args:
        size: the shorter side of an image in pixels; the longer may be twice that.
        smallest: the side of the smallest anchor, as a share of ``size``.
        largest: that of the largest.
        detections: the most objects that are found in an image.
    """

    size: int
    smallest: float = 1 / 16
    largest: float = 1.0
    detections: int = 100

    @property
    def proposals(self) -> int:
        """The most regions of an image that are looked at again: more where objects are many and stand close."""
        return 100 if self.detections <= 100 else min(1000, 5 * self.detections // 2)

    def __post_init__(self) -> None:
        for name in ("size", "detections"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 < self.smallest <= self.largest <= 2:
            raise ValueError(
                "smallest and largest must be shares of the image's side up to 2, the smaller first, "
                f"not {self.smallest:g} and {self.largest:g}"
            )


def small_rpn(backbone: PyramidBackbone, limits: SmallLimits) -> RegionProposalNetwork:
    """One anchor size a level, growing by one factor from level to level."""
    steps = len(backbone.strides) - 1
    growth = (limits.largest / limits.smallest) ** (1 / steps)
    sizes = [(limits.size * limits.smallest * growth**level,) for level in range(steps + 1)]
    count = limits.proposals
    kept = ProposalLimits(before=(2 * count, count), after=(2 * count, count))
    return RegionProposalNetwork(channels=backbone.out_channels, anchor_sizes=sizes, limits=kept)


def small_pooling(backbone: PyramidBackbone, pooled: int, size: int, share: float) -> RoIPooling:
    """Pooling whose levels suit images of ``size`` pixels; ``share`` is one of the two above."""
    return RoIPooling(pooled, backbone.strides[:-1], canonical_size=round(share * size))


def small_roi_heads(backbone: PyramidBackbone, num_classes: int, limits: SmallLimits, width: int = 256) -> RoIHeads:
    """A box branch with a quarter of the width that looks at 64 regions of an image in training."""
    return RoIHeads(
        pooling=small_pooling(backbone, 7, limits.size, BOX_CANONICAL_SHARE),
        box_head=TwoLayerHead(backbone.out_channels, 7, width),
        box_predictor=BoxPredictor(width, num_classes),
        num_classes=num_classes,
        sampling=RoISampling(count=64),
        limits=DetectionLimits(count=limits.detections),
    )
