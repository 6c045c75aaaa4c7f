"""A folder for each class of shapes: meshes (OFF, OBJ, PLY, STL, GLB) or point clouds (PLY, XYZ, NPY).

Layouts: ``train/CLASS/*.off`` with ``val/`` and ``test/`` beside it, or ``CLASS/*.off`` alone, of which each class
gives 80, 10 and 10 % of its shapes to the three splits, the same every time, as for folders of images.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from visus.data.entry import OF_THE_OWNER, OWN_FILES, DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.splits import check_split, divided, missing_split
from visus.data.files.suffixes import SHAPE_SUFFIXES
from visus.data.files.walk import files_below, visible
from visus.data.readers.image_folder import split_folders
from visus.data.records.labelled import label_numbers, label_tensor
from visus.data.records.shapes import LabelledShapes, check_shapes, shape_files
from visus.data.vignettes3d.fake import write_off
from visus.types import Schema

Classes = dict[str, list[str]]


def open_shape_folder(root: Path, split: str, *, for_training: bool = False) -> LabelledShapes:
    """Opens a split of a folder of classes. All splits have the labels of all classes.

    Raises:
        AnnotationError: there are not two classes with a shape.
    """
    check_split(split)
    root = Path(root)
    folders = split_folders(root)
    if folders and split not in folders:
        raise DatasetNotFoundError(f"{root}: {missing_split(split, folders)}")
    found = {name: shapes_by_class(folder) for name, folder in (folders or {"": root}).items()}
    names = label_numbers([name for classes in found.values() for name in classes])
    if not names:
        raise DatasetNotFoundError(
            f"{root}: no folders of shapes; train/CLASS/*.off or CLASS/*.off, of {', '.join(SHAPE_SUFFIXES)}"
        )
    if len(names) < 2:
        raise AnnotationError(f"{root}: the class {names[0]} alone is nothing to tell apart")
    chosen = found[split] if folders else _divided(found[""], split)
    return labelled(folders.get(split, root), chosen, names)


def labelled(folder: Path, classes: Classes, names: tuple[str, ...]) -> LabelledShapes:
    """The shapes of each class, with labels in the order of ``names``."""
    pairs = [(name, file) for name in names for file in classes.get(name, [])]
    schema = Schema(categories=names, category_ids=tuple(range(len(names))))
    return shape_files(folder, [file for _, file in pairs], label_tensor([name for name, _ in pairs], names), schema)


def shapes_by_class(folder: Path) -> Classes:
    """The files of each folder with shapes, as paths relative to ``folder``."""
    found = {
        inner.name: [file.relative_to(folder).as_posix() for file in files_below(inner, SHAPE_SUFFIXES)]
        for inner in visible(folder)
        if inner.is_dir()
    }
    return {name: files for name, files in found.items() if files}


def _divided(classes: Classes, split: str) -> Classes:
    return {name: [files[i] for i in divided(len(files), split)] for name, files in classes.items()}


def recognise_shape_folder(root: Path) -> bool:
    """Whether a folder has folders with shapes for two classes or more."""
    if not root.is_dir():
        return False
    folders = split_folders(root)
    return len(shapes_by_class(folders.get("train", root))) > 1


check_shape_folder = partial(check_shapes, open_split=open_shape_folder)


def write_fake(root: Path, *, views: int = 5, seed: int = 0) -> None:
    """Writes a miniature of three classes."""
    for name in ("ball", "car", "chair"):
        for view in range(views):
            write_off(Path(root) / name / f"{name}_{view}.off", name, seed=seed + view)


ENTRY = DatasetEntry(
    open=open_shape_folder,
    write_fake=write_fake,
    recognise=recognise_shape_folder,
    mark="CLASS/*.off or train/CLASS/*.off (OBJ, PLY, STL, GLB, XYZ and NPY too)",
    check=check_shape_folder,
    summary="a folder of meshes or point clouds for each class",
    licence=OF_THE_OWNER,
    size="any",
    source=OWN_FILES,
)
