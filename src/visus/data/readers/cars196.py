"""CARS196: 16,185 photographs of 196 models of cars with a box each; classes 1-98 train, 99-196 test.

Krause, Stark, Deng, Fei-Fei, "3D Object Representations for Fine-Grained Categorization", 3dRR 2013. Layout:
``cars_annos.mat`` with ``annotations`` (relative_im_path, bbox_x1, bbox_y1, bbox_x2, bbox_y2, class, test) and
``class_names``; the images lie in ``car_ims/``. Retrieval takes the images of the official train and test sets
together and divides them by class, so the field ``test`` is not looked at. Boxes count pixels from 1, ends included.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from visus.data.check.listed import check_listed
from visus.data.entry import DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.formats.mat_file import read_mat, write_mat
from visus.data.records.class_splits import open_halves
from visus.data.records.fake_images import save_class
from visus.data.records.image_records import Complain, ImageRecord, ListedImages, whole_number

_BOX = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")


def _read(root: Path, complain: Complain) -> ListedImages:
    path = root / "cars_annos.mat"
    if not path.is_file():
        raise DatasetNotFoundError(f"{path}: no such file; CARS196 needs cars_annos.mat and car_ims/")
    content = read_mat(path)
    try:
        records = [_record(row) for row in content["annotations"]]
        names = dict(enumerate(map(_text, content["class_names"]), start=1))
    except (ValueError, LookupError, TypeError) as error:
        raise AnnotationError(f"{path}: not the annotations of CARS196 ({type(error).__name__}: {error})") from error
    return ListedImages(root, records, names)


def _record(row: Mapping[str, Any]) -> ImageRecord:
    label, left, top, right, bottom = (np.asarray(row[field]).item() for field in ("class", *_BOX))
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise ValueError(f"the box of {row['relative_im_path']!r} has a number that is not finite")
    number = whole_number(str(int(label)), "a class")
    return ImageRecord(_text(row["relative_im_path"]), number, box_xyxy=(left - 1, top - 1, right, bottom))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.60} where a text belongs")
    return value


open_cars196 = partial(open_halves, read=_read)
check_cars196 = partial(check_listed, read=_read)


def recognise_cars196(root: Path) -> bool:
    """Whether a folder has the annotations."""
    return (root / "cars_annos.mat").is_file()


def write_fake(root: Path, *, classes: int = 8, views: int = 4, seed: int = 0) -> None:
    """Write a miniature of ``classes`` models."""
    root = Path(root)
    rows: list[dict[str, str | int]] = []
    for number in range(1, classes + 1):
        for view in range(views):
            path = f"car_ims/{len(rows) + 1:06d}.jpg"
            left, top, right, bottom = save_class(root / path, number, view, seed=seed)
            box = dict(zip(_BOX, (left + 1, top + 1, right, bottom), strict=True))
            rows.append({"relative_im_path": path, **box, "class": number, "test": view % 2})
    names = [f"Drawn Car {number}" for number in range(1, classes + 1)]
    write_mat(root / "cars_annos.mat", {"annotations": rows, "class_names": names})


ENTRY = DatasetEntry(
    open=open_cars196,
    write_fake=write_fake,
    recognise=recognise_cars196,
    mark="cars_annos.mat with car_ims/ (retrieval of cars)",
    check=check_cars196,
    summary="CARS196: the first 98 classes learn, the others test",
    licence="unknown; the photographs belong to their owners",
    size="8,054 + 8,131 images, 98 + 98 classes",
    source="http://ai.stanford.edu/~jkrause/cars/car_dataset.html",
    unseen_classes=True,
)
