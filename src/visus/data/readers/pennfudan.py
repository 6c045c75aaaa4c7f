"""Penn-Fudan: 170 street photographs with 423 pedestrians as instance masks.

Wang, Shi, Song, Shen, "Object Detection Combining Recognition and Segmentation", ACCV 2007. Layout:
``images/NAME.jpg``, ``masks/NAME.png`` whose pixels are the number of the instance (0: background), ``train.txt`` and
``test.txt`` with a NAME a line. Boxes are the bounds of the masks.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image, ImageDraw
from torch import Tensor

from visus.data.check.records import Problem
from visus.data.check.report import CheckReport, image_problems
from visus.data.entry import DatasetEntry
from visus.data.errors import DatasetNotFoundError
from visus.data.files.images import ImageError
from visus.data.files.listed_files import read_lines
from visus.data.files.opened import opened
from visus.data.files.orientation import load_unturned, orientation_of, turned
from visus.data.files.splits import check_split
from visus.data.formats.coco_index import image_record
from visus.data.records.image_files import ImageFiles
from visus.ops.masks import masks_to_boxes
from visus.types import InstanceTarget, Sample, Schema

SCHEMA = Schema(categories=("person",), category_ids=(1,), has_masks=True)
_SPLITS = {"train": "train.txt", "val": "test.txt", "test": "test.txt"}
_MASK_BYTES = 1 << 30  # of all masks of an image


class PennFudanDataset(ImageFiles):
    """The images that a list names, in its order.

    Args:
        root: the folder with ``images`` and ``masks``.
        names: file names without their endings.
    """

    def __init__(self, *, root: Path, names: list[str]) -> None:
        super().__init__(folder=root, names=(f"images/{name}.jpg" for name in names), schema=SCHEMA)

    def __getitem__(self, index: int) -> Sample:
        path = self.path(index)
        image = self._image(index)
        target = self.target(index)
        if tuple(image.shape[-2:]) != target.size:
            raise ImageError(f"{path}: (h, w) = {tuple(image.shape[-2:])}, but its mask has {target.size}")
        return Sample(input=image, target=target, path=path)

    def target(self, index: int) -> InstanceTarget:
        """The pedestrians of an image, without decoding it."""
        name = self._names[self._place(index)].removeprefix("images/").removesuffix(".jpg")
        masks = read_instances(self.folder / "masks" / f"{name}.png")
        count = len(masks)
        return InstanceTarget(
            boxes_xyxy=masks_to_boxes(masks),
            labels=torch.zeros(count, dtype=torch.int64),
            areas=masks.sum(dim=(1, 2)).float(),
            is_crowd=torch.zeros(count, dtype=torch.bool),
            size=(masks.shape[1], masks.shape[2]),
            image_id=self._place(index) + 1,
            masks=masks,
        )


def read_instances(path: Path) -> Bool[Tensor, "n h w"]:
    """One mask for each number above 0 in an image of instance numbers, in the order of the numbers.

    Raises:
        ImageError: the file cannot be read, has more than one channel, or so many numbers that their masks take more
            than 1 GB.
    """
    with opened(path, path) as image:
        left = load_unturned(image, orientation_of(image))
    numbers = np.ascontiguousarray(turned(np.asarray(image), left))
    if numbers.ndim != 2:
        raise ImageError(f"{path}: a mask needs one channel of instance numbers, this has the shape {numbers.shape}")
    present = np.unique(numbers)
    present = present[present > 0]
    if len(present) * numbers.size > _MASK_BYTES:
        size = f"its masks take {len(present) * numbers.size:,} bytes, {_MASK_BYTES:,} are allowed"
        raise ImageError(f"{path}: holds {len(present):,} different numbers: {size}; is it an image of depths?")
    masks = np.empty((len(present), *numbers.shape), dtype=bool)
    for mask, number in zip(masks, present, strict=True):
        np.equal(numbers, number, out=mask)
    return torch.from_numpy(masks)


def open_pennfudan(root: Path, split: str, *, for_training: bool = False) -> PennFudanDataset:
    """Open a split; there is no published validation split, so "val" is "test"."""
    check_split(split)
    listing = Path(root) / _SPLITS[split]
    if not listing.is_file():
        raise DatasetNotFoundError(f"{listing}: no such file; Penn-Fudan needs images/, masks/, train.txt and test.txt")
    return PennFudanDataset(root=Path(root), names=_listed(listing))


def recognise_pennfudan(root: Path) -> bool:
    """Whether a folder has images and masks, and lists or names of this data set."""
    named = any((root / "masks").glob("FudanPed*.png")) or any((root / name).is_file() for name in _SPLITS.values())
    return (root / "masks").is_dir() and (root / "images").is_dir() and named


def check_pennfudan(root: Path, *, decode: bool = True) -> CheckReport:
    """Check the images, masks and lists of a folder in Penn-Fudan's layout."""
    root = Path(root)
    problems: list[Problem] = []
    names: list[str] = []
    for listing in (root / "train.txt", root / "test.txt"):
        if listing.is_file():
            listed = _listed(listing)
            names += listed
            if not listed:
                problems.append(Problem("empty split", "error", str(listing), "names no image"))
        else:
            problems.append(Problem("missing list", "error", str(listing), "no such file"))
    if not names:
        problems.append(Problem("empty data set", "error", str(root), "its lists name no image"))
    for name, times in Counter(names).items():
        if times > 1:
            problems.append(Problem("duplicate image", "error", str(root), f"{name} is listed {times} times"))
    objects = 0
    for name in dict.fromkeys(names):
        found, count = _pair_problems(root, name, decode)
        problems += found
        objects += count
    return CheckReport(tuple(problems), len(names), objects)


