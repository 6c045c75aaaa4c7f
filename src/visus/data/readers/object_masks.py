"""Instance masks as files of their own: a folder of masks for each image, one for each object.

Layouts: ``images/NAME.png`` with ``masks/NAME/*.png``, or ``NAME/images/*.png`` with ``NAME/masks/*.png`` as the Data
Science Bowl of 2018 has them (Caicedo et al., "Nucleus segmentation across imaging experiments", Nature Methods 16,
2019); either in the folder itself or in ``train/``, ``val/`` and ``test/``. Without these 80, 10 and 10 % of the images
go to each split, the same every time. Pixels above 0 belong to the object, and all objects are of one class.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from visus.data.check.records import Problem
from visus.data.check.report import CheckReport, image_problems, in_parallel, no_data
from visus.data.entry import OF_THE_OWNER, DatasetEntry
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import ImageError, image_size
from visus.data.files.label_maps import read_values
from visus.data.files.listed_files import FolderListing
from visus.data.files.splits import ALIASES, SPLITS, check_split, divided, missing_split
from visus.data.files.suffixes import SUFFIXES
from visus.data.files.walk import visible
from visus.data.formats.coco_index import coco_content, image_record
from visus.data.records.fake_images import draw_shape
from visus.data.records.indexed import IndexedDataset, indexed
from visus.ops.masks import masks_to_boxes, rle_encode

Pair = tuple[Path, list[Path]]
"""An image, and the masks of its objects."""


def open_object_masks(root: Path, split: str, *, for_training: bool = False) -> IndexedDataset:
    """Open a split of a folder with a mask for each object. All masks of the split are read.

    Args:
        for_training: refuse a split without an object.

    Raises:
        AnnotationError: a mask has another size than its image.
    """
    check_split(split)
    root = Path(root)
    pairs = _pairs_of(root, split)
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(_records, pairs))
    images = (
        (image_record(str(image), size), objects) for (image, _), (size, objects) in zip(pairs, found, strict=True)
    )
    content = coco_content(images, [{"id": 1, "name": "object"}])
    return indexed(content, root, size_of=image_size, for_training=for_training)


def _pairs_of(root: Path, split: str) -> list[Pair]:
    splits = _splits(root)
    if split in splits:
        return splits[split]
    if splits.get(""):
        everything = splits[""]
        return [everything[place] for place in divided(len(everything), split)]
    if not splits:
        what = "no folder of masks for each image" if root.is_dir() else "no such folder"
        raise DatasetNotFoundError(f"{root}: {what}; images/NAME.png with masks/NAME/*.png is needed")
    raise DatasetNotFoundError(f"{root}: {missing_split(split, splits)}")


def _splits(root: Path) -> dict[str, list[Pair]]:
    """The images of each split that has a folder, or of all under the name ""."""
    found: dict[str, list[Pair]] = {}
    for split, aliases in ALIASES.items():
        for alias in aliases:
            if pairs := list(_pairs(root / alias)):
                found.setdefault(split, pairs)
    if not found and (pairs := list(_pairs(root))):
        found[""] = pairs
    return found


def _pairs(folder: Path) -> Iterator[Pair]:
    """The images of a folder with their masks, in alphabetical order."""
    inner = folder / "masks"
    if (folder / "images").is_dir() and any(path.is_dir() for path in visible(inner)):
        images = FolderListing(folder / "images", SUFFIXES)
        for name in images.stems():
            yield folder / "images" / images.name(name), _files(inner / name)
        return
    for sample in visible(folder):
        images_of = _files(sample / "images") if (sample / "masks").is_dir() else []
        if len(images_of) == 1:
            yield images_of[0], _files(sample / "masks")


def _files(folder: Path) -> list[Path]:
    return [path for path in visible(folder) if path.suffix.lower() in SUFFIXES and path.is_file()]


def _records(pair: Pair) -> tuple[tuple[int, int], list[dict[str, Any]]]:
    """The (h, w) of an image, and the box and the outline of each of its objects."""
    image, masks = pair
    size = image_size(image)
    return size, [record for mask in masks if (record := _record(mask, image, size)) is not None]


def _record(mask: Path, image: Path, size: tuple[int, int]) -> dict[str, Any] | None:
    """An object in COCO's format; None where no pixel of its mask is above 0."""
    values = read_values(mask)
    drawn = torch.from_numpy(np.asarray(values > 0 if values.ndim == 2 else (values > 0).any(axis=2)))
    if tuple(drawn.shape) != size:
        raise AnnotationError(f"{mask}: the mask has (h, w) = {tuple(drawn.shape)}, but its image {image} has {size}")
    if not bool(drawn.any()):
        return None
    left, top, right, bottom = masks_to_boxes(drawn[None])[0].tolist()
    box = [left, top, right - left, bottom - top]
    outline = dict(rle_encode(drawn))
    return {"bbox": box, "segmentation": outline, "area": float(drawn.sum()), "category_id": 1, "iscrowd": 0}


