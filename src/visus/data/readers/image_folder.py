"""A folder for each class, the simplest labelled data set.

Layouts: ``train/CLASS/*.jpg`` with ``val/`` and ``test/`` beside it (or ``valid``, ``validation``, ``training``,
``testing``), or ``CLASS/*.jpg`` alone, of which each class gives 80, 10 and 10 % of its images to the three splits,
the same every time. A class is the first folder; what lies in folders below it belongs to it. Any format that
`visus.data.files.suffixes.SUFFIXES` names counts; other files and all hidden ones do not.

A folder is taken for this layout only where nothing says otherwise: no annotations beside the images, no lists of
images, no folders that are called images and labels, no folders of folders that may be the classes themselves.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from visus.data.check.records import Problem
from visus.data.check.report import CheckReport, image_problems, in_parallel, no_data
from visus.data.entry import OF_THE_OWNER, OWN_FILES, DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.splits import ALIASES, SPLITS, check_split, divided, missing_split
from visus.data.files.walk import files_below, visible
from visus.data.formats.annotation_signs import annotation_signs, part_folders
from visus.data.formats.coco_values import Record
from visus.data.records.fake_images import SHAPES, draw_shape
from visus.data.records.labelled import LabelledImages, label_numbers, label_tensor
from visus.names import counted
from visus.types import Schema

_SHOWN = 5
_FEW = 3


def open_image_folder(root: Path, split: str, *, for_training: bool = False) -> LabelledImages:
    """Open a split of a folder of classes. All splits have the labels of all classes, those they lack included.

    Args:
        for_training: refuse a class of which this split has no image.

    Raises:
        AnnotationError: a class is empty, or there is only one.
    """
    check_split(split)
    root = Path(root)
    folders = split_folders(root)
    if folders and split not in folders:
        present = ", ".join(f"{name} ({folder.name}/)" for name, folder in folders.items())
        raise DatasetNotFoundError(f"{root}: {missing_split(split, folders)}: the folders are {present}")
    found = {name: class_files(folder) for name, folder in (folders or {"": root}).items()}
    categories = label_numbers([name for classes in found.values() for name in classes])
    if not categories:
        raise DatasetNotFoundError(f"{root}: no folders of classes; {_expected()}")
    empty = [name for name in categories if not any(classes.get(name) for classes in found.values())]
    if empty:
        raise AnnotationError(
            f"{root}: {_listed(empty)} without an image; add some, or take the folder elsewhere if it is no class"
        )
    if len(categories) < 2:
        raise AnnotationError(f"{root}: {_listed(list(categories))} alone is nothing to tell apart; {_expected()}")
    chosen = found[split] if folders else _divided(found[""], split)
    lacking = [name for name in categories if not chosen.get(name)]
    if for_training and lacking:
        raise AnnotationError(f"{root}: {_listed(lacking)} without an image in the split {split!r}")
    pairs = [(name, file) for name in categories for file in chosen.get(name, [])]
    return LabelledImages(
        folder=folders.get(split, root),
        names=[file for _, file in pairs],
        labels=label_tensor([name for name, _ in pairs], categories),
        schema=Schema(categories=categories, category_ids=tuple(range(len(categories)))),
    )


def split_folders(root: Path) -> dict[str, Path]:
    """The folder of each split that has one; none where the classes lie in ``root`` itself.

    Raises:
        DatasetNotFoundError: ``root`` is no folder.
    """
    if not root.is_dir():
        raise DatasetNotFoundError(f"{root}: no such folder; {_expected()}")
    names = [path.name for path in visible(root) if path.is_dir()]
    found = {
        split: root / name
        for split in SPLITS
        for alias in reversed(ALIASES[split])
        for name in names
        if name.lower() == alias
    }
    # A class may be called test; the folder of one split alone says nothing beside other classes.
    return found if "train" in found or len(found) == len(names) else {}


def class_files(folder: Path) -> dict[str, list[str]]:
    """The images of each class, as paths relative to ``folder``, in alphabetical order."""
    return {path.name: _images(folder, path.name) for path in visible(folder) if path.is_dir()}


def _images(folder: Path, name: str) -> list[str]:
    start = len((folder / name).as_posix()) - len(name)
    return [file.as_posix()[start:] for file in files_below(folder / name)]


def _divided(classes: dict[str, list[str]], split: str) -> dict[str, list[str]]:
    return {name: [files[i] for i in divided(len(files), split)] for name, files in classes.items()}


def _listed(names: list[str], what: str = "class") -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    several = {"class": "classes", "folder": "folders"}[what]
    return f"{what if len(names) == 1 else several} {', '.join(names[:_SHOWN])}{rest}"


def _expected() -> str:
    return "a folder of classes has train/CLASS/*.jpg, val/CLASS/*.jpg, test/CLASS/*.jpg, or CLASS/*.jpg alone"


def recognise_image_folder(root: Path) -> bool:
    """Whether a folder has folders with images for two classes or more, and nothing that says it is something else."""
    classes = _classes_of(root)
    return len(classes) > 1 and not _refused(root, classes)


def refusal(root: Path) -> str:
    """Why a folder with folders of images is not taken for classes; empty where it is, or where it has none."""
    classes = _classes_of(root)
    return _refused(root, classes) if classes else ""


def _refused(root: Path, classes: dict[str, list[str]]) -> str:
    """Why folders of images are not taken for classes, given the images of each."""
    what = f"it has images in {_listed(list(classes), 'folder')}"
    if len(classes) == 1:
        return "" if part_folders(list(classes)) else f"{what}, and two classes or more are needed"
    if parts := part_folders(list(classes)):
        return f"{what}, and {', '.join(parts)} are parts of a data set and no classes"
    if signs := annotation_signs(root):
        return f"{what}, but it holds {', '.join(signs)} too, which would not be read"
    if nested := _nested(classes):
        outer = nested.split("/")[0]
        return (
            f"{what} that hold folders again, such as {nested}: which of them are the classes? Give {root / outer} "
            f"where the inner ones are, say `--data.dataset image_folder` where {outer} is one"
        )
    return ""


def _classes_of(root: Path) -> dict[str, list[str]]:
    """The images of each class of all splits that has some."""
    try:
        folders = split_folders(root) or {"": root}
    except DatasetNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    for folder in folders.values():
        for name, files in class_files(folder).items():
            if files:
                found.setdefault(name, []).extend(files)
    return found


def _nested(classes: dict[str, list[str]]) -> str:
    """The first folder of images in a class, where no class has images itself and one has several such folders."""
    if any(file.count("/") < 2 for files in classes.values() for file in files):
        return ""
    inner = [{file.split("/")[1] for file in files} for files in classes.values()]
    return next(iter(classes.values()))[0].rpartition("/")[0] if max(map(len, inner)) > 1 else ""


def check_image_folder(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every class and every image of a folder of classes."""
    root = Path(root)
    try:
        folders = split_folders(root) or {"": root}
    except DatasetNotFoundError as error:
        return no_data(root, error)
    problems: list[Problem] = []
    count = 0
    found = {name: class_files(folder) for name, folder in folders.items()}
    if not any(found.values()):
        problems.append(Problem("empty data set", "error", str(root), "holds no folder of a class"))
    elif len({name for known in found.values() for name in known}) == 1:
        problems.append(Problem("single class", "error", str(root), "one class alone is nothing to tell apart"))
    if refused := refusal(root):
        problems.append(Problem("maybe no classes", "warning", str(root), refused))
    for split, classes in found.items():
        for name in sorted({name for known in found.values() for name in known}):
            problems += _class_problems(folders[split] / name, len(classes.get(name, [])))
        records: list[Record] = [{"file_name": file} for files in classes.values() for file in files]
        problems += in_parallel(partial(image_problems, folders[split], decode=decode), records)
        count += len(records)
    return CheckReport(tuple(problems), count, count)


def _class_problems(folder: Path, count: int) -> list[Problem]:
    if count == 0:
        return [Problem("empty class", "error", str(folder), "holds no image")]
    if count < _FEW:
        return [Problem("small class", "warning", str(folder), f"holds {counted(count, 'images')}")]
    return []


def write_fake(root: Path, *, images: int = 4, seed: int = 0) -> None:
    """Write a miniature of three classes of drawn shapes: ``images`` of each in each of train/, val/ and test/."""
    for number, split in enumerate(SPLITS):
        generator = np.random.default_rng((seed, number))
        for shape in SHAPES:
            folder = Path(root) / split / shape
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(images):
                image, _ = draw_shape(shape, generator)
                image.save(folder / f"{i:03d}.jpg", quality=95)


ENTRY = DatasetEntry(
    open=open_image_folder,
    write_fake=write_fake,
    recognise=recognise_image_folder,
    mark="a folder for each of two classes or more (classes of images)",
    check=check_image_folder,
    refusal=refusal,
    summary="a folder for each class of images",
    licence=OF_THE_OWNER,
    size="any",
    source=OWN_FILES,
)
