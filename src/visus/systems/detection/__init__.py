"""Object detection: Faster R-CNN and SSD."""

from collections.abc import Callable
from typing import Any

from torch import nn

from visus.systems.detection.faster_rcnn import (
    FasterRCNN,
    fasterrcnn_lite0_fpn,
    fasterrcnn_mobilenet_v3_large_320_fpn,
    fasterrcnn_mobilenet_v3_large_fpn,
    fasterrcnn_resnet50_fpn,
    fasterrcnn_resnet50_fpn_v2,
)
from visus.systems.detection.losses import DetectionCriterion
from visus.systems.detection.ssd import SSD
from visus.systems.detection.ssd_lite import ssd_lite0
from visus.systems.detection.ssd_losses import SSDCriterion
from visus.systems.detection.ssd_vgg import ssd300_vgg16, ssd512_vgg16

MODELS: dict[str, Callable[..., nn.Module]] = {
    "fasterrcnn_resnet50_fpn": fasterrcnn_resnet50_fpn,
    "fasterrcnn_resnet50_fpn_v2": fasterrcnn_resnet50_fpn_v2,
    "fasterrcnn_mobilenet_v3_large_fpn": fasterrcnn_mobilenet_v3_large_fpn,
    "fasterrcnn_mobilenet_v3_large_320_fpn": fasterrcnn_mobilenet_v3_large_320_fpn,
    "fasterrcnn_lite0_fpn": fasterrcnn_lite0_fpn,
    "ssd300_vgg16": ssd300_vgg16,
    "ssd512_vgg16": ssd512_vgg16,
    "ssd_lite0": ssd_lite0,
}
LOSSES: dict[str, Callable[..., Any]] = {"detection": DetectionCriterion, "ssd": SSDCriterion}

__all__ = ["LOSSES", "MODELS", "SSD", "DetectionCriterion", "FasterRCNN", "SSDCriterion"]
