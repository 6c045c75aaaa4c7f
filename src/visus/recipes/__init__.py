"""Recipes: functions that return everything a training run needs. Their docstrings give command, cost and score."""

from visus.recipes.folder import for_folder
from visus.recipes.small import fasterrcnn_lite0, maskrcnn_lite0, maskrcnn_pennfudan, maskrcnn_vignettes
from visus.recipes.torchvision import (
    fasterrcnn_mobilenet_v3_large_fpn,
    fasterrcnn_resnet50_fpn,
    keypointrcnn_resnet50_fpn,
    maskrcnn_resnet50_fpn,
)

RECIPES = {
    "maskrcnn_vignettes": maskrcnn_vignettes,
    "maskrcnn_lite0": maskrcnn_lite0,
    "maskrcnn_pennfudan": maskrcnn_pennfudan,
    "fasterrcnn_lite0": fasterrcnn_lite0,
    "fasterrcnn_resnet50_fpn": fasterrcnn_resnet50_fpn,
    "fasterrcnn_mobilenet_v3_large_fpn": fasterrcnn_mobilenet_v3_large_fpn,
    "maskrcnn_resnet50_fpn": maskrcnn_resnet50_fpn,
    "keypointrcnn_resnet50_fpn": keypointrcnn_resnet50_fpn,
}

__all__ = ["RECIPES", "for_folder"]
