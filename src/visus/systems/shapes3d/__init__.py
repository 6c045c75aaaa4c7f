"""Shapes in three dimensions: what a cloud of points, a mesh or a grid of cells is."""

from visus.clouds import PointCloud
from visus.problem import Architecture, Problem
from visus.systems.shapes3d.classifier import ShapeClassifier
from visus.systems.shapes3d.dgcnn import dgcnn
from visus.systems.shapes3d.losses import ShapeCriterion
from visus.systems.shapes3d.measured import shape_metric
from visus.systems.shapes3d.mvcnn import mvcnn_lite0, mvcnn_resnet18, mvcnn_vgg16
from visus.systems.shapes3d.pointnet import pointnet
from visus.systems.shapes3d.pointnet2 import pointnet2_msg, pointnet2_ssg
from visus.systems.shapes3d.voxnet import voxnet
from visus.types import ClassTarget

CLASSIFIERS = {
    "pointnet": pointnet,
    "pointnet2_ssg": pointnet2_ssg,
    "pointnet2_msg": pointnet2_msg,
    "dgcnn": dgcnn,
    "voxnet": voxnet,
    "mvcnn_lite0": mvcnn_lite0,
    "mvcnn_resnet18": mvcnn_resnet18,
    "mvcnn_vgg16": mvcnn_vgg16,
}

PROBLEM = Problem(
    name="shapes3d",
    targets=(ClassTarget,),
    inputs=(PointCloud,),
    noun="shapes",
    architectures=(Architecture(CLASSIFIERS, {"shape_class": ShapeCriterion}),),
    metric=shape_metric,
)

__all__ = ["PROBLEM", "ShapeClassifier", "ShapeCriterion"]
