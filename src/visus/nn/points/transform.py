"""From shapes of any number of points to one batch of points, voxels or views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from visus.clouds import PointBatch, PointCloud, ViewBatch, VoxelBatch
from visus.ops.points import estimated_normals
from visus.ops.views import cameras, shaded, visible_points
from visus.ops.voxels import voxelise


def checked_clouds(inputs: Sequence[Any]) -> list[PointCloud]:
    """The inputs, which all have to be shapes.

    Raises:
        ValueError: there is none, or one is something else.
    """
    if not len(inputs):
        raise ValueError("cannot make a batch of no shapes")
    for one in inputs:
        if type(one) is not PointCloud:
            shape = list(getattr(one, "shape", ()))  # of a tensor or an array, for the message
            raise ValueError(f"a shape (PointCloud) is wanted, not {type(one).__name__} {shape}")
    return list(inputs)


class PointTransform:
    """Some points of each cloud, always the same ones; a smaller cloud repeats its own.

    Args:
        points: how many.
        whole: also keep all points, for what is said of each of them.
    """

    one_frame = True

    def __init__(self, *, points: int = 1024, whole: bool = False) -> None:
        self.points, self.whole = points, whole

    def __call__(self, shapes: PointBatch) -> Float[Tensor, "b p 3"]:
        """The points, which need no normalising any more."""
        return shapes.points

    def batch(self, inputs: Sequence[Any]) -> PointBatch:
        """The clouds as one tensor.

        Raises:
            ValueError: an input that is no cloud; clouds of several lengths where all of their points are kept.
        """
        clouds = checked_clouds(inputs)
        lengths = {len(cloud) for cloud in clouds}
        if self.whole and len(lengths) > 1:
            raise ValueError(f"clouds of {sorted(lengths)} points do not fit one batch; thin them to one number")
        chosen = [some_points(len(cloud), self.points) for cloud in clouds]
        points = torch.stack([cloud.points[index] for cloud, index in zip(clouds, chosen, strict=True)])
        frames: list[tuple[int, ...]] = [cloud.frame for cloud in clouds]
        if not self.whole:
            return PointBatch(points, frames)
        return PointBatch(points, frames, torch.stack(chosen), torch.stack([cloud.points for cloud in clouds]))

    def frame(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """The frame itself: clouds of one length go together."""
        return size


def some_points(length: int, count: int) -> Int64[Tensor, " count"]:
    """The same choice of ``count`` out of ``length`` points every time; all of them again and again where few."""
    order = torch.randperm(length, generator=torch.Generator().manual_seed(length))
    return order.repeat(-(-count // length))[:count]


class VoxelTransform:
    """The occupied cells of each shape.

    Args:
        size: cells along each side of the grid.
        fit: cells that the longest side of a shape takes.
    """

    one_frame = True

    def __init__(self, *, size: int = 32, fit: int = 24) -> None:
        self.size, self.fit = size, fit

    def __call__(self, shapes: VoxelBatch) -> Float[Tensor, "b 1 x y z"]:
        """Grids of -1 and 1, as VoxNet's published code has them."""
        return shapes.voxels[:, None].float() * 2 - 1

    def batch(self, inputs: Sequence[Any]) -> VoxelBatch:
        """The grids as one tensor.

        Raises:
            ValueError: an input that is no cloud.
        """
        clouds = checked_clouds(inputs)
        grids = [voxelise(cloud.points[None], size=self.size, fit=self.fit) for cloud in clouds]
        return VoxelBatch(torch.cat(grids), [cloud.frame for cloud in clouds])

    def frame(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """One for all."""
        return ()


class ViewTransform:
    """Shaded views of each shape from around it, on black.

    Args:
        views: how many.
        size: rows and columns of each.
        mean: of the channels of the images that the backbone knows.
        std: their deviation.
    """

    one_frame = True

    def __init__(self, *, views: int = 12, size: int = 96, mean: Sequence[float], std: Sequence[float]) -> None:
        self.axes, self.size = cameras(views), size
        self.mean, self.std = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)

    def __call__(self, shapes: ViewBatch) -> Float[Tensor, "bv 3 h w"]:
        """All views as grey images, normalised."""
        grey = shapes.views.flatten(0, 1)[:, None].expand(-1, 3, -1, -1)
        return (grey - self.mean.to(grey)) / self.std.to(grey)

    def batch(self, inputs: Sequence[Any]) -> ViewBatch:
        """The views as one tensor.

        Raises:
            ValueError: an input that is no cloud.
        """
        clouds = checked_clouds(inputs)
        return ViewBatch(torch.stack([self._views(cloud) for cloud in clouds]), [cloud.frame for cloud in clouds])

    def frame(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """One for all."""
        return ()

    def _views(self, cloud: PointCloud) -> Float[Tensor, "v h w"]:
        normals = estimated_normals(cloud.points) if cloud.normals is None else cloud.normals
        radius = dot_radius(self.size, len(cloud))
        index, _ = visible_points(cloud.points, self.axes, size=self.size, radius=radius)
        return shaded(index, normals, self.axes)


def dot_radius(size: int, count: int) -> float:
    """How large the dot of a point has to be, in pixels, for ``count`` points to make a surface without holes.

    A few points stay dots: at most a fortieth of the picture.
    """
    return float(max(1.0, min(size / 40, 0.75 * size / count**0.5)))
