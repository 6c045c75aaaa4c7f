"""Recipes: functions that return everything a training run needs. Their docstrings give command, cost and score."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from visus.lazy import lazily
from visus.recipes.classification import classifier_lite0, classifier_vignettes, resnet50_imagenet
from visus.recipes.meta_learning import META_LEARNING
from visus.recipes.metric_learning import METRIC_LEARNING
from visus.recipes.one_stage import fasterrcnn_bccd, fcos_vignettes, ssd300_vgg16, ssd_bccd, ssd_vignettes
from visus.recipes.scene_generation import (
    scene_generation_128_vignettes,
    scene_generation_vignettes,
)
from visus.recipes.scene_graphs import (
    freq_overlap_vignettes,
    freq_vignettes,
    imp_vignettes,
    motifs_vignettes,
    vtranse_vignettes,
)
from visus.recipes.segmentation import (
    deeplabv3_camvid,
    deeplabv3_lite0,
    deeplabv3_resnet50,
    deeplabv3_vignettes,
    fcn_camvid,
    fcn_resnet50,
    fcn_vignettes,
    segnet_camvid,
    segnet_vgg16_camvid,
    segnet_vignettes,
)
from visus.recipes.shapes import (
    dgcnn_modelnet10,
    dgcnn_vignettes3d,
    mvcnn_modelnet10,
    mvcnn_vignettes3d,
    pointnet2_modelnet10,
    pointnet2_vignettes3d,
    pointnet_modelnet10,
    pointnet_parts_shapes,
    pointnet_parts_vignettes3d,
    pointnet_shapes,
    pointnet_vignettes3d,
    voxnet_modelnet10,
    voxnet_vignettes3d,
)
from visus.recipes.small import fasterrcnn_lite0, maskrcnn_lite0, maskrcnn_pennfudan, maskrcnn_vignettes
from visus.recipes.torchvision import (
    fasterrcnn_mobilenet_v3_large_fpn,
    fasterrcnn_resnet50_fpn,
    keypointrcnn_resnet50_fpn,
    maskrcnn_resnet50_fpn,
)
from visus.training.recipe import Recipe

if TYPE_CHECKING:
    from visus.recipes.folder import for_folder

BY_PROBLEM: dict[str, dict[str, Callable[[], Recipe]]] = {
    "detection: a box around each object": {
        "fasterrcnn_lite0": fasterrcnn_lite0,
        "ssd_vignettes": ssd_vignettes,
        "fcos_vignettes": fcos_vignettes,
        "fasterrcnn_bccd": fasterrcnn_bccd,
        "ssd_bccd": ssd_bccd,
        "fasterrcnn_resnet50_fpn": fasterrcnn_resnet50_fpn,
        "fasterrcnn_mobilenet_v3_large_fpn": fasterrcnn_mobilenet_v3_large_fpn,
        "ssd300_vgg16": ssd300_vgg16,
    },
    "instances: outlines and keypoints of objects": {
        "maskrcnn_lite0": maskrcnn_lite0,
        "maskrcnn_vignettes": maskrcnn_vignettes,
        "maskrcnn_pennfudan": maskrcnn_pennfudan,
        "maskrcnn_resnet50_fpn": maskrcnn_resnet50_fpn,
        "keypointrcnn_resnet50_fpn": keypointrcnn_resnet50_fpn,
    },
    "scene graphs: objects, attributes and relationships": {
        "motifs_vignettes": motifs_vignettes,
        "vtranse_vignettes": vtranse_vignettes,
        "imp_vignettes": imp_vignettes,
        "freq_vignettes": freq_vignettes,
        "freq_overlap_vignettes": freq_overlap_vignettes,
    },
    "scene generation: an image from a scene graph": {
        "scene_generation_vignettes": scene_generation_vignettes,
        "scene_generation_128_vignettes": scene_generation_128_vignettes,
    },
    "segmentation: the class of every pixel": {
        "deeplabv3_lite0": deeplabv3_lite0,
        "deeplabv3_vignettes": deeplabv3_vignettes,
        "fcn_vignettes": fcn_vignettes,
        "segnet_vignettes": segnet_vignettes,
        "deeplabv3_camvid": deeplabv3_camvid,
        "fcn_camvid": fcn_camvid,
        "segnet_camvid": segnet_camvid,
        "segnet_vgg16_camvid": segnet_vgg16_camvid,
        "deeplabv3_resnet50": deeplabv3_resnet50,
        "fcn_resnet50": fcn_resnet50,
    },
    "classification: the class of each image": {
        "classifier_lite0": classifier_lite0,
        "classifier_vignettes": classifier_vignettes,
        "resnet50_imagenet": resnet50_imagenet,
    },
    "metric learning: images of one class near each other": METRIC_LEARNING,
    "meta learning: new classes from a few images": META_LEARNING,
    "shapes3d: the class of each shape": {
        "pointnet_shapes": pointnet_shapes,
        "pointnet_vignettes3d": pointnet_vignettes3d,
        "pointnet2_vignettes3d": pointnet2_vignettes3d,
        "dgcnn_vignettes3d": dgcnn_vignettes3d,
        "voxnet_vignettes3d": voxnet_vignettes3d,
        "mvcnn_vignettes3d": mvcnn_vignettes3d,
        "pointnet_modelnet10": pointnet_modelnet10,
        "pointnet2_modelnet10": pointnet2_modelnet10,
        "dgcnn_modelnet10": dgcnn_modelnet10,
        "voxnet_modelnet10": voxnet_modelnet10,
        "mvcnn_modelnet10": mvcnn_modelnet10,
    },
    "shape parts: the part of every point of a shape": {
        "pointnet_parts_shapes": pointnet_parts_shapes,
        "pointnet_parts_vignettes3d": pointnet_parts_vignettes3d,
    },
}
"""The recipes of each problem; the first of each is for data of your own on a laptop."""

RECIPES = {name: make for recipes in BY_PROBLEM.values() for name, make in recipes.items()}

__all__ = ["BY_PROBLEM", "RECIPES", "for_folder"]
__getattr__ = lazily(__name__, {"for_folder": "visus.recipes.folder"})  # it needs the readers, which import torch
