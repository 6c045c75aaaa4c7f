"""Data sets in Pascal VOC's format for semantic segmentation: the class of every pixel as a PNG with a palette.

Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 88, 2010. Layout: ``JPEGImages/NAME.jpg``,
``SegmentationClass/NAME.png`` (0: background, 1 to 20: the classes, 255: void) and
``ImageSets/Segmentation/{train,val,trainval,test}.txt``. The background is category 0.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from visus.data.check.report import CheckReport
from visus.data.check.semantic import check_semantic
from visus.data.entry import DatasetEntry, Void
from visus.data.errors import DatasetNotFoundError
from visus.data.files.label_maps import LabelTable
from visus.data.files.listed_files import FolderListing
from visus.data.files.splits import check_split
from visus.data.formats.class_lists import ListedClass, class_table, find_class_list, listed_classes
from visus.data.formats.voc_fake import write_fake
from visus.data.formats.voc_layout import VOC_SPLITS, VocImages, find_voc, has_voc, listed_names
from visus.data.formats.voc_names import VOC_NAMES, voc_colour
from visus.data.records.semantic_pairs import SemanticPairs
from visus.types import VOID, Schema

_BACKGROUND = ("background", "_background_", "bg")


def open_voc_semantic(root: Path, split: str, *, for_training: bool = False, void: Void = "auto") -> SemanticPairs:
    """Open a split of a data set in VOC's format for the class of every pixel.

    The categories are the background and VOC's 20; a list of classes (`visus.data.formats.class_lists`, such as
    ``classes.txt`` with a name a line) says others, to which the background is added in front where it is missing.
    Masks may also be RGB images in the colours of the list, or of VOC's palette where it has none.

    Args:
        split: "train", "val", "test" or "trainval".
        void: what 255 means where no class has this number.
    """
    check_split(split, VOC_SPLITS)
    folder = find_voc(Path(root))
    if not (folder / "SegmentationClass").is_dir():
        raise DatasetNotFoundError(f"{folder / 'SegmentationClass'}: no such folder; it holds the masks")
    images = VocImages(folder)
    masks = FolderListing(folder / "SegmentationClass", (".png",))
    names = listed_names(folder, split, kind="Segmentation")
    pairs = [(images.find(name), f"SegmentationClass/{masks.name(name)}") for name in names]
    schema, table = _classes(folder, void)
    return SemanticPairs(root=folder, pairs=pairs, schema=schema, table=table, void=void)


def _classes(folder: Path, void: Void) -> tuple[Schema, LabelTable]:
    """The background and the classes, in the colours of their list or of VOC's palette."""
    listing = find_class_list(folder)
    listed = listed_classes(listing) if listing else [ListedClass(name, n, None) for n, name in enumerate(VOC_NAMES)]
    numbered = any(one.number != place for place, one in enumerate(listed))
    if not numbered and not any(one.name.lower() in _BACKGROUND for one in listed):
        colour = voc_colour(0) if any(one.colour for one in listed) else None
        listed = [ListedClass("background", 0, colour), *(replace(one, number=one.number + 1) for one in listed)]
    if not any(one.colour for one in listed):
        listed = [replace(one, colour=voc_colour(one.number)) for one in listed]
    if void != "none" and not any(one.colour == voc_colour(VOID) or one.number == VOID for one in listed):
        listed = [*listed, ListedClass("void", VOID, voc_colour(VOID))]
    return class_table(listing or folder, listed, void)


def check_voc_semantic(root: Path, *, decode: bool = True, void: Void = "auto") -> CheckReport:
    """Check every image and every mask; arguments as for `check_semantic`."""
    return check_semantic(root, open_split=partial(open_voc_semantic, void=void), decode=decode)


ENTRY = DatasetEntry(
    open=open_voc_semantic,
    write_fake=write_fake,
    recognise=partial(has_voc, part="SegmentationClass"),
    mark="JPEGImages/ with SegmentationClass/ (semantic segmentation)",
    check=check_voc_semantic,
    takes_void=True,
    summary="Pascal VOC's layout: semantic segmentation in SegmentationClass/*.png",
    licence="photographs under Flickr's terms of use; annotations: unknown",
    size="2012: 1,464 + 1,449 images, 20 classes and the background",
    source="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
)
