"""The shapes as data sets: sampled, turned, stretched, noisy and partly cut away, each from its own random numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import torch
from jaxtyping import Int64
from torch import Tensor

from visus.clouds import Mesh, PointCloud
from visus.data.vignettes3d.things import PARTS, THINGS
from visus.ops.points import sample_surface, unit_sphere
from visus.types import ClassTarget, PartTarget, Sample, Schema

POINTS = 2048
"""Of each shape."""

_NOISE = 0.01  # of the radius
_STRETCH = 1.25
_CUT, _MOST_CUT = 0.4, 0.25  # how often a piece is missing, and how much at most

SCHEMA = Schema(categories=tuple(THINGS), category_ids=tuple(range(len(THINGS))))


class Vignettes3D:
    """Shapes with their classes.

    Args:
        split: "train", "val" or "test"; no two share a shape.
        length: how many shapes.
        seed: of all of them.
    """

    schema = SCHEMA

    def __init__(self, *, split: str = "train", length: int = 10_000, seed: int = 0) -> None:
        self.split, self.length, self.seed = split, length, seed

    def __len__(self) -> int:
        return self.length

    def size(self, index: int) -> tuple[int, ...]:
        """The number of points of a shape."""
        return (POINTS,)

    def path(self, index: int) -> str:
        """A name for shape ``index`` in messages."""
        return f"vignettes3d/{self.split}/{self.seed}/{index:06d}"

    def __getitem__(self, index: int) -> Sample:
        cloud, label, _ = self.shape(index)
        return Sample(cloud, ClassTarget(torch.tensor(label), cloud.frame, index), self.path(index))

    def shape(self, index: int) -> tuple[PointCloud, int, Int64[Tensor, " p"]]:
        """Shape ``index``, its label, and the part of each point among all parts of all categories."""
        if not 0 <= index < self.length:
            raise IndexError(f"vignettes3d has {self.length} shapes in {self.split!r}, so no shape {index}")
        r = Random(f"visus vignettes3d {self.seed} {self.split} {index}")
        label = r.randrange(len(THINGS))
        name = self.schema.categories[label]
        mesh, owners = joined(THINGS[name](r), first_part(name), PARTS[name])
        generator = torch.Generator().manual_seed(r.getrandbits(60))
        count = math.ceil(POINTS / (1 - _MOST_CUT)) + 64
        points, normals, faces = sample_surface(mesh.vertices, mesh.faces, count, generator)
        points, normals = _varied(unit_sphere(points), normals, r)
        points = points + _NOISE * torch.randn(points.shape, generator=generator)
        kept = _left(points, r)[:POINTS]
        return PointCloud(unit_sphere(points[kept]), normals[kept]), label, owners[faces[kept]]


class VignetteParts(Vignettes3D):
    """The same shapes with the part of each point."""

    schema = replace(SCHEMA, parts=tuple(PARTS.items()))

    def __getitem__(self, index: int) -> Sample:
        cloud, label, parts = self.shape(index)
        return Sample(cloud, PartTarget(parts, torch.tensor(label), cloud.frame, index), self.path(index))


def joined(parts: list[tuple[str, Mesh]], first: int, names: tuple[str, ...]) -> tuple[Mesh, Int64[Tensor, " f"]]:
    """Parts as one mesh, and the number of the part of each face, ``first`` being that of the first of ``names``."""
    vertices, faces, owners, count = [], [], [], 0
    for name, mesh in parts:
        faces.append(mesh.faces + count)
        vertices.append(mesh.vertices)
        owners.append(torch.full((len(mesh.faces),), first + names.index(name)))
        count += len(mesh.vertices)
    return Mesh(torch.cat(vertices).float(), torch.cat(faces)), torch.cat(owners)


def first_part(category: str) -> int:
    """The number of the first part of a category, as `Schema.part_names` counts."""
    before = list(PARTS)[: list(PARTS).index(category)]
    return sum(len(PARTS[name]) for name in before)


def _varied(points: Tensor, normals: Tensor, r: Random) -> tuple[Tensor, Tensor]:
    """Stretched along each axis and turned about the vertical one."""
    scale = torch.tensor([_STRETCH ** r.uniform(-1, 1) for _ in range(3)])
    turn = r.uniform(0, math.tau)
    matrix = torch.tensor([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    directions = torch.nn.functional.normalize((normals / scale) @ matrix.t(), dim=1)
    return (points * scale) @ matrix.t(), directions


def _left(points: Tensor, r: Random) -> Tensor:
    """The indices of the points that are left once a plane has cut a piece away, in their order."""
    share = r.uniform(0.02, _MOST_CUT) if r.random() < _CUT else 0.0
    direction = torch.tensor([r.gauss(0, 1) for _ in range(3)])
    along = points @ direction
    most = along.sort().values[math.floor((1 - share) * (len(along) - 1))]
    return (along <= most).nonzero()[:, 0]
