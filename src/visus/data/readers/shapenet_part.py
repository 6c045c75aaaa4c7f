"""ShapeNet part: 16,881 clouds of 16 categories, the part of every point (Yi et al., SIGGRAPH Asia 2016).

``shapenetcore_partanno_segmentation_benchmark_v0_normal``: ``SYNSET/ID.txt`` with x, y, z, the normal and the number of
the part in each line, ``synsetoffset2category.txt`` the categories, ``train_test_split/shuffled_train_file_list.json``
and so on the splits. Parts are numbered through over the categories, in the order of ``synsetoffset2category.txt``.
y is up there and z here.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from visus.clouds import PointCloud
from visus.data.entry import DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError, ShapeError
from visus.data.files.content import read_content
from visus.data.files.listed_files import read_lines
from visus.data.files.splits import check_split
from visus.data.records.flat import NameTable
from visus.data.records.shapes import check_shapes
from visus.data.vignettes3d.dataset import joined
from visus.data.vignettes3d.things import PARTS, THINGS
from visus.ops.errors import PointsError
from visus.ops.points import sample_surface, unit_sphere
from visus.types import PartTarget, Sample, Schema

_CATEGORIES = "synsetoffset2category.txt"
_LIST = "train_test_split/shuffled_{}_file_list.json"
_TO_Z_UP = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""Of row vectors: (x, y, z) with y up becomes (x, -z, y)."""

PART_NAMES: dict[str, tuple[str, ...]] = {
    "Airplane": ("body", "wing", "tail", "engine"),
    "Bag": ("handle", "body"),
    "Cap": ("panel", "peak"),
    "Car": ("roof", "hood", "wheel", "body"),
    "Chair": ("back", "seat", "leg", "arm"),
    "Earphone": ("earpiece", "headband", "cable"),
    "Guitar": ("head", "neck", "body"),
    "Knife": ("blade", "handle"),
    "Lamp": ("base", "shade", "tube", "canopy"),
    "Laptop": ("keyboard", "screen"),
    "Motorbike": ("tank", "seat", "wheel", "handle", "light", "body"),
    "Mug": ("handle", "body"),
    "Pistol": ("barrel", "handle", "trigger"),
    "Rocket": ("body", "fin", "nose"),
    "Skateboard": ("wheel", "deck", "truck"),
    "Table": ("top", "leg", "drawer"),
}
"""Parts of the categories in the order of the published numbers 0 to 49. The files have numbers alone; the names are
ours, after what the parts are."""


class PartFiles:
    """Shapes in text files with the part of each point.

    Args:
        folder: of the data set.
        names: of the files, ``SYNSET/ID``.
        categories: by the name of the synset.
    """

    def __init__(self, folder: Path, names: list[str], categories: dict[str, str]) -> None:
        self.folder, self._names = folder, NameTable(names)
        self._label_of = {synset: label for label, synset in enumerate(categories)}
        self.schema = Schema(
            categories=tuple(categories.values()),
            category_ids=tuple(range(len(categories))),
            parts=tuple((name, PART_NAMES[name]) for name in categories.values()),
        )
        published = [name for name in PART_NAMES for _ in PART_NAMES[name]]
        first = {name: published.index(name) for name in PART_NAMES}
        ours = torch.zeros(len(published), dtype=torch.int64) - 1
        place = 0
        for name in categories.values():
            count = len(PART_NAMES[name])
            ours[first[name] : first[name] + count] = torch.arange(place, place + count)
            place += count
        self._ours = ours

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"shape {index} of {len(self)}")
        path, table = self.path(index), self._table(index)
        label = self._label_of[PurePosixPath(self._names[index]).parts[0]]
        parts = self._ours[table[:, 6].long().clamp(0, len(self._ours) - 1)]
        try:
            cloud = PointCloud(unit_sphere(table[:, :3] @ _TO_Z_UP), table[:, 3:6] @ _TO_Z_UP)
        except PointsError as error:
            raise ShapeError(f"{path}: {error}") from error
        if bool((parts < 0).any()):
            raise AnnotationError(f"{path}: a part of a category that {_CATEGORIES} does not name")
        return Sample(cloud, PartTarget(parts, torch.tensor(label), cloud.frame, index), path)

    def size(self, index: int) -> tuple[int, ...]:
        """The number of points of a shape."""
        return (len(self._table(index)),)

    def path(self, index: int) -> str:
        """The file of a shape."""
        return str(self.folder / f"{self._names[index]}.txt")

    def _table(self, index: int) -> torch.Tensor:
        path = self.path(index)
        try:
            numbers = np.array(read_content(path, ShapeError).split(), dtype=np.float32)
            return torch.from_numpy(numbers.reshape(-1, 7))
        except ValueError as error:
            if type(error) is ShapeError:
                raise
            raise ShapeError(f"{path}: no lines of x, y, z, a normal and a part") from error


