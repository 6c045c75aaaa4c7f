"""The parts of shapes: which part of its thing each point of a cloud belongs to."""

from visus.clouds import PointCloud
from visus.problem import Architecture, Problem
from visus.systems.shape_parts.losses import PartCriterion
from visus.systems.shape_parts.measured import part_metric
from visus.systems.shape_parts.pointnet_parts import PointNetParts, pointnet_parts
from visus.types import PartTarget

PROBLEM = Problem(
    name="shape_parts",
    targets=(PartTarget,),
    inputs=(PointCloud,),
    noun="shapes",
    architectures=(Architecture({"pointnet_parts": pointnet_parts}, {"shape_parts": PartCriterion}),),
    metric=part_metric,
)

__all__ = ["PROBLEM", "PartCriterion", "PointNetParts"]
