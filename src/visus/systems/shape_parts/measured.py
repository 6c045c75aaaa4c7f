"""How the segmentation of parts is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visus.systems.shape_parts.pointnet_parts import PointNetParts
from visus.training.recipe import Recipe
from visus.types import Schema

if TYPE_CHECKING:
    from visus.metrics.parts import PartMetric


def part_metric(model: PointNetParts, recipe: Recipe, schema: Schema) -> PartMetric:
    """IoU of parts and accuracy of points."""
    from visus.metrics.parts import PartMetric  # torchmetrics takes a second; predicting needs none

    return PartMetric(schema=schema)