def _pair_problems(root: Path, name: str, decode: bool) -> tuple[list[Problem], int]:
    """What is wrong with an image and its mask, and the number of objects."""
    image, mask = root / "images" / f"{name}.jpg", root / "masks" / f"{name}.png"
    try:
        masks = read_instances(mask)
    except ImageError as error:
        kind = "unreadable mask" if os.path.exists(mask) else "missing mask"
        problem = Problem.of_error(kind, mask, error)
        return [problem, *image_problems(image.parent, image_record(image.name, None), decode=decode)], 0
    size = (masks.shape[1], masks.shape[2])
    problems = image_problems(image.parent, image_record(image.name, size), decode=decode)
    if len(masks) == 0:
        problems.append(Problem("empty mask", "warning", str(mask), "holds no instance"))
    return problems, len(masks)


def _listed(listing: Path) -> list[str]:
    return [name for line in read_lines(listing) for name in line.split()]


def write_fake(root: Path, *, images: int = 6, seed: int = 0) -> None:
    """Write a miniature Penn-Fudan of drawn figures: two thirds ``train.txt``, the rest ``test.txt``."""
    root = Path(root)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    names = [f"FudanPed{number:05d}" for number in range(1, images + 1)]
    for number, name in enumerate(names):
        image, mask = _draw_street(np.random.default_rng((seed, number)))
        image.save(root / "images" / f"{name}.jpg", quality=95)
        mask.save(root / "masks" / f"{name}.png")
    cut = max(1, images * 2 // 3)
    (root / "train.txt").write_text("\n".join(names[:cut]) + "\n")
    (root / "test.txt").write_text("\n".join(names[cut:]) + "\n")


def _draw_street(generator: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """An image of one to three standing figures before a noisy wall, and their instance numbers."""
    height, width = 120, 160
    noise = generator.integers(110, 200, (height // 10, width // 10, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    mask = Image.new("L", (width, height))
    count = int(generator.integers(1, 4))
    for number in range(1, count + 1):
        tall = int(generator.integers(50, 100))
        centre = int(width * (number - 0.5) / count + generator.integers(-6, 7))
        foot = int(generator.integers(tall + 4, height))
        colour = tuple(int(c) for c in generator.integers(20, 240, 3))
        for pen, fill in ((ImageDraw.Draw(image), colour), (ImageDraw.Draw(mask), number)):
            body = (centre - tall // 8, foot - tall * 3 // 4, centre + tall // 8, foot)
            head = (centre - tall // 10, foot - tall, centre + tall // 10, foot - tall * 3 // 4)
            pen.rectangle(body, fill=fill)
            pen.ellipse(head, fill=fill)
    return image, mask


ENTRY = DatasetEntry(
    open=open_pennfudan,
    write_fake=write_fake,
    recognise=recognise_pennfudan,
    mark="images/ with masks/, train.txt and test.txt (instances)",
    check=check_pennfudan,
    summary="Penn-Fudan pedestrians: images and instance masks",
    licence="research",
    size="128 + 42 images with 423 people",
    source="https://www.cis.upenn.edu/~jshi/ped_html/",
)
