"""A folder for each class, divided by class: the first half of the classes (by name) trains, the other tests.

The folders are those of `image_folder`, whose splits share all classes: what a folder is for, only its name can say.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from visus.data.check.listed import check_listed
from visus.data.check.records import Problem
from visus.data.check.report import CheckReport
from visus.data.entry import OF_THE_OWNER, OWN_FILES, DatasetEntry
from visus.data.errors import DatasetNotFoundError
from visus.data.files.walk import files_below, visible
from visus.data.readers.image_folder import refusal
from visus.data.records.class_splits import open_halves
from visus.data.records.fake_images import save_class
from visus.data.records.image_records import Complain, ImageRecord, ListedImages


def _read(root: Path, complain: Complain) -> ListedImages:
    images = {folder.name: files_below(folder) for folder in _folders(root)}
    names = [name for name, files in images.items() if files]
    if len(names) < 2:
        raise DatasetNotFoundError(
            f"{root}: {len(names)} folders with images; a folder for each of two classes is needed"
        )
    records = [
        ImageRecord(str(file.relative_to(root)), number) for number, name in enumerate(names) for file in images[name]
    ]
    return ListedImages(root, records, dict(enumerate(names)))


open_class_folder = partial(open_halves, read=_read)


def _folders(root: Path) -> list[Path]:
    return [path for path in visible(root) if path.is_dir()]


def check_class_folder(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every class and every image; arguments as for `check_listed`."""
    root = Path(root)
    empty = [folder for folder in _folders(root) if not files_below(folder)]
    found = [Problem("empty class", "warning", str(folder), "holds no image and is left out") for folder in empty]
    if refused := refusal(root):
        found.append(Problem("maybe no classes", "warning", str(root), refused))
    return CheckReport(tuple(found)) + check_listed(root, read=_read, decode=decode)


def write_fake(root: Path, *, classes: int = 8, views: int = 4, seed: int = 0) -> None:
    """Write a miniature of ``classes`` folders."""
    for number in range(classes):
        for view in range(views):
            save_class(Path(root) / f"class_{number:02d}" / f"{view}.jpg", number, view, seed=seed)


ENTRY = DatasetEntry(
    open=open_class_folder,
    write_fake=write_fake,
    recognise=None,
    mark="",
    check=check_class_folder,
    summary="a folder for each class, half of the classes unseen (say its name: folders alone make an image_folder)",
    licence=OF_THE_OWNER,
    size="any",
    source=OWN_FILES,
    unseen_classes=True,
)
