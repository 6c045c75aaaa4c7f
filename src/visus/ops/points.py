"""Operators on point clouds in pure PyTorch: sampling, neighbours and normalising. Batched, and deterministic.

Distances are summed coordinate by coordinate, in separate operations that every device rounds alike, so that the same
points are chosen everywhere. All functions take batches [b n 3] but for those of one mesh or one cloud.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from visus.ops.errors import PointsError

_ROW_BYTES = 1 << 20
"""So much of a matrix of distances is computed at once: what stays in a cache."""

_BLOCKS = ((4096, 32), (512, 8), (0, 1))
"""Neighbours are looked for in the blocks whose nearest point is nearest: of so many points in clouds from so many."""


@torch.no_grad()
def squared_distances(a: Float[Tensor, "*b m d"], b: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b m n"]:
    """The squared distance of each point of ``a`` to each of ``b``, without the cancellation of a matrix product."""
    axes = b.movedim(-1, 0).contiguous()  # [d, *b, n]: what is read in a row lies in a row
    total = a[..., :, None, 0] - axes[0][..., None, :]
    total.mul_(total)
    difference = torch.empty_like(total)
    for axis in range(1, len(axes)):
        torch.sub(a[..., :, None, axis], axes[axis][..., None, :], out=difference)
        total.add_(difference.mul_(difference))
    return total


@torch.no_grad()
def farthest_points(points: Float[Tensor, "b n d"], count: int, *, start: int = 0) -> Int64[Tensor, "b count"]:
    """Farthest point sampling: each next point is the one that is farthest from all that were chosen before.

    Eldar et al., "The farthest point strategy for progressive image sampling", 1997. Of points that are equally far
    the first is taken.

    Args:
        points: the clouds.
        count: how many to choose, at most as many as there are.
        start: the first one.

    Raises:
        PointsError: a cloud has fewer points.
    """
    if torch.compiler.is_exporting():
        at_once: Tensor = torch.ops.visus.farthest_points(points, count, start)
        return at_once
    clouds, length, _ = points.shape
    if not 1 <= count <= length:
        raise PointsError(f"{count} farthest points of {length}: there are not so many")
    axes = points.permute(2, 0, 1).contiguous()  # [d, b, n]
    flat = axes.flatten(1)
    first = torch.arange(clouds, device=points.device) * length
    chosen = torch.empty(count, clouds, dtype=torch.int64, device=points.device)
    nearest = points.new_full((clouds, length), torch.inf)
    squares = torch.empty_like(axes)
    current = torch.full_like(first, start)
    for number in range(count):
        chosen[number] = current
        place = flat.index_select(1, first + current)[..., None]  # [d, b, 1]
        torch.sub(axes, place, out=squares).mul_(squares)
        for axis in squares[1:]:
            squares[0].add_(axis)
        torch.minimum(nearest, squares[0], out=nearest)
        current = nearest.argmax(dim=1)
    return chosen.t().contiguous()


@torch.no_grad()
def ball_query(
    points: Float[Tensor, "b n 3"], centres: Float[Tensor, "b m 3"], radius: float, count: int
) -> Int64[Tensor, "b m count"]:
    """The first ``count`` points, in the order of their indices, less than ``radius`` away from each centre.

    PointNet++ (arXiv 1706.02413, section 3.2, and its published code): where there are fewer, the first is repeated.
    A centre with no point in its ball gets the nearest point.
    """
    if torch.compiler.is_exporting():
        at_once: Tensor = torch.ops.visus.ball_query(points, centres, radius, count)
        return at_once
    pairs = zip(torch.split(points, 1), torch.split(centres, 1), strict=True)  # cloud by cloud: what stays in a cache
    return torch.cat([_in_ball(cloud, some, radius, count) for cloud, some in pairs])


def _in_ball(
    points: Float[Tensor, "b n 3"], centres: Float[Tensor, "b m 3"], radius: float, count: int
) -> Int64[Tensor, "b m count"]:
    distances = squared_distances(centres, points)  # [b, m, n]
    inside = distances < radius**2
    rank = inside.cumsum(dim=2, dtype=torch.int32)
    inside &= rank <= count
    first = torch.where(inside.any(dim=2), inside.byte().argmax(dim=2), distances.argmin(dim=2))
    found = first[..., None].repeat(1, 1, count)
    cloud, centre, point = inside.nonzero(as_tuple=True)
    found[cloud, centre, rank[cloud, centre, point].long() - 1] = point
    return found


@torch.no_grad()
def nearest_points(
    points: Float[Tensor, "b n d"], centres: Float[Tensor, "b m d"], count: int
) -> Int64[Tensor, "b m count"]:
    """The ``count`` points nearest to each centre, nearest first; a centre that is a point itself comes first.

    Clouds with three coordinates are compared exactly, features by one matrix product without a root.

    Raises:
        PointsError: a cloud has fewer points.
    """
    if torch.compiler.is_exporting():
        at_once: Tensor = torch.ops.visus.nearest_points(points, centres, count)
        return at_once
    length = points.shape[1]
    if not 1 <= count <= length:
        raise PointsError(f"{count} nearest points of {length}: there are not so many")
    rows = max(1, _ROW_BYTES // (4 * length))
    exact = torch.promote_types(points.dtype, torch.float32)  # bfloat16 cannot tell neighbours apart
    with torch.autocast(points.device.type, enabled=False):
        found = [
            _nearest_of(_compared(part, cloud), count)
            for cloud, some in zip(points.to(exact), centres.to(exact), strict=True)
            for part in some.split(rows)
        ]
    return torch.cat(found).view(*centres.shape[:2], count)


def _compared(centres: Tensor, points: Tensor) -> Tensor:
    """Something that grows with the distance of each centre [m d] to each point [n d]."""
    if points.shape[1] <= 3:
        return squared_distances(centres, points)
    return torch.addmm(points.square().sum(1), centres, points.t(), alpha=-2)


def _nearest_of(distances: Tensor, count: int) -> Tensor:
    """The places of the ``count`` smallest numbers of each row, the smallest first.

    They lie in the ``count`` blocks with the smallest minima, as any other block has that many numbers before its own;
    a minimum takes a fraction of the time of a selection.
    """
    length = distances.shape[1]
    block = next(block for least, block in _BLOCKS if length >= least)
    blocks = length // block
    if block == 1 or blocks < 2 * count:
        return distances.topk(count, dim=1, largest=False).indices
    whole = blocks * block
    minima = distances[:, :whole].view(-1, block, blocks).amin(dim=1)  # points that lie `blocks` apart are a block
    chosen = minima.topk(count, dim=1, largest=False, sorted=False).indices
    first = torch.arange(0, whole, blocks, device=distances.device)
    places = (chosen[:, None, :] + first[:, None]).flatten(1)
    rest = torch.arange(whole, length, device=distances.device).expand(len(distances), -1)
    places = torch.cat([places, rest], dim=1)
    best = distances.gather(1, places).topk(count, dim=1, largest=False).indices
    return places.gather(1, best)


# To torch.export the choice of points, whose loops and memory depend on the clouds, is one operator each.
_FARTHEST = torch.library.custom_op(
    "visus::farthest_points",
    lambda points, count, start: farthest_points(points, count, start=start),
    mutates_args=(),
    schema="(Tensor points, int count, int start) -> Tensor",
)
_FARTHEST.register_fake(lambda points, count, start: points.new_empty(points.shape[0], count, dtype=torch.int64))
_BALL = torch.library.custom_op(
    "visus::ball_query",
    ball_query,
    mutates_args=(),
    schema="(Tensor points, Tensor centres, float radius, int count) -> Tensor",
)
_BALL.register_fake(
    lambda points, centres, radius, count: points.new_empty(*centres.shape[:2], count, dtype=torch.int64)
)
_NEAREST = torch.library.custom_op(
    "visus::nearest_points",
    nearest_points,
    mutates_args=(),
    schema="(Tensor points, Tensor centres, int count) -> Tensor",
)
_NEAREST.register_fake(lambda points, centres, count: points.new_empty(*centres.shape[:2], count, dtype=torch.int64))


def gathered(values: Float[Tensor, "b n c"], index: Int64[Tensor, b * m]) -> Float[Tensor, "b *m c"]:
    """The values at an index of points: [b m c] for an index [b m], [b m k c] for neighbours [b m k]."""
    batch, length, channels = values.shape
    first = torch.arange(batch, device=values.device).view(-1, *[1] * (index.ndim - 1)) * length
    return values.reshape(-1, channels)[(index + first).flatten()].view(*index.shape, channels)


def unit_sphere(points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """The cloud moved to its centre of gravity and scaled so that its farthest point is at distance 1.

    So it does not matter whether a file is in millimetres or in metres.

    Raises:
        PointsError: no point, one that is no number, or all of them in one place.
    """
    if not len(points):
        raise PointsError("a shape without a point")
    if not bool(points.isfinite().all()):
        raise PointsError(f"{int((~points.isfinite()).any(1).sum())} points that are not finite numbers")
    moved = points.double() - points.double().mean(dim=0)
    radius = moved.square().sum(dim=1).max().sqrt()
    if float(radius) <= 1e-12 * max(1.0, float(points.abs().max())):
        raise PointsError("all points lie in one place, which has no shape")
    return (moved / radius).to(points.dtype)


def sample_surface(
    vertices: Float[Tensor, "v 3"], faces: Int64[Tensor, "f 3"], count: int, generator: torch.Generator
) -> tuple[Float[Tensor, "count 3"], Float[Tensor, "count 3"], Int64[Tensor, " count"]]:
    """Points that are spread over a mesh evenly by area, the normals there, and the faces that they lie on.

    Osada et al., "Shape distributions", 2002, section 3.1.

    Raises:
        PointsError: a mesh without area.
    """
    corners = vertices[faces].double()  # [f, 3, 3]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = normals.norm(dim=1)
    if not float(areas.sum()) > 0:
        raise PointsError("a mesh whose faces have no area")
    draws = torch.rand(3, count, generator=generator, dtype=torch.float64)
    bounds = areas.cumsum(dim=0)
    chosen = torch.searchsorted(bounds, draws[0] * bounds[-1], right=True).clamp(max=len(faces) - 1)
    root = draws[1].sqrt()
    weights = torch.stack((1 - root, root * (1 - draws[2]), root * draws[2]), dim=1)
    points = (weights[..., None] * corners[chosen]).sum(dim=1)
    directions = normals[chosen] / areas[chosen, None]
    return points.to(vertices.dtype), directions.to(vertices.dtype), chosen


def estimated_normals(points: Float[Tensor, "n 3"], *, neighbours: int = 16) -> Float[Tensor, "n 3"]:
    """The direction in which the neighbours of each point vary least (Hoppe et al. 1992); its sign means nothing."""
    count = min(neighbours, len(points))
    near = points[nearest_points(points[None], points[None], count)[0]]  # [n, k, 3]
    spread = near - near.mean(dim=1, keepdim=True)
    least: Tensor = torch.linalg.eigh(spread.transpose(1, 2) @ spread).eigenvectors[..., 0]
    return least