def recognise_object_masks(root: Path) -> bool:
    """Whether a folder, or that of a split in it, has images with a folder of masks each."""
    return any(masks for pairs in _splits(root).values() for _, masks in pairs)


def check_object_masks(root: Path, *, decode: bool = True) -> CheckReport:
    """Check every image and every mask.

    Args:
        decode: read every image completely; otherwise only the heads of the files. Masks are always read.
    """
    root = Path(root)
    splits = _splits(root)
    pairs = [pair for found in splits.values() for pair in found]
    if not pairs:
        return no_data(root, DatasetNotFoundError("no image has a folder of masks"))
    problems: list[Problem] = []
    if "" not in splits:
        lacking = [split for split in SPLITS if split not in splits]
        problems += [Problem("missing split", "warning", str(root), missing_split(s, splits)) for s in lacking]
    counts: list[int] = []
    problems += in_parallel(partial(_pair_problems, counts, decode), pairs)
    if not sum(counts):
        problems.append(Problem("no annotations", "error", str(root), "no mask has an object"))
    return CheckReport(tuple(problems), len(pairs), sum(counts))


def _pair_problems(counts: list[int], decode: bool, pair: Pair) -> list[Problem]:
    """What is wrong with an image and its masks; the number of objects is added to ``counts``."""
    image, masks = pair
    problems = image_problems(image.parent, {"file_name": image.name}, decode=decode)
    try:
        size = image_size(image)
    except ImageError:  # told already
        return problems
    for mask in masks:
        try:
            record = _record(mask, image, size)
        except AnnotationError as error:
            problems.append(Problem.of_error("mask of another size", mask, error))
        except ImageError as error:
            problems.append(Problem.of_error("unreadable mask", mask, error))
        else:
            counts.append(record is not None)
            if record is None:
                problems.append(Problem("empty mask", "warning", str(mask), "no pixel is above 0: left out"))
    if not masks:
        problems.append(Problem("image without masks", "warning", str(image), "has no mask: taken for one of nothing"))
    return problems


def write_fake(root: Path, *, images: int = 6, seed: int = 0) -> None:
    """Write a miniature of drawn squares: ``images`` of 64 x 80 in each split, with a mask for each."""
    for number, split in enumerate(SPLITS):
        generator = np.random.default_rng((seed, number))
        for turn in range(images):
            name = f"{turn:03d}"
            image, (left, top, right, bottom) = draw_shape("square", generator)
            (Path(root) / split / "images").mkdir(parents=True, exist_ok=True)
            image.save(Path(root) / split / "images" / f"{name}.png")
            mask = Image.new("L", image.size)
            ImageDraw.Draw(mask).rectangle((left, top, right - 1, bottom - 1), fill=255)
            (Path(root) / split / "masks" / name).mkdir(parents=True, exist_ok=True)
            mask.save(Path(root) / split / "masks" / name / "0.png")


ENTRY = DatasetEntry(
    open=open_object_masks,
    write_fake=write_fake,
    recognise=recognise_object_masks,
    mark="images/ with a folder of masks for each image, masks/NAME/*.png (instances)",
    check=check_object_masks,
    summary="a folder of masks for each image, one for each object",
    licence=OF_THE_OWNER,
    size="any",
    source="your own files; the layout: https://bbbc.broadinstitute.org/BBBC038",
)
