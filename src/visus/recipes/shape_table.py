"""The rows of the table of networks on ModelNet10, with what their authors published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from visus.recipes.shapes import (
    dgcnn_modelnet10,
    mvcnn_modelnet10,
    pointnet2_modelnet10,
    pointnet_modelnet10,
    voxnet_modelnet10,
)
from visus.training.recipe import Recipe


@dataclass(frozen=True)
class ShapeRow:
    """A network.

    Args:
        recipe: how it is trained.
        title: its name in the table.
        looks_at: what it makes of the cells.
        published: accuracies of its authors, with their data.
    """

    recipe: Callable[[], Recipe]
    title: str
    looks_at: str
    published: str


SHAPE_ROWS: dict[str, ShapeRow] = {
    "voxnet": ShapeRow(voxnet_modelnet10, "VoxNet", "32 x 32 x 32 cells", "ModelNet10 92 mean class"),
    "pointnet": ShapeRow(pointnet_modelnet10, "PointNet", "512 centres of cells", "ModelNet40 89.2 overall"),
    "pointnet2": ShapeRow(pointnet2_modelnet10, "PointNet++ SSG", "512 centres of cells", "ModelNet40 90.7 overall"),
    "dgcnn": ShapeRow(dgcnn_modelnet10, "DGCNN", "512 centres of cells", "ModelNet40 92.9 overall"),
    "mvcnn": ShapeRow(mvcnn_modelnet10, "MVCNN", "12 views of 64 pixels", "ModelNet40 95.0 overall (VGG-11)"),
}
"""By the name that ``--rows`` takes."""
