"""Object detection: Faster R-CNN, SSD, FCOS."""

from visus.problem import Architecture, Builder, Problem
from visus.systems.detection import fcos
from visus.systems.detection.faster_rcnn import (
    FasterRCNN,
    fasterrcnn_lite0_fpn,
    fasterrcnn_mobilenet_v3_large_320_fpn,
    fasterrcnn_mobilenet_v3_large_fpn,
    fasterrcnn_resnet50_fpn,
    fasterrcnn_resnet50_fpn_v2,
)
from visus.systems.detection.losses import DetectionCriterion
from visus.systems.detection.measured import coco_metric, examined_objects, object_metric, voc07_metric, voc_metric
from visus.systems.detection.ssd import SSD
from visus.systems.detection.ssd_lite import ssd_lite0
from visus.systems.detection.ssd_losses import SSDCriterion
from visus.systems.detection.ssd_vgg import ssd300_vgg16, ssd512_vgg16
from visus.types import InstanceTarget

FASTER_RCNN: dict[str, Builder] = {
    "fasterrcnn_resnet50_fpn": fasterrcnn_resnet50_fpn,
    "fasterrcnn_resnet50_fpn_v2": fasterrcnn_resnet50_fpn_v2,
    "fasterrcnn_mobilenet_v3_large_fpn": fasterrcnn_mobilenet_v3_large_fpn,
    "fasterrcnn_mobilenet_v3_large_320_fpn": fasterrcnn_mobilenet_v3_large_320_fpn,
    "fasterrcnn_lite0_fpn": fasterrcnn_lite0_fpn,
}
SSDS: dict[str, Builder] = {"ssd300_vgg16": ssd300_vgg16, "ssd512_vgg16": ssd512_vgg16, "ssd_lite0": ssd_lite0}

PROBLEM = Problem(
    name="detection",
    targets=(InstanceTarget,),
    architectures=(
        Architecture(FASTER_RCNN, {"detection": DetectionCriterion}),
        Architecture(SSDS, {"ssd": SSDCriterion}),
        Architecture(fcos.MODELS, fcos.LOSSES),
    ),
    metric=coco_metric,
    metrics={"coco": coco_metric, "voc": voc_metric, "voc07": voc07_metric, "objects": object_metric},
    examined=examined_objects,
)

__all__ = ["PROBLEM", "SSD", "DetectionCriterion", "FasterRCNN", "SSDCriterion"]