def open_shapenet_part(root: Path, split: str, *, for_training: bool = False) -> PartFiles:
    """Opens a split of the publication."""
    check_split(split)
    root = Path(root)
    lists = root / _LIST.format(split)
    if not (root / _CATEGORIES).is_file() or not lists.is_file():
        raise DatasetNotFoundError(f"{root}: no {_CATEGORIES} and {_LIST.format(split)}")
    rows = [line.split() for line in read_lines(root / _CATEGORIES)]
    unknown = [row for row in rows if len(row) != 2 or row[0] not in PART_NAMES]
    if unknown:
        raise AnnotationError(f"{root / _CATEGORIES}: {' '.join(unknown[0])!r} is no category of ShapeNet part")
    categories = {synset: name for name, synset in rows}
    try:
        listed = [PurePosixPath(name).parts[-2:] for name in json.loads(read_content(lists, AnnotationError))]
        names = ["/".join(parts) for parts in listed if parts[0] in categories]
    except (ValueError, TypeError, IndexError) as error:
        raise AnnotationError(f"{lists}: no JSON list of shapes ({' '.join(str(error).split())[:60]})") from error
    if not names:
        raise AnnotationError(f"{lists}: the list names no shape of a known category")
    return PartFiles(root, names, categories)


def recognise_shapenet_part(root: Path) -> bool:
    """Whether a folder holds the file of categories."""
    return (root / _CATEGORIES).is_file()


check_shapenet_part = partial(check_shapes, open_split=open_shapenet_part)


def write_fake(root: Path, *, shapes: int = 4, points: int = 300) -> None:
    """Writes a miniature of chairs and tables."""
    from random import Random

    root = Path(root)
    synsets = {"Chair": "03001627", "Table": "04379243"}
    root.joinpath("train_test_split").mkdir(parents=True, exist_ok=True)
    (root / _CATEGORIES).write_text("".join(f"{name}\t{synset}\n" for name, synset in synsets.items()))
    published = [(name, part) for name in PART_NAMES for part in PART_NAMES[name]]
    for split_number, split in enumerate(("train", "val", "test")):
        names = []
        for number in range(shapes):
            category, thing = (("Chair", "chair"), ("Table", "table"))[number % 2]
            mesh, owners = joined(THINGS[thing](Random(10 * split_number + number)), 0, PARTS[thing])
            generator = torch.Generator().manual_seed(number)
            found, normals, faces = sample_surface(mesh.vertices, mesh.faces, points, generator)
            places = [published.index((category, part)) for part in PARTS[thing]]
            parts = torch.tensor(places)[owners[faces]]
            table = torch.cat([found @ _TO_Z_UP.t(), normals @ _TO_Z_UP.t(), parts[:, None]], dim=1)
            name = f"{synsets[category]}/{split}{number}"
            (root / name).parent.mkdir(exist_ok=True)
            lines = (" ".join(f"{value:.5f}" for value in line) for line in table.tolist())
            (root / f"{name}.txt").write_text("\n".join(lines) + "\n")
            names.append(f"shape_data/{name}")
        (root / _LIST.format(split)).write_text(json.dumps(names))


ENTRY = DatasetEntry(
    open=open_shapenet_part,
    write_fake=write_fake,
    recognise=recognise_shapenet_part,
    mark="synsetoffset2category.txt (ShapeNet part)",
    check=check_shapenet_part,
    summary="ShapeNet part, the part of every point",
    licence="research, ShapeNet's terms",
    size="12,137 + 1,870 + 2,874 shapes",
    source="https://shapenet.org",
)
