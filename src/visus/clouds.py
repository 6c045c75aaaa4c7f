"""Shapes in three dimensions: what a sample of them holds, and the batches that networks look at.

| letter  | axis                                |
|---------|-------------------------------------|
| p       | points of a cloud                   |
| v       | views of a shape                    |
| x, y, z | cells of a grid; z is up            |
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from visus.targets import OnDevice


@dataclass(frozen=True)
class Mesh(OnDevice):
    """Corners and the triangles between them, in whatever unit; without triangles it is a cloud of points."""

    vertices: Float[Tensor, "n 3"]
    faces: Int64[Tensor, "f 3"]


@dataclass(frozen=True)
class PointCloud(OnDevice):
    """Points on the surface of one shape, in no order that means anything; z is up.

    They fill the unit sphere: the centre of gravity is the origin and the farthest point is at distance 1 (but for
    what an augmentation did), so that the unit of a file does not matter. ``normals`` are of length 1; None where
    nobody gave any.
    """

    points: Float[Tensor, "p 3"]
    normals: Float[Tensor, "p 3"] | None = None

    @property
    def frame(self) -> tuple[int]:
        """The shape of the input as targets and predictions have it in ``size``: the number of points."""
        return (len(self.points),)

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True)
class PointBatch(OnDevice):
    """Clouds of one length in one tensor.

    ``chosen`` says which point of its cloud each one is, ``whole`` holds the clouds as they were given, for what has to
    be said of every point; both are None where nothing has. ``frames`` are the numbers of points before.
    """

    points: Float[Tensor, "b p 3"]
    frames: list[tuple[int, ...]] = field(default_factory=list)
    chosen: Int64[Tensor, "b p"] | None = None
    whole: Float[Tensor, "b q 3"] | None = None

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True)
class VoxelBatch(OnDevice):
    """Which cells of a grid each shape occupies. ``frames`` are the numbers of points that it was made of."""

    voxels: Bool[Tensor, "b x y z"]
    frames: list[tuple[int, ...]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.voxels)


@dataclass(frozen=True)
class ViewBatch(OnDevice):
    """Shaded views of each shape from around it, 0 to 1. ``frames`` are the numbers of points that they show."""

    views: Float[Tensor, "b v h w"]
    frames: list[tuple[int, ...]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.views)
