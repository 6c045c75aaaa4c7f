"""ModelNet10 as grids of 30 x 30 x 30 cells in one file, the common form of VoxNet's input.

``modelnet10_30.npz``: ``X_train`` and ``X_test`` hold one bit a cell, ``y_train`` and ``y_test`` the classes in
alphabetical order. A shape is the cloud of the centres of its occupied cells, of which `visus.ops.voxels.voxelise`
makes the cells again. Grids without a cell are left out. The splits are those of `modelnet`.
"""

from __future__ import annotations

import io
import zlib
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from visus.clouds import PointCloud
from visus.data.entry import DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError, ShapeError
from visus.data.files.content import read_content
from visus.data.files.splits import SPLITS, check_split
from visus.data.records.held_out import held_out
from visus.data.records.shapes import LabelledShapes, check_shapes
from visus.data.vignettes3d.fake import thing_mesh
from visus.ops.points import unit_sphere
from visus.ops.voxels import voxelise_mesh
from visus.types import Schema

FILE = "modelnet10_30.npz"
CATEGORIES = ("bathtub", "bed", "chair", "desk", "dresser", "monitor", "night_stand", "sofa", "table", "toilet")
_SIDE = 30
_DAMAGES = (BadZipFile, zlib.error, TokenError, SyntaxError)  # the last two of a head, which is Python
_SCHEMA = Schema(categories=CATEGORIES, category_ids=tuple(range(len(CATEGORIES))))


def open_modelnet10_voxels(root: Path, split: str, *, for_training: bool = False) -> LabelledShapes:
    """Opens "train", "val", "test", or "all" of what may be learned from."""
    check_split(split, (*SPLITS, "all"))
    file = Path(root) / FILE
    if not file.is_file():
        raise DatasetNotFoundError(f"{root}: no {FILE}")
    part = "test" if split == "test" else "train"
    try:
        with np.load(io.BytesIO(read_content(file, AnnotationError)), allow_pickle=False) as content:
            packed, labels = content[f"X_{part}"], torch.from_numpy(content[f"y_{part}"].astype(np.int64))
    except (*_DAMAGES, OSError, ValueError, KeyError, EOFError, NotImplementedError) as error:
        raise AnnotationError(f"{file}: no file of packed grids ({' '.join(str(error).split())[:80]})") from error
    if len(packed) != len(labels) or bool(((labels < 0) | (labels >= len(CATEGORIES))).any()):
        raise AnnotationError(f"{file}: {len(packed)} grids with {len(labels)} labels, of {len(CATEGORIES)} classes")
    occupied = packed.any(axis=1).nonzero()[0]
    of_class = [occupied[labels[occupied].numpy() == label] for label in range(len(CATEGORIES))]
    places = np.concatenate([some[held_out(len(some), split)] for some in of_class])
    grids = torch.from_numpy(packed[places])
    return LabelledShapes(
        labels=labels[torch.from_numpy(places)],
        schema=_SCHEMA,
        read=partial(_cells, grids, str(file)),
        path=lambda index: str(file),
    )


def _cells(grids: torch.Tensor, file: str, index: int) -> PointCloud:
    """The centres of the cells of one grid."""
    bits = np.unpackbits(grids[index].numpy())[: _SIDE**3].reshape(_SIDE, _SIDE, _SIDE)
    cells = torch.from_numpy(np.argwhere(bits)).float()
    if len(cells) < 2:
        raise ShapeError(f"{file}: shape {index} has {len(cells)} cell, which has no shape")
    return PointCloud(unit_sphere(cells))


def recognise_modelnet10_voxels(root: Path) -> bool:
    """Whether a folder holds the file."""
    return (root / FILE).is_file()


check_modelnet10_voxels = partial(check_shapes, open_split=open_modelnet10_voxels)


def write_fake(root: Path, *, shapes: int = 12, seed: int = 0) -> None:
    """Writes a miniature: beds, chairs, sofas and tables in both parts."""
    content: dict[str, Any] = {}
    for part in ("train", "test"):
        names = [("bed", "chair", "couch", "table")[number % 4] for number in range(shapes)]
        meshes = [thing_mesh(name, seed=seed + number) for number, name in enumerate(names)]
        grids = [voxelise_mesh(mesh.vertices, mesh.faces, size=_SIDE).numpy().reshape(-1) for mesh in meshes]
        content[f"X_{part}"] = np.packbits(np.stack(grids), axis=1)
        labels = [CATEGORIES.index({"couch": "sofa"}.get(name, name)) for name in names]
        content[f"y_{part}"] = np.array(labels)
    Path(root).mkdir(parents=True, exist_ok=True)
    np.savez_compressed(Path(root) / FILE, **content)


ENTRY = DatasetEntry(
    open=open_modelnet10_voxels,
    write_fake=write_fake,
    recognise=recognise_modelnet10_voxels,
    mark=FILE,
    check=check_modelnet10_voxels,
    summary="ModelNet10 as occupied cells of 30 x 30 x 30",
    licence="academic use, Princeton",
    size="3,991 + 908 shapes",
    source="https://modelnet.cs.princeton.edu",
)
