"""Object detection: Faster R-CNN."""

from collections.abc import Callable

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

MODELS: dict[str, Callable[..., nn.Module]] = {
    "fasterrcnn_resnet50_fpn": fasterrcnn_resnet50_fpn,
    "fasterrcnn_resnet50_fpn_v2": fasterrcnn_resnet50_fpn_v2,
    "fasterrcnn_mobilenet_v3_large_fpn": fasterrcnn_mobilenet_v3_large_fpn,
    "fasterrcnn_mobilenet_v3_large_320_fpn": fasterrcnn_mobilenet_v3_large_320_fpn,
    "fasterrcnn_lite0_fpn": fasterrcnn_lite0_fpn,
}
LOSSES = {"detection": DetectionCriterion}

__all__ = ["LOSSES", "MODELS", "DetectionCriterion", "FasterRCNN"]
