"""ModelNet10 and ModelNet40: meshes of furniture and other things, in the folders of the publication.

Wu et al., "3D ShapeNets", CVPR 2015. Layout: ``CLASS/train/*.off`` and ``CLASS/test/*.off``. The publication divides
into training and test alone: "val" is every tenth shape of the training part, which "train" then lacks, so that weights
can be chosen without looking at the test; "all" is the whole training part. Some files of ModelNet40 lack the line
break behind their first word and are read all the same.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from visus.data.entry import DatasetEntry
from visus.data.errors import DatasetNotFoundError
from visus.data.files.splits import SPLITS, check_split
from visus.data.files.suffixes import SHAPE_SUFFIXES
from visus.data.files.walk import files_below, visible
from visus.data.readers.shape_folder import labelled
from visus.data.records.held_out import held_out
from visus.data.records.shapes import LabelledShapes, check_shapes
from visus.data.vignettes3d.fake import write_off


def open_modelnet(root: Path, split: str, *, for_training: bool = False) -> LabelledShapes:
    """Opens "train", "val", "test", or "all" of what may be learned from."""
    check_split(split, (*SPLITS, "all"))
    root = Path(root)
    names = tuple(folder.name for folder in visible(root) if (folder / "train").is_dir() or (folder / "test").is_dir())
    part = "test" if split == "test" else "train"
    found = {
        name: [file.relative_to(root).as_posix() for file in files_below(root / name / part, SHAPE_SUFFIXES)]
        for name in names
    }
    if not any(found.values()):
        raise DatasetNotFoundError(f"{root}: no CLASS/{part}/*.off, as ModelNet has them")
    chosen = {name: [files[i] for i in held_out(len(files), split)] for name, files in found.items()}
    return labelled(root, chosen, names)


def recognise_modelnet(root: Path) -> bool:
    """Whether each class has the two folders of the publication, with OFF files."""
    return any(root.glob("[!._]*/train/*.off")) and any(root.glob("[!._]*/test/*.off"))


check_modelnet = partial(check_shapes, open_split=open_modelnet)


def write_fake(root: Path, *, seed: int = 0) -> None:
    """Writes a miniature of three classes, one file of which is broken as some of ModelNet40's are."""
    for name in ("bench", "chair", "table"):
        for number in range(14):
            part = "train" if number < 11 else "test"
            path = Path(root) / name / part / f"{name}_{number + 1:04d}.off"
            write_off(path, name, seed=seed + number, broken=number == 2)


ENTRY = DatasetEntry(
    open=open_modelnet,
    write_fake=write_fake,
    recognise=recognise_modelnet,
    mark="CLASS/train/*.off and CLASS/test/*.off (ModelNet)",
    check=check_modelnet,
    summary="ModelNet10 and ModelNet40, meshes in OFF",
    licence="academic use, Princeton",
    size="3,991 + 908 (ModelNet10), 9,843 + 2,468 (ModelNet40)",
    source="https://modelnet.cs.princeton.edu",
)
