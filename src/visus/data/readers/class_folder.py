"""A folder for each class, divided by class: the first half of the classes (by name) trains, the other tests."""

from __future__ import annotations

from pathlib import Path

from visus.data.errors import DatasetNotFoundError
from visus.data.files.images import SUFFIXES
from visus.data.records.class_splits import LabelledDataset, first_half, open_class_split
from visus.data.records.classes_fake import save_class
from visus.data.records.image_records import ImageRecord, images_of
from visus.data.records.labelled import LabelledImages


def open_class_folder(root: Path, split: str, *, for_training: bool = False) -> LabelledDataset:
    """Open a split (see `open_class_split`) of a folder of folders of pictures.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: fewer than two folders hold pictures.
    """
    return open_class_split(split, lambda train: _read(Path(root), train))


def _read(root: Path, train: bool) -> LabelledImages:
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    pictures = {folder.name: _pictures(folder) for folder in folders}
    names = [name for name, files in pictures.items() if files]
    if len(names) < 2:
        raise DatasetNotFoundError(
            f"{root}: {len(names)} folders with pictures; a folder for each of two classes is needed"
        )
    trained = first_half(range(len(names)))
    records = [
        ImageRecord(str(file.relative_to(root)), number)
        for number, name in enumerate(names)
        if (number in trained) == train
        for file in pictures[name]
    ]
    return images_of(root, records, names=dict(enumerate(names)))


def _pictures(folder: Path) -> list[Path]:
    """The pictures below a folder, in alphabetical order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def write_fake(root: Path, *, classes: int = 8, views: int = 4, seed: int = 0) -> None:
    """Write a miniature of ``classes`` folders."""
    for number in range(classes):
        for view in range(views):
            save_class(Path(root) / f"class_{number:02d}" / f"{view}.jpg", number, view, seed=seed)
