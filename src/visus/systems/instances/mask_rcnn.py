"""Mask R-CNN (He et al., arXiv 1703.06870): Faster R-CNN that also outlines what it finds, and points at its joints.

The network is Faster R-CNN with further branches on its regions, so this file holds what those branches add: outlines
pasted into the image, keypoints in its pixels, and the builders. Those with torchvision's names have its parameter
names and numbers, so that its published weights load.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from visus.names import named
from visus.nn.backbones import Backbone
from visus.nn.norm import NormName
from visus.nn.pyramid import PyramidBackbone
from visus.nn.transform import ImageTransform, scale_boxes, size_pairs, small_transform
from visus.ops.masks import paste_masks
from visus.systems.detection.faster_rcnn import FasterRCNN
from visus.systems.detection.outputs import DetectionOutputs
from visus.systems.detection.roi_heads import RoIPooling
from visus.systems.detection.two_stage import (
    DETAIL_CANONICAL_SHARE,
    Published,
    SmallLimits,
    lite0_pyramid,
    published,
    published_v2,
    resnet50_pyramid,
    small_pooling,
    small_roi_heads,
    small_rpn,
    standard_roi_heads,
    standard_rpn,
)
from visus.systems.instances.heads import (
    KeypointBranch,
    KeypointHead,
    KeypointPredictor,
    MaskBranch,
    MaskHead,
    MaskPredictor,
)
from visus.systems.instances.outputs import InstanceDetections
from visus.systems.instances.roi_heads import InstanceRoIHeads
from visus.types import InstancePrediction


class MaskRCNN(FasterRCNN):
    """Faster R-CNN whose second stage is `InstanceRoIHeads`.

    ``mask_threshold`` turns the probability of a pixel into yes or no; None keeps the probabilities.
    """

    mask_threshold: float | None = 0.5

    @torch.no_grad()
    def postprocess(self, outputs: DetectionOutputs, sizes: Sequence[tuple[int, int]]) -> list[InstancePrediction]:
        """The objects of each image with outlines and keypoints, in the pixels of images of ``sizes`` (h, w)."""
        found = self.roi_heads.detect(outputs.features, outputs.rpn.proposals, outputs.image_sizes)
        assert isinstance(found, InstanceDetections)
        frames = size_pairs(outputs.image_sizes)
        return [self._of_image(found, i, frames[i], size) for i, size in enumerate(sizes)]

    def _of_image(
        self, found: InstanceDetections, image: int, old: tuple[int, int], size: tuple[int, int]
    ) -> InstancePrediction:
        mine = found.image_index == image
        boxes = scale_boxes(found.boxes_xyxy[mine], old, size)
        masks = keypoints = scores = None
        if found.mask_probabilities is not None:
            masks = paste_masks(found.mask_probabilities[mine], boxes, size, threshold=self.mask_threshold)
        if found.keypoints_xyv is not None and found.keypoint_scores is not None:
            keypoints, scores = found.keypoints_xyv[mine], found.keypoint_scores[mine]
            keypoints = keypoints * keypoints.new_tensor([size[1] / old[1], size[0] / old[0], 1])
        return InstancePrediction(boxes, found.labels[mine], found.scores[mine], size, masks, keypoints, scores)


def _standard(transform: ImageTransform, backbone: PyramidBackbone, num_classes: int) -> MaskRCNN:
    boxes = standard_roi_heads(backbone, num_classes)
    return MaskRCNN(
        transform=transform,
        backbone=backbone,
        rpn=standard_rpn(backbone),
        roi_heads=InstanceRoIHeads(boxes, mask=_mask_branch(backbone, num_classes)),
    )


def _deeper(transform: ImageTransform, backbone: PyramidBackbone, num_classes: int) -> MaskRCNN:
    boxes = standard_roi_heads(backbone, num_classes, convolutions=True)
    return MaskRCNN(
        transform=transform,
        backbone=backbone,
        rpn=standard_rpn(backbone, depth=2),
        roi_heads=InstanceRoIHeads(boxes, mask=_mask_branch(backbone, num_classes, norm=True)),
    )


def _mask_branch(backbone: PyramidBackbone, num_classes: int, norm: bool = False) -> MaskBranch:
    """The mask branch with the paper's numbers."""
    head = MaskHead(backbone.out_channels, norm=norm)
    return MaskBranch(RoIPooling(14, backbone.strides[:-1]), head, MaskPredictor(head.width, 256, num_classes))


