"""Data sets in Pascal VOC's format: boxes from one XML file a picture.

Everingham, Van Gool, Williams, Winn, Zisserman, "The Pascal Visual Object Classes (VOC) Challenge", IJCV 88, 2010.
Layout: ``JPEGImages/NAME.jpg``, ``Annotations/NAME.xml``, ``ImageSets/Main/{train,val,trainval,test}.txt`` with a NAME
a line, in the folder itself or in its ``VOCdevkit/VOC2012`` or ``VOC2012``.

Coordinates count pixels from 1 and include both ends: the box is (xmin - 1, ymin - 1, xmax, ymax) in ours, and files
that count from 0 nevertheless are cut at 0. Difficult objects become crowds: VOC's measure leaves them neither right
nor wrong, and training leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import SUFFIXES, image_size
from visus.data.files.listed_files import FolderListing, read_lines
from visus.data.files.splits import check_split, divided
from visus.data.formats.coco_index import build_index
from visus.data.formats.voc_names import VOC_NAMES
from visus.data.formats.voc_xml import VocRecord, read_voc_xml
from visus.data.records.indexed import IndexedDataset

VOC_SPLITS = ("train", "val", "test", "trainval")


def open_voc(root: Path, split: str, *, for_training: bool = False) -> IndexedDataset:
    """Open a split of a data set in VOC's format.

    The categories are VOC's 20 where no other name occurs, else the names of all annotations, sorted; a file
    ``classes.txt`` with a name a line fixes them. Without ``ImageSets/Main`` the pictures are divided 80/10/10.

    Args:
        root: the folder.
        split: "train", "val", "test" or "trainval".
        for_training: leave out difficult objects and clip boxes to the image.

    Raises:
        ValueError: ``split`` is no split.
        DatasetNotFoundError: the folder holds no such data set or no such split.
        AnnotationError: an annotation that cannot be used; names the file and the cause.
    """
    check_split(split, VOC_SPLITS)
    folder = find_voc(Path(root))
    content = voc_content(folder, listed_names(folder, split))
    index = build_index(
        content, folder / "Annotations", size_of=lambda name: image_size(folder / name), for_training=for_training
    )
    return IndexedDataset(images=folder, source=folder / "Annotations", index=index)


def find_voc(root: Path) -> Path:
    """The folder that holds ``JPEGImages``: ``root``, or the only year of a devkit below it.

    Raises:
        DatasetNotFoundError: there is none, or more than one.
    """
    if is_voc(root):
        return root
    years = sorted(folder for pattern in ("VOC*", "VOCdevkit/VOC*") for folder in root.glob(pattern) if is_voc(folder))
    if len(years) == 1:
        return years[0]
    if years:
        names = ", ".join(str(year) for year in years)
        raise DatasetNotFoundError(f"{root}: holds several years; name one of {names}")
    raise DatasetNotFoundError(
        f"{root}: {'no JPEGImages/ with Annotations/ or SegmentationClass/' if root.is_dir() else 'no such folder'}, "
        "as VOC's layout has them"
    )


def is_voc(root: Path) -> bool:
    """Whether a folder holds pictures and annotations as VOC's layout has them."""
    return (root / "JPEGImages").is_dir() and any(
        (root / name).is_dir() for name in ("Annotations", "SegmentationClass")
    )


def listed_names(folder: Path, split: str, kind: str = "Main") -> list[str]:
    """The names of a split without endings, in the order of ``ImageSets/KIND/SPLIT.txt``, each once.

    Raises:
        DatasetNotFoundError: the lists have no such split.
    """
    lists = folder / "ImageSets" / kind
    listing = lists / f"{split}.txt"
    if listing.is_file():
        known = set(FolderListing(folder / "Annotations", (".xml",)).stems())
        # The lists of one class say in a second column whether it is there; a name may hold blanks of its own.
        entries = [line if line in known else line.split()[0] for line in read_lines(listing)]
        return list(dict.fromkeys(entries))
    if lists.is_dir():
        present = ", ".join(sorted(file.stem for file in lists.glob("*.txt"))) or "no list"
        raise DatasetNotFoundError(f"{listing}: no such file; {lists} has {present}")
    ending, source = (".xml", "Annotations") if kind == "Main" else (".png", "SegmentationClass")
    names = FolderListing(folder / source, (ending,)).stems()
    wanted = ("train", "val") if split == "trainval" else (split,)
    return [names[place] for place in sorted(place for part in wanted for place in divided(len(names), part))]


def voc_content(folder: Path, names: Iterable[str]) -> dict[str, Any]:
    """The annotations of some pictures as the content of a file in COCO's format, its images numbered from 1.

    Args:
        folder: from `find_voc`.
        names: of the pictures, without endings.

    Raises:
        AnnotationError: an annotation that cannot be used.
    """
    names = list(names)
    records = {name: read_voc_xml(folder / "Annotations" / f"{name}.xml") for name in names}
    categories = voc_categories(folder, records)
    identifiers = {name: number for number, name in enumerate(categories, start=1)}
    pictures = FolderListing(folder / "JPEGImages", SUFFIXES)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, record) in enumerate(records.items(), start=1):
        images.append(image_record(number, name, record, pictures))
        for thing in record.objects:
            if thing["name"] not in identifiers:
                file = folder / "Annotations" / f"{name}.xml"
                raise AnnotationError(f"{file}: the class {thing['name']!r} is not in {folder / 'classes.txt'}")
            annotation = {k: v for k, v in thing.items() if k != "name"}
            place = {"id": len(annotations) + 1, "image_id": number, "category_id": identifiers[thing["name"]]}
            annotations.append({**annotation, **place})
    listed = [{"id": number, "name": name} for name, number in identifiers.items()]
    return {"images": images, "annotations": annotations, "categories": listed}


def image_record(number: int, name: str, record: VocRecord, pictures: FolderListing) -> dict[str, Any]:
    """The record of one picture in COCO's format; without its size where the annotation does not say it."""
    known = name in pictures or Path(record.filename).stem not in pictures
    image = {"id": number, "file_name": f"JPEGImages/{pictures.name(name if known else record.filename)}"}
    return image if record.size is None else {**image, "height": record.size[0], "width": record.size[1]}


def voc_categories(folder: Path, records: dict[str, VocRecord]) -> tuple[str, ...]:
    """The names of the classes of a whole data set, so that every split numbers them alike.

    Args:
        folder: from `find_voc`.
        records: those read already.
    """
    if (folder / "classes.txt").is_file():
        return tuple(dict.fromkeys(read_lines(folder / "classes.txt")))
    names: set[str] = set()
    for stem in FolderListing(folder / "Annotations", (".xml",)).stems():
        try:
            record = records.get(stem) or read_voc_xml(folder / "Annotations" / f"{stem}.xml")
        except AnnotationError:  # of another split: whoever opens that one is told
            continue
        names.update(thing["name"] for thing in record.objects)
    return VOC_NAMES if names <= set(VOC_NAMES) else tuple(sorted(names))
