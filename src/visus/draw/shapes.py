"""Shapes as images to draw on: what is seen of a cloud from aside, and what is known of its points there.

So a class is written below a view as below any image, and parts are drawn as classes of pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from visus.clouds import PointCloud
from visus.nn.points.transform import dot_radius
from visus.ops.points import estimated_normals
from visus.ops.views import cameras, shaded, visible_points
from visus.types import (
    ClassPrediction,
    ClassTarget,
    PartPrediction,
    PartTarget,
    Schema,
    SemanticPrediction,
    SemanticTarget,
    row,
)

VIEW = 320
"""Rows and columns of a view."""

_PAPER, _SURFACE = (246.0, 247.0, 249.0), (158.0, 182.0, 214.0)
_BEHIND = "background"
Pixels = UInt8[Tensor, "3 h w"]
Seen = tuple[Pixels, Any, Schema]


def view_of(cloud: PointCloud, *, azimuth: float = 30.0) -> tuple[Pixels, Int64[Tensor, "h w"]]:
    """What is seen of a shape from an azimuth in degrees, and which point lies in each pixel, -1 for none."""
    axes = cameras(1, elevation=25.0, first=azimuth)
    normals = estimated_normals(cloud.points) if cloud.normals is None else cloud.normals
    index, _ = visible_points(cloud.points, axes, size=VIEW, radius=dot_radius(VIEW, len(cloud)))
    bright = shaded(index, normals, axes)[0]
    paper, surface = (torch.tensor(colour).view(3, 1, 1) for colour in (_PAPER, _SURFACE))
    pixels = torch.where(index[0] < 0, paper, surface * (0.35 + 0.75 * bright))
    return pixels.clamp(0, 255).round().to(torch.uint8), index[0]


def turntable(cloud: PointCloud, *, count: int = 6) -> UInt8[Tensor, "3 h w"]:
    """Views from around a shape, side by side."""
    return torch.cat([view_of(cloud, azimuth=30 + 360 * turn / count)[0] for turn in range(count)], dim=2)


def seen_cloud(cloud: PointCloud, shown: Any, schema: Schema) -> Seen:
    """A view of a cloud, what is known of the cloud in the pixels of the view, and what that means.

    Raises:
        ValueError: what is shown belongs to another cloud.
        NoRowError: such things are not drawn on shapes.
    """
    if tuple(shown.size) != cloud.frame:
        given = " x ".join(map(str, shown.size))
        raise ValueError(f"what is to be drawn belongs to a cloud of {given} points, not {len(cloud)}")
    pixels, index = view_of(cloud)
    return pixels, *row(ON_VIEWS, shown, "drawing on shapes")(shown, index, schema)


def _class(shown: Any, index: Tensor, schema: Schema) -> tuple[Any, Schema]:
    return replace(shown, size=tuple(index.shape)), schema


def _found_parts(shown: PartPrediction, index: Tensor, schema: Schema) -> tuple[SemanticPrediction, Schema]:
    labels, parts = _part_map(shown.labels, index, schema)
    scores = torch.where(index >= 0, shown.scores[index.clamp(min=0)], 1.0)
    return SemanticPrediction(labels, scores, (VIEW, VIEW)), parts


def _given_parts(shown: PartTarget, index: Tensor, schema: Schema) -> tuple[SemanticTarget, Schema]:
    labels, parts = _part_map(shown.labels, index, schema)
    return SemanticTarget(labels, (VIEW, VIEW), shown.image_id), parts


def _part_map(parts: Tensor, index: Tensor, schema: Schema) -> tuple[Tensor, Schema]:
    """The part in each pixel, the last number being that of nothing, and what the numbers mean."""
    names = (*schema.part_names, _BEHIND)
    labels = torch.where(index >= 0, parts[index.clamp(min=0)], len(names) - 1)
    return labels.to(torch.uint8), Schema(categories=names, category_ids=tuple(range(len(names))))


ON_VIEWS: dict[type, Callable[[Any, Int64[Tensor, "h w"], Schema], tuple[Any, Schema]]] = {
    ClassPrediction: _class,
    ClassTarget: _class,
    PartPrediction: _found_parts,
    PartTarget: _given_parts,
}
"""What is known of a shape in the pixels of a view, by the point in each."""