maskrcnn_resnet50_fpn = named(
    "maskrcnn_resnet50_fpn",
    published,
    Published(resnet50_pyramid, _standard),
    "torchvision's Mask R-CNN with a ResNet-50 pyramid (COCO box AP 37.9, mask AP 34.6).",
)
maskrcnn_resnet50_fpn_v2 = named(
    "maskrcnn_resnet50_fpn_v2",
    published_v2,
    _deeper,
    "torchvision's second Mask R-CNN (COCO box AP 47.4, mask AP 41.8): batch norm and deeper heads.",
)


def keypointrcnn_resnet50_fpn(
    *,
    num_classes: int = 1,
    num_keypoints: int = 17,
    pretrained: bool = False,
    norm: NormName | None = None,
    trainable_layers: int | None = None,
    min_size: int = 800,
    max_size: int = 1333,
) -> MaskRCNN:
    """torchvision's Keypoint R-CNN with a ResNet-50 pyramid (COCO box AP 54.6, keypoint AP 65.0)."""
    backbone = resnet50_pyramid(pretrained=pretrained, norm=norm, trainable_layers=trainable_layers)
    head = KeypointHead(backbone.out_channels)
    branch = KeypointBranch(RoIPooling(14, backbone.strides[:-1]), head, KeypointPredictor(head.width, num_keypoints))
    return MaskRCNN(
        transform=ImageTransform(min_size=min_size, max_size=max_size),
        backbone=backbone,
        rpn=standard_rpn(backbone),
        roi_heads=InstanceRoIHeads(standard_roi_heads(backbone, num_classes), keypoint=branch),
    )


def maskrcnn_lite0_fpn(
    *,
    num_classes: int = 90,
    num_keypoints: int = 0,
    keypoint_labels: tuple[int, ...] = (),
    masks: bool = True,
    pretrained: bool = True,
    trainable_layers: int | None = None,
    size: int = 192,
    smallest: float = 1 / 16,
    largest: float = 1.0,
    detections: int = 100,
    body: Backbone | None = None,
) -> MaskRCNN:
    """Our small Mask R-CNN for a CPU: EfficientNet-Lite0 with the ImageNet weights that come with the install.

    Args:
        num_classes: categories without the background.
        num_keypoints: keypoints of an object; 0 for a network without a keypoint branch.
        keypoint_labels: the categories that carry keypoints; empty for all.
        masks: whether to outline objects.
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
    mask = keypoint = None
    if masks:
        head = MaskHead(backbone.out_channels, width=64, depth=3, norm=True)
        mask = MaskBranch(
            small_pooling(backbone, 14, size, DETAIL_CANONICAL_SHARE), head, MaskPredictor(64, 64, num_classes)
        )
    if num_keypoints:
        points = KeypointHead(backbone.out_channels, width=64, dilations=(1, 2, 4), norm=True)
        predictor = KeypointPredictor(points.width, num_keypoints)
        keypoint = KeypointBranch(
            small_pooling(backbone, 14, size, DETAIL_CANONICAL_SHARE), points, predictor, tuple(keypoint_labels)
        )
    return MaskRCNN(
        transform=small_transform(size, backbone.body),
        backbone=backbone,
        rpn=small_rpn(backbone, limits),
        roi_heads=InstanceRoIHeads(small_roi_heads(backbone, num_classes, limits), mask=mask, keypoint=keypoint),
    )
