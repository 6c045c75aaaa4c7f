"""Object detection: Faster R-CNN, SSD, FCOS."""

from visus.metrics.coco import CocoMetric
from visus.metrics.objects import ObjectMetric
from visus.metrics.voc import VocMetric
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
    metric=lambda model, recipe, schema: CocoMetric(schema=schema, kinds=("box",)),
    metrics={
        "coco": lambda model, recipe, schema: CocoMetric(schema=schema, kinds=("box",)),
        "voc": lambda model, recipe, schema: VocMetric(schema),
        "voc07": lambda model, recipe, schema: VocMetric(schema, rule="07"),
        "objects": lambda model, recipe, schema: ObjectMetric(schema),
    },
    examined=lambda schema, threshold: ObjectMetric(schema, threshold=threshold),
)

__all__ = ["PROBLEM", "SSD", "DetectionCriterion", "FasterRCNN", "SSDCriterion"]
