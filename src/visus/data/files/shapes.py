"""One shape out of a file: a mesh, of whose surface points are sampled by area, or a point cloud.

OFF, XYZ and NPY are read here; OBJ, PLY, STL and GLB by trimesh (the extra ``shapes``), which cuts faces of more than
three corners into triangles and joins the meshes of a scene. Units do not matter: every cloud fills the unit sphere.
"""

from __future__ import annotations

import io
import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from visus.clouds import Mesh, PointCloud
from visus.data.errors import ShapeError
from visus.data.files.content import read_content, require_file
from visus.data.files.suffixes import SHAPE_SUFFIXES
from visus.ops.errors import PointsError
from visus.ops.points import sample_surface, unit_sphere

SAMPLED = 4096
"""So many points are sampled on a mesh; a larger cloud is thinned to as many."""

MOST_BYTES = 1_000_000_000
"""A larger file is refused before it is read."""


def read_shape(path: str | Path, *, count: int = SAMPLED, seed: int = 0) -> PointCloud:
    """The shape in a file.

    Args:
        path: the file, of one of `SHAPE_SUFFIXES`.
        count: points to sample on a mesh.
        seed: of the sampling.

    Raises:
        ShapeError: no such file, too large a one, or nothing in it that has a shape.
    """
    if require_file(path, ShapeError) > MOST_BYTES:
        raise ShapeError(
            f"{path}: {Path(path).stat().st_size / 1e9:.1f} GB, and at most {MOST_BYTES / 1e9:.0f} GB are read; "
            "simplify the mesh, or thin the cloud"
        )
    return decode_shape(read_content(path, ShapeError), path, count=count, seed=seed)


def decode_shape(content: bytes, name: str | Path, *, count: int = SAMPLED, seed: int = 0) -> PointCloud:
    """The shape in the content of a file whose ``name`` tells the format; arguments and errors as for `read_shape`."""
    if not content:
        raise ShapeError(f"{name}: the file is empty (0 bytes)")
    suffix = Path(name).suffix.lower()
    try:
        if suffix in (".xyz", ".pts"):
            return cloud_of(np.loadtxt(io.BytesIO(content), ndmin=2), count=count, seed=seed)
        if suffix == ".npy":
            return cloud_of(np.load(io.BytesIO(content), allow_pickle=False), count=count, seed=seed)
        mesh = _mesh(content, suffix)
        if suffix == ".ply" and not len(mesh.faces):  # which holds clouds as often as meshes
            return cloud_of(mesh.vertices, count=count, seed=seed)
        return sampled(mesh, count=count, seed=seed)
    except (ShapeError, PointsError) as error:
        raise ShapeError(f"{name}: {error}") from error
    except Exception as error:  # of readers written in Python: IndexError, TokenError, UnboundLocalError and others
        reason = " ".join(str(error).split())[:120]
        raise ShapeError(f"{name}: no {suffix[1:].upper()} file, or a damaged one ({reason})") from error


def sampled(mesh: Mesh, *, count: int = SAMPLED, seed: int = 0) -> PointCloud:
    """Points on a mesh, by area; those of a cloud without faces.

    Raises:
        ShapeError: corners that are no numbers, or faces that name corners that there are not.
        PointsError: nothing that has a shape.
    """
    if not bool(mesh.vertices.isfinite().all()):
        bad = int((~mesh.vertices.isfinite()).any(dim=1).sum())
        raise ShapeError(f"{bad} of {len(mesh.vertices)} vertices are not finite numbers")
    if not len(mesh.faces):
        raise ShapeError(f"a mesh with {len(mesh.vertices)} vertices and no faces; save it as a point cloud (.xyz)")
    if not 0 <= int(mesh.faces.min()) <= int(mesh.faces.max()) < len(mesh.vertices):
        raise ShapeError(f"a face names a corner that is none of {len(mesh.vertices)} vertices")
    centred = mesh.vertices.double() - mesh.vertices.double().mean(dim=0)  # large offsets cost digits of float32
    points, normals, _ = sample_surface(centred, mesh.faces, count, torch.Generator().manual_seed(seed))
    return PointCloud(unit_sphere(points).float(), normals.float())


