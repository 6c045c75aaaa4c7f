"""Shapes and their classes as data sets: of files that are read one by one, or of arrays in memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import Dataset

from visus.clouds import PointCloud
from visus.data.check.records import Problem
from visus.data.check.report import CheckReport, in_parallel, no_data
from visus.data.entry import OpenSplit
from visus.data.errors import DatasetNotFoundError
from visus.data.feed.loader import SampleDataset
from visus.data.files.shapes import SAMPLED, read_shape
from visus.data.files.splits import SPLITS
from visus.data.files.suffixes import MESH_SUFFIXES
from visus.data.records.flat import NameTable
from visus.download import cache_path
from visus.errors import VisusError
from visus.types import ClassTarget, Sample, Schema
from visus.whole_file import whole_file


class LabelledShapes(Dataset[Sample]):
    """Shapes with one class each.

    Args:
        labels: the class of each shape.
        schema: what the labels mean.
        read: the shape of a number.
        path: where that came from.
    """

    def __init__(
        self,
        *,
        labels: Int64[Tensor, " n"],
        schema: Schema,
        read: Callable[[int], PointCloud],
        path: Callable[[int], str],
    ) -> None:
        self.labels, self.schema = labels, schema
        self.super_labels: None = None
        self._read, self._path = read, path

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"shape {index} of {len(self)}")
        place = index % len(self)
        cloud = self._read(place)
        return Sample(cloud, ClassTarget(self.labels[place].clone(), cloud.frame, place), self._path(place))

    def size(self, index: int) -> tuple[int, ...]:
        """The number of points of a shape."""
        return self._read(index).frame

    def path(self, index: int) -> str:
        """Where a shape comes from."""
        return self._path(index)


def shape_files(folder: Path, names: Sequence[str], labels: Int64[Tensor, " n"], schema: Schema) -> LabelledShapes:
    """Shapes in files, whose points are sampled once and kept in the cache of the program.

    Args:
        folder: what the names are relative to.
        names: the file of each shape.
        labels: its class.
        schema: what the labels mean.
    """
    table = NameTable(names)

    def path(index: int) -> str:
        return str(folder / table[index])

    return LabelledShapes(labels=labels, schema=schema, read=lambda index: cached_shape(path(index)), path=path)


def cached_shape(path: str | Path) -> PointCloud:
    """The shape of a file; the points of a mesh are kept, as large meshes take seconds to read.

    Another place, size or time of the file is another shape. A cache that cannot be written is left alone.
    """
    if Path(path).suffix.lower() not in MESH_SUFFIXES:
        return read_shape(path)
    kept = _place_in_cache(Path(path))
    if kept is not None and kept.is_file():
        table = torch.from_numpy(np.load(kept, allow_pickle=False))
        return PointCloud(table[:, :3].contiguous(), table[:, 3:].contiguous())
    cloud = read_shape(path)
    if kept is not None and cloud.normals is not None:
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(kept) as part, part.open("wb") as file:
                np.save(file, torch.cat([cloud.points, cloud.normals], dim=1).numpy())
        except OSError:
            return cloud
    return cloud


def _place_in_cache(path: Path) -> Path | None:
    try:
        found = path.stat()
    except OSError:
        return None
    said = f"{os.path.realpath(path)} {found.st_size} {found.st_mtime_ns} {SAMPLED}"
    return cache_path("shapes") / f"{hashlib.sha256(said.encode()).hexdigest()[:32]}.npy"


def check_shapes(root: Path, *, open_split: OpenSplit, decode: bool = True) -> CheckReport:
    """Reads every shape of every split once.

    Args:
        root: the folder.
        open_split: the reader.
        decode: read the shapes; otherwise only the lists of them.
    """
    root = Path(root)
    problems: list[Problem] = []
    count, missing = 0, []
    for split in SPLITS:
        try:
            dataset = open_split(root, split)
        except DatasetNotFoundError as error:
            missing.append(error)
            continue
        except VisusError as error:
            return CheckReport((*problems, Problem.of_error("unusable data set", root, error)))
        count += len(dataset)

        problems += in_parallel(partial(_shape_problems, dataset), range(len(dataset)) if decode else ())
    if len(missing) == len(SPLITS):
        return no_data(root, missing[0])
    return CheckReport(tuple(problems), count, count)


def _shape_problems(dataset: SampleDataset, index: int) -> list[Problem]:
    try:
        dataset[index]
    except VisusError as error:
        return [Problem.of_error("unreadable shape", dataset.path(index), error)]
    return []
