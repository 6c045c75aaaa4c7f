"""ModelNet40 as clouds of 2,048 points in HDF5, the input that most published numbers were measured on.

``modelnet40_ply_hdf5_2048`` of PointNet's authors: ``train_files.txt`` and ``test_files.txt`` name files with ``data``
[n 2048 3] and ``label`` [n 1], ``shape_names.txt`` the classes. y is up there and z here. The splits are those of
`modelnet`: "val" is every tenth shape of a class of the training part. It needs h5py (the extra ``shapes``).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from visus.clouds import PointCloud
from visus.data.entry import DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError, ShapeError
from visus.data.files.content import read_content
from visus.data.files.listed_files import read_lines
from visus.data.files.splits import SPLITS, check_split
from visus.data.records.held_out import held_out
from visus.data.records.shapes import LabelledShapes, check_shapes
from visus.errors import VisusError
from visus.ops.errors import PointsError
from visus.ops.points import sample_surface, unit_sphere
from visus.types import Schema

_NAMES, _LIST = "shape_names.txt", "{}_files.txt"


def open_modelnet_h5(root: Path, split: str, *, for_training: bool = False) -> LabelledShapes:
    """Opens "train", "val", "test", or "all" of what may be learned from."""
    check_split(split, (*SPLITS, "all"))
    root, part = Path(root), "test" if split == "test" else "train"
    if not (root / _NAMES).is_file() or not (root / _LIST.format(part)).is_file():
        raise DatasetNotFoundError(f"{root}: no {_NAMES} and {_LIST.format(part)}")
    names = tuple(read_lines(root / _NAMES))
    parts = list(_files(root, part))
    if not parts:
        raise AnnotationError(f"{root / _LIST.format(part)}: the list names no file")
    clouds = torch.from_numpy(np.concatenate([clouds for _, clouds, _ in parts]))
    labels = torch.from_numpy(np.concatenate([labels for _, _, labels in parts]))
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(names):
        raise AnnotationError(f"{root}: label {int(labels.max())} is none of {len(names)} names in {_NAMES}")
    of_class = [(labels == label).nonzero()[:, 0] for label in range(len(names))]
    places = torch.cat([some[torch.tensor(held_out(len(some), split), dtype=torch.int64)] for some in of_class])
    files = [str(path) for path, clouds, _ in parts for _ in range(len(clouds))]
    return LabelledShapes(
        labels=labels[places],
        schema=Schema(categories=names, category_ids=tuple(range(len(names)))),
        read=partial(_cloud, clouds, places, files),
        path=lambda index: files[int(places[index])],
    )


def _cloud(clouds: torch.Tensor, places: torch.Tensor, files: list[str], index: int) -> PointCloud:
    place = int(places[index])
    try:
        return PointCloud(unit_sphere(clouds[place][:, [0, 2, 1]] * torch.tensor([1.0, -1.0, 1.0])))
    except PointsError as error:
        raise ShapeError(f"{files[place]}: shape {place}: {error}") from error


def _files(root: Path, part: str) -> Iterator[tuple[Path, Any, Any]]:
    """Each file of a list, which names them as their authors had them, with its clouds and labels."""
    h5py = _package()
    for line in read_lines(root / _LIST.format(part)):
        path = root / PurePosixPath(line).name
        try:
            with h5py.File(io.BytesIO(read_content(path, AnnotationError)), "r") as file:
                clouds, labels = file["data"][:].astype(np.float32), file["label"][:].astype(np.int64).reshape(-1)
        except (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError) as error:
            raise AnnotationError(
                f"{path}: no HDF5 with 'data' and 'label' ({' '.join(str(error).split())[:80]})"
            ) from error
        if clouds.ndim != 3 or clouds.shape[2] != 3 or len(clouds) != len(labels):
            raise AnnotationError(f"{path}: 'data' {list(clouds.shape)} and 'label' {list(labels.shape)} do not fit")
        yield path, clouds, labels


def _package() -> Any:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise VisusError("HDF5 needs the package h5py: pip install 'visus[shapes]'") from error
    return h5py


def recognise_modelnet_h5(root: Path) -> bool:
    """Whether a folder holds the names and a list."""
    return (root / _NAMES).is_file() and (root / _LIST.format("train")).is_file()


check_modelnet_h5 = partial(check_shapes, open_split=open_modelnet_h5)


def write_fake(root: Path, *, shapes: int = 12, points: int = 256, seed: int = 0) -> None:
    """Writes a miniature of three classes."""
    from visus.data.vignettes3d.fake import thing_mesh

    h5py, root = _package(), Path(root)
    root.mkdir(parents=True, exist_ok=True)
    names = ("bench", "chair", "table")
    (root / _NAMES).write_text("\n".join(names) + "\n")
    for part in ("train", "test"):
        clouds = []
        for number in range(shapes):
            mesh = thing_mesh(names[number % 3], seed=seed + number)
            generator = torch.Generator().manual_seed(number)
            found = unit_sphere(sample_surface(mesh.vertices, mesh.faces, points, generator)[0])
            clouds.append((found[:, [0, 2, 1]] * torch.tensor([1.0, 1.0, -1.0])).numpy())
        name = f"ply_data_{part}0.h5"
        with h5py.File(root / name, "w") as file:
            file["data"] = np.stack(clouds)
            file["label"] = np.array([[number % 3] for number in range(shapes)], dtype=np.uint8)
        (root / _LIST.format(part)).write_text(f"data/modelnet40_ply_hdf5_2048/{name}\n")


ENTRY = DatasetEntry(
    open=open_modelnet_h5,
    write_fake=write_fake,
    recognise=recognise_modelnet_h5,
    mark="shape_names.txt with train_files.txt (ModelNet40 in HDF5)",
    check=check_modelnet_h5,
    summary="ModelNet40 as clouds of 2,048 points in HDF5",
    licence="academic use, Princeton",
    size="9,840 + 2,468 shapes",
    source="https://github.com/charlesq34/pointnet",
)
