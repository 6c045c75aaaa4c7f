"""Data sets in Pascal VOC's format for semantic segmentation: the class of every pixel as a PNG with a palette.

Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 88, 2010. Layout: ``JPEGImages/NAME.jpg``,
``SegmentationClass/NAME.png`` (0: background, 1 to 20: the classes, 255: void) and
``ImageSets/Segmentation/{train,val,trainval,test}.txt``. The background is category 0.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from visus.data.check.semantic import check_semantic
from visus.data.entry import DatasetEntry
from visus.data.errors import DatasetNotFoundError
from visus.data.files.images import SUFFIXES
from visus.data.files.label_maps import LabelTable
from visus.data.files.listed_files import FolderListing, read_lines
from visus.data.files.splits import check_split
from visus.data.formats.voc_fake import write_fake
from visus.data.formats.voc_layout import VOC_SPLITS, find_voc, has_voc, listed_names
from visus.data.formats.voc_names import VOC_NAMES, voc_colour
from visus.data.records.semantic_pairs import SemanticPairs
from visus.types import VOID, Schema


def open_voc_semantic(root: Path, split: str, *, for_training: bool = False) -> SemanticPairs:
    """Open a split of a data set in VOC's format for the class of every pixel.

    The categories are the background and VOC's 20; a file ``classes.txt`` with a name a line (the background first)
    says others. Masks may also be RGB images in the colours of VOC's palette.

    Args:
        root: the folder.
        split: "train", "val", "test" or "trainval".
        for_training: changes nothing here.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: the folder holds no such data set or no such split.
    """
    check_split(split, VOC_SPLITS)
    folder = find_voc(Path(root))
    if not (folder / "SegmentationClass").is_dir():
        raise DatasetNotFoundError(f"{folder / 'SegmentationClass'}: no such folder; it holds the masks")
    images = FolderListing(folder / "JPEGImages", SUFFIXES)
    masks = FolderListing(folder / "SegmentationClass", (".png",))
    names = listed_names(folder, split, kind="Segmentation")
    pairs = [(f"JPEGImages/{images.name(name)}", f"SegmentationClass/{masks.name(name)}") for name in names]
    schema = semantic_schema(folder)
    table = LabelTable(
        ids={**{label: label for label in range(schema.num_classes)}, VOID: VOID},
        colours={**{colour: label for label, colour in enumerate(schema.colours)}, voc_colour(VOID): VOID},
    )
    return SemanticPairs(root=folder, pairs=pairs, schema=schema, table=table)


def semantic_schema(folder: Path) -> Schema:
    """The background and the classes, in the colours of VOC's palette."""
    listing = folder / "classes.txt"
    names = tuple(read_lines(listing)) if listing.is_file() else VOC_NAMES
    if names[:1] != ("background",):
        names = ("background", *names)
    count = len(names)
    return Schema(
        categories=names, category_ids=tuple(range(count)), colours=tuple(voc_colour(label) for label in range(count))
    )


ENTRY = DatasetEntry(
    open=open_voc_semantic,
    write_fake=write_fake,
    recognise=partial(has_voc, part="SegmentationClass"),
    mark="JPEGImages/ with SegmentationClass/ (classes of pixels)",
    check=partial(check_semantic, open_split=open_voc_semantic),
    summary="Pascal VOC's layout: classes of pixels in SegmentationClass/*.png",
    licence="photographs under Flickr's terms of use; annotations: unknown",
    size="2012: 1,464 + 1,449 images, 20 classes and the background",
    source="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
)
