"""Instance segmentation and keypoints: Mask R-CNN."""

from visus.problem import Architecture, Builder, Problem
from visus.systems.detection.measured import examined_objects, object_metric
from visus.systems.instances.losses import InstanceCriterion
from visus.systems.instances.mask_rcnn import (
    MaskRCNN,
    keypointrcnn_resnet50_fpn,
    maskrcnn_lite0_fpn,
    maskrcnn_resnet50_fpn,
    maskrcnn_resnet50_fpn_v2,
)
from visus.systems.instances.measured import instance_metric
from visus.types import InstanceTarget

MASK_RCNN: dict[str, Builder] = {
    "maskrcnn_resnet50_fpn": maskrcnn_resnet50_fpn,
    "maskrcnn_resnet50_fpn_v2": maskrcnn_resnet50_fpn_v2,
    "keypointrcnn_resnet50_fpn": keypointrcnn_resnet50_fpn,
    "maskrcnn_lite0_fpn": maskrcnn_lite0_fpn,
}

PROBLEM = Problem(
    name="instances",
    targets=(InstanceTarget,),
    architectures=(Architecture(MASK_RCNN, {"instances": InstanceCriterion}),),
    metric=instance_metric,
    metrics={"coco": instance_metric, "objects": object_metric},
    examined=examined_objects,
)

__all__ = ["PROBLEM", "InstanceCriterion", "MaskRCNN"]
