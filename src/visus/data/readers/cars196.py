"""CARS196: 16,185 photographs of 196 models of cars with a box each; classes 1-98 train, 99-196 test.

Krause, Stark, Deng, Fei-Fei, "3D Object Representations for Fine-Grained Categorization", 3dRR 2013. Layout:
``cars_annos.mat`` with ``annotations`` (relative_im_path, bbox_x1, bbox_y1, bbox_x2, bbox_y2, class, test) and
``class_names``; the images lie in ``car_ims/``. Retrieval takes the images of the official train and test sets
together and divides them by class, so the field ``test`` is not looked at. Boxes count pixels from 1, ends included.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from visus.data.check.listed import check_listed
from visus.data.entry import DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.content import require_file
from visus.data.records.class_splits import open_halves
from visus.data.records.fake_images import save_class
from visus.data.records.image_records import Complain, ImageRecord, ListedImages, whole_number
from visus.errors import VisusError

_FIELDS = ("relative_im_path", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "test")


class MissingScipyError(VisusError, ImportError):
    """MATLAB's files need scipy, which visus does not install by itself."""


def _read(root: Path, complain: Complain) -> ListedImages:
    path = root / "cars_annos.mat"
    if not path.is_file():
        raise DatasetNotFoundError(f"{path}: no such file; CARS196 needs cars_annos.mat and car_ims/")
    reader = _scipy_io()
    require_file(path, AnnotationError)
    try:
        content = reader.loadmat(path, squeeze_me=True)
        rows = np.atleast_1d(content["annotations"])
        columns = [rows[field].tolist() for field in _FIELDS[:6]]
        records = [
            ImageRecord(
                str(name),
                whole_number(str(int(label)), "a class"),
                box_xyxy=(float(x1) - 1, float(y1) - 1, float(x2), float(y2)),
            )
            for name, x1, y1, x2, y2, label in zip(*columns, strict=True)
        ]
        names = {number: str(name) for number, name in enumerate(np.atleast_1d(content["class_names"]).tolist(), 1)}
    except NotImplementedError as error:  # what scipy says of the HDF5 that MATLAB 7.3 writes
        raise AnnotationError(f"{path}: of MATLAB 7.3, which is not read; save it with `save -v7`") from error
    except Exception as error:  # over damage scipy raises what its parts do: zlib.error, struct.error, EOFError
        raise AnnotationError(
            f"{path}: not the annotations of CARS196 ({str(error) or type(error).__name__})"
        ) from error
    return ListedImages(root, records, names)


open_cars196 = partial(open_halves, read=_read)
check_cars196 = partial(check_listed, read=_read)


def _scipy_io() -> Any:
    try:
        return import_module("scipy.io")
    except ImportError as error:
        raise MissingScipyError("CARS196 is annotated in a MATLAB file: pip install scipy to read it") from error


def recognise_cars196(root: Path) -> bool:
    """Whether a folder has the annotations."""
    return (root / "cars_annos.mat").is_file()


def write_fake(root: Path, *, classes: int = 8, views: int = 4, seed: int = 0) -> None:
    """Write a miniature of ``classes`` models; needs scipy."""
    root = Path(root)
    rows: list[tuple[str | int, ...]] = []
    for number in range(1, classes + 1):
        for view in range(views):
            path = f"car_ims/{len(rows) + 1:06d}.jpg"
            left, top, right, bottom = save_class(root / path, number, view, seed=seed)
            rows.append((path, left + 1, top + 1, right, bottom, number, view % 2))
    annotations = np.array(rows, dtype=[(field, object) for field in _FIELDS])
    names = np.array([f"Drawn Car {number}" for number in range(1, classes + 1)], dtype=object)
    _scipy_io().savemat(root / "cars_annos.mat", {"annotations": annotations[None], "class_names": names[None]})


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
