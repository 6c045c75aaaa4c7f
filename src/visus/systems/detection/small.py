"""The parts of our detectors for a CPU: the papers' networks, narrower, with anchors and levels for small images.

All sizes follow from the side of the images in pixels: the anchors cover objects from an eighth of the image to all of
it.
"""

from __future__ import annotations

from visus.nn.pyramid import PyramidBackbone
from visus.nn.rpn import ProposalLimits, RegionProposalNetwork
from visus.nn.transform import ImageTransform
from visus.systems.detection.box_heads import BoxPredictor, TwoLayerHead
from visus.systems.detection.roi_heads import DetectionLimits, RoIHeads, RoIPooling, RoISampling

BOX_CANONICAL_SHARE = 0.6
"""A region of this share of the image's side is pooled from stride 16 for its class and box."""

DETAIL_CANONICAL_SHARE = 2.4
"""The same for outlines and keypoints, which need fine cells more than context: all but large regions use stride 4."""


def small_transform(backbone: PyramidBackbone, size: int) -> ImageTransform:
    """Images whose shorter side is ``size`` pixels and whose longer is at most twice that."""
    return ImageTransform(
        min_size=size, max_size=2 * size, mean=backbone.body.mean, std=backbone.body.std, antialias=True
    )


def small_rpn(backbone: PyramidBackbone, size: int) -> RegionProposalNetwork:
    """One anchor size a level, doubling from level to level, the largest as large as the image."""
    levels = len(backbone.strides)
    sizes = [(size / 2 ** (levels - 1 - level),) for level in range(levels)]
    limits = ProposalLimits(before=(200, 100), after=(200, 100))
    return RegionProposalNetwork(channels=backbone.out_channels, anchor_sizes=sizes, limits=limits)


def small_pooling(backbone: PyramidBackbone, pooled: int, size: int, share: float) -> RoIPooling:
    """Pooling whose levels suit images of ``size`` pixels; ``share`` is one of the two above."""
    return RoIPooling(pooled, backbone.strides[:-1], canonical_size=round(share * size))


def small_roi_heads(backbone: PyramidBackbone, num_classes: int, size: int, width: int = 256) -> RoIHeads:
    """A box branch with a quarter of the width that looks at 64 regions of an image in training."""
    return RoIHeads(
        pooling=small_pooling(backbone, 7, size, BOX_CANONICAL_SHARE),
        box_head=TwoLayerHead(backbone.out_channels, 7, width),
        box_predictor=BoxPredictor(width, num_classes),
        num_classes=num_classes,
        sampling=RoISampling(count=64),
        limits=DetectionLimits(),
    )
