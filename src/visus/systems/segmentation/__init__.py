"""Semantic segmentation: FCN, SegNet, DeepLabv3."""

from visus.problem import Architecture, Builder, Problem
from visus.systems.segmentation.deeplabv3 import (
    deeplabv3_lite0,
    deeplabv3_mobilenet_v3_large,
    deeplabv3_resnet50,
    deeplabv3_resnet101,
)
from visus.systems.segmentation.fcn import fcn_lite0, fcn_resnet50, fcn_resnet101
from visus.systems.segmentation.fcn_vgg import fcn8s_vgg16, fcn16s_vgg16, fcn32s_vgg16
from visus.systems.segmentation.inference import AveragedSegmenter
from visus.systems.segmentation.losses import SegmentationCriterion
from visus.systems.segmentation.measured import semantic_metric
from visus.systems.segmentation.segmenter import Segmenter
from visus.systems.segmentation.segnet import segnet_lite0, segnet_vgg16
from visus.types import SemanticTarget

SEGMENTERS: dict[str, Builder] = {
    "fcn_resnet50": fcn_resnet50,
    "fcn_resnet101": fcn_resnet101,
    "fcn_lite0": fcn_lite0,
    "fcn32s_vgg16": fcn32s_vgg16,
    "fcn16s_vgg16": fcn16s_vgg16,
    "fcn8s_vgg16": fcn8s_vgg16,
    "segnet_vgg16": segnet_vgg16,
    "segnet_lite0": segnet_lite0,
    "deeplabv3_resnet50": deeplabv3_resnet50,
    "deeplabv3_resnet101": deeplabv3_resnet101,
    "deeplabv3_mobilenet_v3_large": deeplabv3_mobilenet_v3_large,
    "deeplabv3_lite0": deeplabv3_lite0,
}

PROBLEM = Problem(
    name="segmentation",
    targets=(SemanticTarget,),
    architectures=(Architecture(SEGMENTERS, {"segmentation": SegmentationCriterion}),),
    metric=semantic_metric,
    averaged=AveragedSegmenter,
)

__all__ = ["PROBLEM", "SegmentationCriterion", "Segmenter"]
