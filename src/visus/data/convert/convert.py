"""From one format of annotations to another: COCO, Pascal VOC and YOLO, through records in COCO's format.

Boxes, classes and images without objects survive every way; what a format has no words for is left out and counted.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visus.data.convert.writers import WRITERS, AnnotatedImage
from visus.data.errors import AnnotationError, DatasetNotFoundError
from visus.data.files.images import ImageError, image_size
from visus.data.files.splits import SPLITS, check_split
from visus.data.formats.coco_index import build_index, read_coco_json
from visus.data.formats.coco_layouts import find_coco
from visus.data.formats.voc_layout import find_voc, listed_names
from visus.data.formats.yolo_yaml import find_yaml, read_yaml, split_files
from visus.data.readers.voc import voc_content
from visus.data.readers.yolo import yolo_content
from visus.data.recognise import layout_of
from visus.errors import VisusError

Record = dict[str, Any]


class ConversionError(VisusError, ValueError):
    """A conversion that would lose or overwrite something."""


@dataclass(frozen=True)
class Conversion:
    """How much was written, and how much of what the target's format has no words for."""

    images: int
    objects: int
    left_out: dict[str, int]


def convert(
    source: Path,
    target: Path,
    *,
    to: str,
    splits: Sequence[str] = (),
    link: bool = False,
    on_image: Callable[[int, int], None] = lambda done, total: None,
) -> Conversion:
    """Write a data set in another format.

    Left out are, with their number in the result: crowds in YOLO (a difficult object of VOC is one); outlines in VOC;
    outlines in run lengths in YOLO, whose boxes are kept; keypoints everywhere. YOLO's boxes are cut at the border.
    Nothing is written before everything is read.

    Args:
        source: a folder in COCO's, VOC's or the YOLO layout.
        target: a folder that does not exist or is empty.
        to: "coco", "voc" or "yolo".
        splits: those to convert; empty converts all that there are.
        link: make hard links to the images where the file system can, instead of copies.
        on_image: told the number of images done and of all.

    Raises:
        ConversionError: the target holds something already, or the source is in no such format, or in that one.
        DatasetNotFoundError: the source holds no data set, or not the split.
        AnnotationError: annotations that cannot be used.
        ImageError: an image is missing.
    """
    source, target = Path(source), Path(target)
    layout = layout_of(source)
    _refuse(source, layout, target, to)
    contents = _contents(source, layout, splits)
    names = _names(source, contents)
    annotated = {split: _annotated(source, content) for split, content in contents.items()}
    plan = WRITERS[to](target, names, annotated)
    total = sum(map(len, annotated.values()))
    for done, (origin, copy) in enumerate(plan.copies, start=1):
        _bring(origin, copy, link)
        on_image(done, total)
    for file, text in plan.files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return Conversion(total, plan.objects, {what: count for what, count in plan.left_out.items() if count})


def _refuse(source: Path, layout: str, target: Path, to: str) -> None:
    if to not in WRITERS:
        raise ConversionError(f"{to!r} is no format; there are {', '.join(WRITERS)}")
    if layout not in WRITERS:
        raise ConversionError(f"{source}: is in the layout {layout}; only {', '.join(WRITERS)} can be converted")
    if layout == to:
        raise ConversionError(f"{source}: is in the format {to} already")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConversionError(f"{target}: exists already; name a folder that is new or empty")


def _contents(source: Path, layout: str, splits: Sequence[str]) -> dict[str, tuple[Path, Record]]:
    """The folder of the images and the content of each split."""
    read = {"coco": _read_coco, "voc": _read_voc, "yolo": _read_yolo}[layout]
    contents: dict[str, tuple[Path, Record]] = {}
    for split in splits or SPLITS:
        check_split(split)
        try:
            contents[split] = read(source, split)
        except DatasetNotFoundError:
            if splits:
                raise
    if not contents:
        raise DatasetNotFoundError(f"{source}: has none of the splits {', '.join(SPLITS)}")
    return contents


def _read_coco(source: Path, split: str) -> tuple[Path, Record]:
    found = find_coco(source, split)
    content = read_coco_json(found.annotations)
    build_index(content, found.annotations, size_of=lambda name: image_size(found.images / name), for_training=False)
    if found.image_ids is not None:
        kept = set(found.image_ids)
        images = [record for record in content["images"] if record["id"] in kept]
        annotations = [record for record in content["annotations"] if record["image_id"] in kept]
        content = {**content, "images": images, "annotations": annotations}
    return found.images, content


def _read_voc(source: Path, split: str) -> tuple[Path, Record]:
    folder = find_voc(source)
    return folder, voc_content(folder, listed_names(folder, split))


def _read_yolo(source: Path, split: str) -> tuple[Path, Record]:
    declared = read_yaml(find_yaml(source))
    return Path(), yolo_content(split_files(declared, split), declared.names)


def _names(source: Path, contents: dict[str, tuple[Path, Record]]) -> dict[int, str]:
    """The categories of all splits, by identifier."""
    names: dict[int, str] = {}
    for _, content in contents.values():
        for category in content["categories"]:
            name = str(category.get("name", category["id"]))
            if names.setdefault(category["id"], name) != name:
                both = f"{names[category['id']]} and {name}"
                raise AnnotationError(f"{source}: category {category['id']} is {both} in different splits")
    if len(set(names.values())) < len(names):
        raise AnnotationError(f"{source}: two categories have the same name, which only COCO's format can tell apart")
    return dict(sorted(names.items()))


def _annotated(source: Path, read: tuple[Path, Record]) -> list[AnnotatedImage]:
    """The images of a split with their objects, all of which exist."""
    folder, content = read
    objects: dict[int, list[Record]] = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        objects[annotation["image_id"]].append(annotation)
    found = []
    for image in sorted(content["images"], key=lambda image: image["id"]):
        file = folder / image["file_name"]
        if not file.is_file():
            raise ImageError(f"{file}: no such file (`visus data check {source}` lists all problems)")
        size = (image.get("height"), image.get("width"))
        found.append(AnnotatedImage(file, image_size(file) if None in size else size, objects[image["id"]]))
    return found


def _bring(origin: Path, copy: Path, link: bool) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    if link:
        try:
            os.link(origin.resolve(), copy)
        except OSError:  # another file system, or one without links
            shutil.copyfile(origin, copy)
    else:
        shutil.copyfile(origin, copy)
