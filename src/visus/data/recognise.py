"""The layouts of data sets that are recognised by their folders and files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from visus.data.errors import DatasetNotFoundError
from visus.data.files.splits import SPLITS
from visus.data.formats.coco_layouts import all_coco
from visus.data.formats.yolo_yaml import find_yaml
from visus.data.readers.camvid import open_camvid
from visus.data.readers.coco import open_coco
from visus.data.readers.csv_boxes import find_tables, open_csv_boxes
from visus.data.readers.image_folder import class_files, open_image_folder, split_folders
from visus.data.readers.mask_folder import is_mask_folder, open_mask_folder
from visus.data.readers.pennfudan import open_pennfudan
from visus.data.readers.voc import find_voc, open_voc
from visus.data.readers.voc_semantic import open_voc_semantic
from visus.data.readers.yolo import open_yolo

if TYPE_CHECKING:
    from visus.data.feed.loader import SampleDataset


class OpenSplit(Protocol):
    """Opens one split of a folder."""

    def __call__(self, root: Path, split: str, *, for_training: bool = False) -> SampleDataset:
        """The split of the data set in ``root``."""


@dataclass(frozen=True)
class Layout:
    """A layout of folders and files.

    Args:
        holds: whether a folder looks like it.
        open: opens one split.
        mark: what it is recognised by, for messages.
    """

    holds: Callable[[Path], bool]
    open: OpenSplit
    mark: str


def open_folder(root: Path, split: str, *, for_training: bool = False) -> SampleDataset:
    """Open a split of a folder in whatever layout it is; where VOC's has both, its boxes.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: no layout fits, or the split is missing.
        AnnotationError: the annotations cannot be used.
    """
    return LAYOUTS[layout_of(Path(root))].open(Path(root), split, for_training=for_training)


def layout_of(root: Path) -> str:
    """The name, in `LAYOUTS`, of the first layout that a folder looks like.

    Raises:
        DatasetNotFoundError: it looks like none; lists what was looked for.
    """
    for name, layout in LAYOUTS.items():
        if layout.holds(root):
            return name
    if not root.exists():
        raise DatasetNotFoundError(f"{root}: no such folder")
    marks = "\n".join(f"  {name}: {layout.mark}" for name, layout in LAYOUTS.items())
    raise DatasetNotFoundError(f"{root}: holds no data set of a known layout. Looked for\n{marks}")


def _is_camvid(root: Path) -> bool:
    return any((root / f"{split}annot").is_dir() for split in SPLITS)


def _is_yolo(root: Path) -> bool:
    try:
        find_yaml(root)
    except DatasetNotFoundError:
        return False
    return root.is_dir() or root.suffix in (".yaml", ".yml")


def _has_voc(part: str) -> Callable[[Path], bool]:
    def holds(root: Path) -> bool:
        try:
            return (find_voc(root) / part).is_dir()
        except DatasetNotFoundError:
            return False

    return holds


def _is_pennfudan(root: Path) -> bool:
    return (root / "masks").is_dir() and (root / "images").is_dir()


def _is_table(root: Path) -> bool:
    try:
        return bool(find_tables(root)) and (root.is_dir() or root.suffix == ".csv")
    except DatasetNotFoundError:
        return False


def _is_image_folder(root: Path) -> bool:
    try:
        folders = split_folders(root) or {"": root}
    except DatasetNotFoundError:
        return False
    return any(files for folder in folders.values() for files in class_files(folder).values())


def _is_coco(root: Path) -> bool:
    return bool(all_coco(root))


LAYOUTS: dict[str, Layout] = {
    "coco": Layout(_is_coco, open_coco, "annotations/instances_*.json, */_annotations.coco.json or annotations.json"),
    "yolo": Layout(_is_yolo, open_yolo, "data.yaml with images/ and labels/"),
    "voc": Layout(_has_voc("Annotations"), open_voc, "JPEGImages/ with Annotations/ (boxes)"),
    "voc_semantic": Layout(
        _has_voc("SegmentationClass"), open_voc_semantic, "JPEGImages/ with SegmentationClass/ (classes of pixels)"
    ),
    "camvid": Layout(_is_camvid, open_camvid, "train/ with trainannot/ and train.txt (classes of pixels)"),
    "mask_folder": Layout(
        is_mask_folder, open_mask_folder, "images/ with masks/ and classes.txt, .csv or .json (classes of pixels)"
    ),
    "pennfudan": Layout(_is_pennfudan, open_pennfudan, "images/ with masks/, train.txt and test.txt (instances)"),
    "csv": Layout(_is_table, open_csv_boxes, "a CSV with the columns image and label (classes, or boxes)"),
    "image_folder": Layout(_is_image_folder, open_image_folder, "a folder for each class (classes of pictures)"),
}
"""In the order in which they are tried."""
