"""Instance segmentation and keypoints: Mask R-CNN."""

from collections.abc import Callable

from torch import nn

from visus.systems.instances.losses import InstanceCriterion
from visus.systems.instances.mask_rcnn import (
    MaskRCNN,
    keypointrcnn_resnet50_fpn,
    maskrcnn_lite0_fpn,
    maskrcnn_resnet50_fpn,
    maskrcnn_resnet50_fpn_v2,
)

MODELS: dict[str, Callable[..., nn.Module]] = {
    "maskrcnn_resnet50_fpn": maskrcnn_resnet50_fpn,
    "maskrcnn_resnet50_fpn_v2": maskrcnn_resnet50_fpn_v2,
    "keypointrcnn_resnet50_fpn": keypointrcnn_resnet50_fpn,
    "maskrcnn_lite0_fpn": maskrcnn_lite0_fpn,
}
LOSSES = {"instances": InstanceCriterion}

__all__ = ["LOSSES", "MODELS", "InstanceCriterion", "MaskRCNN"]