def cloud_of(values: Any, *, count: int = SAMPLED, seed: int = 0) -> PointCloud:
    """The points of an array [n 3], or with normals [n 6]; of more than ``count``, some chosen at random.

    Raises:
        ShapeError: another shape, or one point alone.
        PointsError: nothing that has a shape.
    """
    table = torch.as_tensor(np.asarray(values, dtype=np.float64))
    if table.ndim != 2 or table.shape[1] not in (3, 6):
        raise ShapeError(f"a point cloud is an array of [n, 3], or [n, 6] with normals, not of {list(table.shape)}")
    if len(table) == 1:
        raise ShapeError("a single point, which has no shape")
    if len(table) > count:
        table = table[torch.randperm(len(table), generator=torch.Generator().manual_seed(seed))[:count]]
    points = unit_sphere(table[:, :3]).float()
    if table.shape[1] == 3:
        return PointCloud(points)
    return PointCloud(points, torch.nn.functional.normalize(table[:, 3:], dim=1).nan_to_num().float())


def _mesh(content: bytes, suffix: str) -> Mesh:
    if suffix == ".off":
        return _off(content)
    if suffix not in SHAPE_SUFFIXES:
        raise ShapeError(f"shapes are read from {', '.join(SHAPE_SUFFIXES)}")
    return _by_trimesh(content, suffix)


def _off(content: bytes) -> Mesh:
    """A mesh in OFF; some of ModelNet's have no line break behind the first word (``OFF490 518 0``)."""
    text = re.sub(rb"#[^\n]*", b"", content).lstrip()
    if not text.startswith(b"OFF"):
        first = text.partition(b"\n")[0][:24].decode(errors="replace")
        raise ShapeError(f"no OFF file: it begins with {first!r}")
    numbers = text[3:].split()
    if len(numbers) < 3:
        raise ShapeError("an OFF file without the numbers of its vertices and faces")
    vertices, faces = int(numbers[0]), int(numbers[1])
    corners = np.array(numbers[3 : 3 + 3 * vertices], dtype=np.float64)
    if len(corners) < 3 * vertices:
        raise ShapeError(f"{vertices} vertices are announced, and {len(corners) // 3} are there: is the file cut off?")
    rest = numbers[3 + 3 * vertices :]
    if len(rest) == 4 * faces and all(corner == b"3" for corner in rest[::4]):
        triangles = np.array(rest, dtype=np.int64).reshape(-1, 4)[:, 1:]
    else:
        triangles = _fans(text, faces)
    return Mesh(torch.from_numpy(corners.reshape(-1, 3)), torch.from_numpy(triangles))


def _fans(text: bytes, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Faces of any number of corners, the last lines of a file, cut into triangles around their first corner.

    What stands behind the corners is a colour.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()][-count:] if count else []
    triangles: list[tuple[int, int, int]] = []
    for number, line in enumerate(lines):
        corners = [int(word) for word in line[1 : 1 + int(line[0])]]
        if len(corners) < int(line[0]):
            raise ShapeError(f"face {number} of {count} has {len(corners)} corners of {int(line[0])}: is it cut off?")
        triangles += [(corners[0], b, c) for b, c in itertools.pairwise(corners)]
    return np.array(triangles, dtype=np.int64).reshape(-1, 3)


def _by_trimesh(content: bytes, suffix: str) -> Mesh:
    """What trimesh reads, the meshes of a scene as one."""
    try:
        import trimesh
    except ModuleNotFoundError as error:
        raise ShapeError(f"{suffix} needs the package trimesh: pip install 'visus[shapes]'") from error
    scene = trimesh.load_scene(io.BytesIO(content), file_type=suffix[1:], process=False)
    vertices: list[Any] = []
    faces: list[Any] = []
    parts: list[Any] = scene.dump()
    for one in parts:
        triangles = one.faces if one.__class__ is trimesh.Trimesh else np.empty((0, 3), dtype=np.int64)
        faces.append(np.asarray(triangles, dtype=np.int64) + sum(map(len, vertices)))
        vertices.append(np.asarray(one.vertices, dtype=np.float64))
    if not sum(map(len, vertices)):
        raise ShapeError("no mesh and no points in it")
    return Mesh(torch.from_numpy(np.concatenate(vertices)), torch.from_numpy(np.concatenate(faces)))
